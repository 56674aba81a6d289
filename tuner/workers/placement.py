"""Choose the number of workers, their GPUs and their threads on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from tuner.system.machine import cores, free_memory_bytes

# Memory of a worker without its network: the backend, and a batch or two.
BYTES_PER_WORKER = 3 * 1024**3 // 2
_TRIALS_PER_WORKER = 4  # a search that learns needs results before it proposes


@dataclass(frozen=True)
class Placement:
    """Where the workers of this machine run.

    Attributes:
        gpus: For each worker, the only GPU that it sees, or None if it sees every
            device that the backend sees.
        threads: CPU threads of each worker, or None for all.
        reason: What limits the number of workers; "" if the user chose it.
        fallback: Where they run if the backend sees a GPU that was not listed, or
            cannot use the listed ones; None if the user chose the number.
    """

    gpus: tuple[str | None, ...] = (None,)
    threads: int | None = None
    reason: str = ""
    fallback: Placement | None = None

    @property
    def count(self) -> int:
        """The number of workers."""
        return len(self.gpus)

    def description(self) -> str:
        """Describe it in one line; return "" if one worker has the whole machine."""
        if self.count == 1 and self.threads is None:
            return ""
        trials = "1 trial" if self.count == 1 else f"{self.count} trials"
        text = f"{trials} at a time"
        if self.threads:
            text += f", {self.threads} thread{'' if self.threads == 1 else 's'} each"
        return f"{text}; {self.reason}" if self.reason else text

    def for_backend(self, *, on_gpu: bool) -> Placement:
        """Return this placement, or its fallback if the backend sees other devices."""
        is_as_listed = on_gpu == (self.gpus[0] is not None)
        return self if is_as_listed or self.fallback is None else self.fallback


def place(
    workers: int | None,
    device: str,
    *,
    trainings: int,
    learns: bool,
    per_gpu: int = 1,
    deterministic: bool = False,
) -> Placement:
    """Choose where workers run.

    Small networks leave the second thread of a worker mostly idle, so on a CPU every
    core gets a worker with one thread. A GPU gets one worker unless the user asks for
    more, because they share its memory.

    Args:
        workers: The number of workers, or None to choose it.
        device: "auto", "cpu" or "gpu".
        trainings: The most runs that there can be.
        learns: Whether proposals learn from results; then fewer runs in parallel
            give better proposals.
        per_gpu: Workers on each GPU.
        deterministic: Whether each worker has exactly one thread.
    """
    threads = 1 if deterministic else None
    gpus = [] if device == "cpu" else visible_gpus()
    if gpus:
        slots = [gpu for _ in range(per_gpu) for gpu in gpus]
        count = workers or min(len(slots), max(1, trainings))
        each = "one per GPU" if per_gpu == 1 else f"{per_gpu} per GPU"
        share = max(1, cores() // count) if count > 1 else None
        return Placement(
            tuple(slots[i % len(slots)] for i in range(count)),
            threads or share,
            "" if workers else each,
            None if workers else _on_cpu(trainings, learns=learns, threads=threads),
        )
    if workers:
        share = max(1, cores() // workers) if workers > 1 else None
        return Placement((None,) * workers, threads or share)
    return _on_cpu(trainings, learns=learns, threads=threads)


def _on_cpu(trainings: int, *, learns: bool, threads: int | None) -> Placement:
    limits = {"one per core": cores()}
    memory = free_memory_bytes()
    if memory is not None:
        limits["limited by memory"] = memory // BYTES_PER_WORKER
    if learns:
        limits["because the search learns from results"] = most_at_a_time(
            trainings, learns=True
        )
    limits["one per run"] = trainings
    reason = min(limits, key=lambda name: limits[name])
    count = max(1, limits[reason])
    share = max(1, cores() // count) if count > 1 else None
    fallback = Placement(threads=threads)  # one worker on a GPU that was not listed
    return Placement((None,) * count, threads or share, reason, fallback)


def most_at_a_time(trainings: int, *, learns: bool) -> int:
    """Return how many parallel runs are useful on a machine of any size."""
    return max(1, trainings // _TRIALS_PER_WORKER if learns else trainings)


def visible_gpus() -> list[str]:
    """List the CUDA devices that processes may use, by number or UUID."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name and not name.startswith("-")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listing = subprocess.run(  # noqa: S603  the driver's own tool, by its full path
            [tool, "-L"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return _parse_gpus(listing.stdout)


def _parse_gpus(listing: str) -> list[str]:
    """Parse `nvidia-smi -L`; a GPU with MIG slices is replaced by its slices."""
    gpus: list[list[str]] = []
    for line in listing.splitlines():
        match = re.search(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", line)
        if match and line.startswith("GPU "):
            gpus.append([match[1]])
        elif match and gpus:
            gpus[-1].append(match[1])
    return [name for gpu in gpus for name in (gpu[1:] or gpu)]
