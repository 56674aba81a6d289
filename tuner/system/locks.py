"""One search on a study at a time, held by the operating system.

The lock dies with its process, however that ends; the note beside it only tells
who holds it.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search_spaces.errors import ExpectedError


class StudyLockedError(ExpectedError):
    """Another process searches this study."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a study folder's lock for the length of a `with` block.

    The lock lies beside the folder, so that the folder can be moved meanwhile.

    Raises:
        StudyLockedError: Another process holds it; the text names the process.
    """
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".holder")
    # A reader that asks `is_held` takes the lock for an instant: wait it out.
    lock = FileLock(path, timeout=1)
    try:
        lock.acquire()
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "a process"
        raise StudyLockedError(
            f"Only one search may run on a study, and {who} holds {folder}. "
            "Wait until it ends, stop it, or give this search its own --name."
        ) from error
    try:
        holder.write_text(
            f"process {os.getpid()} on {platform.node()}", encoding="utf-8"
        )
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether some process searches this study now."""
    path = _path(folder)
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # a folder that cannot be written to is not searched either
        return False
    lock.release()
    return False


def _path(folder: Path) -> Path:
    return folder.parent / ".locks" / f"{folder.name}.lock"
