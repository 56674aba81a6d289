"""Allow one search at a time on a study, with a lock of the operating system.

The lock disappears with its process, however that ends. The `.holder` file beside it
only says which process holds the lock.
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
    """Another process is searching this study."""


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold a study folder's lock during a `with` block.

    The lock file is beside the folder, so the folder can be moved in the meantime.

    Raises:
        StudyLockedError: Another process holds the lock; the message names it.
    """
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".holder")
    # `is_held` takes the lock for an instant in other processes: wait that long.
    lock = FileLock(path, timeout=1)
    try:
        lock.acquire()
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "a process"
        raise StudyLockedError(
            f"Only one search can run on a study at a time, and {who} is searching "
            f"{folder}. Wait until it ends, stop it, or choose another --name."
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
    """Whether a process is searching this study now."""
    path = _path(folder)
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    except OSError:  # nobody can search in a read-only folder
        return False
    lock.release()
    return False


def _path(folder: Path) -> Path:
    return folder.parent / ".locks" / f"{folder.name}.lock"
