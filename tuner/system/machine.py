"""What this machine has, as far as the system tells; a container's limits count."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        known = len(os.sched_getaffinity(0))
    else:
        known = os.cpu_count() or 1
    quota = _words(_CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        known = min(known, max(1, math.floor(int(quota[0]) / int(quota[1]))))
    return known


def memory_bytes() -> int | None:
    """Give this machine's memory, or None where the system does not tell."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):  # Windows
        return None
    known = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _number(_CGROUP / "memory.max")
    return known if limit is None else min(known, limit)


def free_memory_bytes() -> int | None:
    """Give the memory that new processes can take, or None where nobody tells."""
    known = memory_bytes()
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            known = int(line.split()[1]) * 1024
    limit, used = (_number(_CGROUP / f"memory.{n}") for n in ("max", "current"))
    if known is not None and limit is not None and used is not None:
        known = min(known, max(0, limit - used + _cached_bytes()))
    return known


def _cached_bytes() -> int:
    """Give the part of a container's used memory that is files it once read."""
    for line in _lines(_CGROUP / "memory.stat"):
        if line.startswith("inactive_file "):
            return int(line.split()[1])
    return 0


def _number(path: Path) -> int | None:
    words = _words(path)
    return int(words[0]) if words and words[0].isdigit() else None


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
