"""Keep what native libraries and a user's own code print off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop this process's stderr; TensorFlow's libraries write to it as they load."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def quiet() -> Iterator[None]:
    """Drop what is printed on stdout too, as a user's own code does when it is run."""
    with quiet_stderr(), redirect_stdout(sys.stderr):
        yield
