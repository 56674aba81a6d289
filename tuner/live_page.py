"""Rebuild a study's page while its search runs, without holding the search up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

_LEAST_INTERVAL_S = 10.0
_LOW_PRIORITY = 10


class LivePage:
    """Start `python -m reports` after trials, one at a time, at low priority.

    Args:
        folder: The study's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -_LEAST_INTERVAL_S

    def refresh(self) -> None:
        """Start a rebuild, unless one is running or the last was just now."""
        if self._process and self._process.poll() is None:
            return
        if time.monotonic() - self._started < _LEAST_INTERVAL_S:
            return
        self._started = time.monotonic()
        with (self._folder / "search.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own module
                [sys.executable, "-m", "reports", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if hasattr(os, "setpriority"):  # training comes first
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _LOW_PRIORITY)

    def stop(self) -> None:
        """End a rebuild that is still running; the page stays whole."""
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            pid = self._process.pid
            for folder in (self._folder, self._folder.parent):
                for part in folder.glob(f".*.{pid}.part"):
                    part.unlink(missing_ok=True)
