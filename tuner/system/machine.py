"""This machine's cores and memory, within the limits of its container."""

from __future__ import annotations

import math
import os
from pathlib import Path

# Of x86 processors, with and without matrix units, and of ARM's.
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16", "bf16"}
_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Count the cores that this process can use."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    quota = _words(_CGROUP / "cpu.max")
    if len(quota) == 2 and quota[0] != "max":
        allowed = math.floor(int(quota[0]) / int(quota[1]))
        available = min(available, max(1, allowed))
    return available


def has_bfloat16() -> bool:
    """Whether the processor says that it multiplies bfloat16 numbers.

    Only Linux tells; elsewhere this is False.
    """
    flags = {word for line in _lines(Path("/proc/cpuinfo")) for word in line.split()}
    return not flags.isdisjoint(_BFLOAT16_FLAGS)


def memory_bytes() -> int | None:
    """Return this machine's memory, or None if the system does not report it."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):  # Windows
        return None
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _number(_CGROUP / "memory.max")
    return total if limit is None else min(total, limit)


def free_memory_bytes() -> int | None:
    """Return the memory that new processes can use, or None if it is unknown."""
    free = memory_bytes()
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    limit, used = (_number(_CGROUP / f"memory.{n}") for n in ("max", "current"))
    if free is not None and limit is not None and used is not None:
        free = min(free, max(0, limit - used + _cached_bytes()))
    return free


def _cached_bytes() -> int:
    """Return how much of a container's used memory only caches files."""
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
