"""How many workers this machine gets, on which GPU each, with how many threads."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from tuner.system.machine import cores, free_memory_bytes

# What a worker takes before its network: the backend, and a batch or two.
BYTES_A_WORKER = 3 * 1024**3 // 2
_TRIALS_A_PROPOSER = 4  # a search that learns needs results between its proposals


@dataclass(frozen=True)
class Placement:
    """Where the workers of this machine run.

    Attributes:
        gpus: For each worker the one GPU that it sees, or None where it sees what
            the backend sees.
        threads: CPU threads of each, or None for all.
        reason: Why so many, or nothing where a user said so.
        otherwise: Where they run if the backend sees a GPU that was not listed, or
            cannot use those that were; None where a user said how many.
    """

    gpus: tuple[str | None, ...] = (None,)
    threads: int | None = None
    reason: str = ""
    otherwise: Placement | None = None

    @property
    def count(self) -> int:
        """How many workers."""
        return len(self.gpus)

    def words(self) -> str:
        """Say it in a line, or nothing where one worker has the whole machine."""
        if self.count == 1 and self.threads is None:
            return ""
        trials = "1 trial" if self.count == 1 else f"{self.count} trials"
        text = f"{trials} at a time"
        if self.threads:
            text += f", {self.threads} thread{'' if self.threads == 1 else 's'} each"
        return f"{text}; {self.reason}" if self.reason else text

    def settled(self, *, on_gpu: bool) -> Placement:
        """Choose again where the backend does not see what the system has."""
        as_seen = on_gpu == (self.gpus[0] is not None)
        return self if as_seen or self.otherwise is None else self.otherwise


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

    Small networks leave the second thread of a worker mostly idle, so on a CPU
    every core gets a worker of one thread. A GPU gets one worker: more are the
    user's to ask for, because they share its memory.

    Args:
        workers: How many, or None to choose.
        device: "auto", "cpu" or "gpu".
        trainings: How many there are at most.
        learns: Whether proposals learn from results, so that few side by side are
            better proposals.
        per_gpu: Workers on each GPU.
        deterministic: One thread each, whatever else.
    """
    threads = 1 if deterministic else None
    gpus = [] if device == "cpu" else visible_gpus()
    if gpus:
        slots = [gpu for _ in range(per_gpu) for gpu in gpus]
        count = workers or min(len(slots), max(1, trainings))
        each = "one a GPU" if per_gpu == 1 else f"{per_gpu} a GPU"
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
    limits = {"one a core": cores()}
    memory = free_memory_bytes()
    if memory is not None:
        limits["what memory holds"] = memory // BYTES_A_WORKER
    if learns:
        limits["as the search learns from results"] = most_at_a_time(
            trainings, learns=True
        )
    limits["as many as there are"] = trainings
    reason = min(limits, key=lambda name: limits[name])
    count = max(1, limits[reason])
    share = max(1, cores() // count) if count > 1 else None
    alone = Placement(threads=threads)  # a GPU that cannot be given to one alone
    return Placement((None,) * count, threads or share, reason, alone)


def most_at_a_time(trainings: int, *, learns: bool) -> int:
    """Say how many trainings side by side are of use, however large the machine."""
    return max(1, trainings // _TRIALS_A_PROPOSER if learns else trainings)


def visible_gpus() -> list[str]:
    """List the CUDA devices that a process may be given, by number or UUID."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name and not name.startswith("-")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(  # noqa: S603  the driver's own tool, by its full path
            [tool, "-L"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return _listed(done.stdout)


def _listed(listing: str) -> list[str]:
    """Read `nvidia-smi -L`; a GPU that is cut into MIG slices is its slices."""
    gpus: list[list[str]] = []
    for line in listing.splitlines():
        found = re.search(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", line)
        if found and line.startswith("GPU "):
            gpus.append([found[1]])
        elif found and gpus:
            gpus[-1].append(found[1])
    return [name for gpu in gpus for name in (gpu[1:] or gpu)]
