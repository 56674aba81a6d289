"""Choose how many workers this machine gets, and each one's GPU and threads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from tuner.system.machine import cores, free_memory_bytes

# Memory of a worker without its network: the backend, and a batch or two.
BYTES_PER_WORKER = 3 * 1024**3 // 2
_TRIALS_PER_WORKER = 4  # a search that learns needs results between its proposals


@dataclass(frozen=True)
class Placement:
    """The workers of this machine, and where each runs.

    Attributes:
        gpus: For each worker the only GPU that it sees, or None if it sees all
            devices of the backend.
        threads: CPU threads per worker, or None for all.
        reason: The reason for this number of workers; empty if the user chose it.
        otherwise: The placement to use if the backend sees a GPU that was not listed,
            or cannot use the listed ones; None if the user chose the number of workers.
    """

    gpus: tuple[str | None, ...] = (None,)
    threads: int | None = None
    reason: str = ""
    otherwise: Placement | None = None

    @property
    def count(self) -> int:
        """The number of workers."""
        return len(self.gpus)

    def describe(self) -> str:
        """Describe the placement in a line; empty if one worker has the machine."""
        if self.count == 1 and self.threads is None:
            return ""
        trials = "1 trial" if self.count == 1 else f"{self.count} trials"
        text = f"{trials} at a time"
        if self.threads:
            text += f", {self.threads} thread{'' if self.threads == 1 else 's'} each"
        return f"{text}; {self.reason}" if self.reason else text

    def settled(self, *, on_gpu: bool) -> Placement:
        """Return the placement that fits what the backend sees."""
        is_as_listed = on_gpu == (self.gpus[0] is not None)
        return self if is_as_listed or self.otherwise is None else self.otherwise


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

    Small networks leave the second thread of a worker mostly idle, so on a CPU each
    core gets a worker with one thread. A GPU gets one worker unless the user sets
    more, because they share its memory.

    Args:
        workers: Number of workers, or None to choose.
        device: "auto", "cpu" or "gpu".
        trainings: Maximum number of runs.
        learns: Whether proposals learn from results, so that fewer runs at a time
            make better proposals.
        per_gpu: Workers on each GPU.
        deterministic: Whether each worker must have a single thread.
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
        limits["limited because the search learns from results"] = max_at_a_time(
            trainings, learns=True
        )
    limits["one per run"] = trainings
    reason = min(limits, key=lambda name: limits[name])
    count = max(1, limits[reason])
    share = max(1, cores() // count) if count > 1 else None
    single = Placement(threads=threads)  # an unlisted GPU cannot be assigned
    return Placement((None,) * count, threads or share, reason, single)


def max_at_a_time(trainings: int, *, learns: bool) -> int:
    """Return the number of runs at a time beyond which more workers do not help."""
    return max(1, trainings // _TRIALS_PER_WORKER if learns else trainings)


def visible_gpus() -> list[str]:
    """List the CUDA devices that a process can be assigned, by number or UUID."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name and not name.startswith("-")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        process = subprocess.run(  # noqa: S603  NVIDIA's tool, by its full path
            [tool, "-L"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return _uuids(process.stdout)


def _uuids(listing: str) -> list[str]:
    """Read `nvidia-smi -L`; a GPU with MIG slices is replaced by its slices."""
    gpus: list[list[str]] = []
    for line in listing.splitlines():
        match = re.search(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", line)
        if match and line.startswith("GPU "):
            gpus.append([match[1]])
        elif match and gpus:
            gpus[-1].append(match[1])
    return [name for gpu in gpus for name in (gpu[1:] or gpu)]
