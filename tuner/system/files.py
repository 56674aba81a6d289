"""Write files atomically: they appear on disk complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

DIRECTORY = Path("runs")  # the default of --directory
# Folders inside a study that hold its finalists' runs on fresh seeds: on the images
# that the study used, or on all images.
CONFIRM = ("confirm", "confirm-all-images")
FINAL = "final"  # the folder inside a study that holds its finished network


@contextmanager
def atomic_file(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file that appears at `path` only once it is completely written.

    Args:
        path: Where the file appears. Its folder must exist.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Raises:
        OSError: The disk is full or read-only, or the folder is missing. `path` is
            then unchanged.
    """
    # Not tempfile: only the owner could read its files, and people share studies.
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
            error.add_note(str(path))  # "disk full" errors name no file
        raise
    if hasattr(os, "O_DIRECTORY"):  # Windows cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
