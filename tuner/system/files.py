"""Files that appear on disk whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

DIRECTORY = Path("runs")  # where studies lie unless --directory says otherwise
# Within a study: its finalists on fresh seeds, on its images or on all there are.
CONFIRM = ("confirm", "confirm-all-images")


@contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears under `path` whole, on disk, or not at all.

    Args:
        path: Where it appears, in a folder that is there.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Raises:
        OSError: The disk is full or read-only, or the folder is gone; `path` is then
            as it was.
    """
    # Not tempfile: its files are for their owner alone, and studies are shared.
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.add_note(str(path))  # a full disk's does not say where it is
        raise
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
