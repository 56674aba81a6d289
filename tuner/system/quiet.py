"""Keep the output of native libraries and of users' code off the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard this process's stderr, to which TensorFlow's libraries write."""
    stderr = os.dup(2)
    with Path(os.devnull).open("wb") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


@contextmanager
def quiet() -> Iterator[None]:
    """Discard stdout as well as stderr, for code that prints as it runs."""
    with quiet_stderr(), redirect_stdout(sys.stderr):
        yield
