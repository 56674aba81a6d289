"""Write a study's pages in a process of their own, during the search and at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_MIN_INTERVAL_S = 10.0
_PAUSE = 4  # times the duration of the last page, before the next one
_LOW_PRIORITY = 5
_PAGES_PER_PROCESS = 50  # drawing leaks a little memory
# The server imports from this process's path, without the working folder, whose files
# may have any name.
_SERVE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import tuner.cli
from reports.__main__ import serve
serve()
"""


class Pages:
    """Has one server process write the pages at low priority.

    The server loads its plotting libraries once, while networks train.

    Args:
        folder: The study's folder.
        wanted: Whether to write pages at all.
    """

    def __init__(self, folder: Path, *, wanted: bool = True) -> None:
        self.wanted = wanted
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None  # alive while a page is written
        self._written = 0
        self._next = 0.0  # on the monotonic clock
        self._answer: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def refresh(self) -> bool:
        """Request the pages, unless they are being written or are very recent.

        Returns:
            Whether the pages will show the study's current state.
        """
        is_early = self._is_busy or time.monotonic() < self._next
        if self.wanted and not is_early:
            self._request()
        return not is_early

    def write(self) -> str | None:
        """Write the pages completely; return None, or why that failed."""
        if not self.wanted:
            return None
        if self._process and not self._is_busy:
            self._request()
            if self._reader:
                self._reader.join()
            if self._answer:
                problem: str | None = json.loads(self._answer)
                return problem
        self._end()
        from reports.pages.study import write_pages

        return write_pages(self._folder)

    @property
    def _is_busy(self) -> bool:
        return self._reader is not None and self._reader.is_alive()

    def _request(self) -> None:
        is_dead = self._process and self._process.poll() is not None
        if is_dead or self._written >= _PAGES_PER_PROCESS:
            self._end()
        process = self._process or self._start()
        self._answer = ""
        self._reader = threading.Thread(
            target=self._read_answer, args=(process,), daemon=True
        )
        self._reader.start()

    def _read_answer(self, process: subprocess.Popen[str]) -> None:
        """Send the study's folder and store the answer; a dead process gives none."""
        started = time.monotonic()
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        with suppress(OSError, ValueError):  # the process has died or was killed
            process.stdin.write(json.dumps(str(self._folder)) + "\n")
            process.stdin.flush()
            self._answer = process.stdout.readline()
        now = time.monotonic()
        self._written += 1
        self._next = max(started + _MIN_INTERVAL_S, now + _PAUSE * (now - started))

    def _start(self) -> subprocess.Popen[str]:
        with (self._folder / "search.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  this Python and our code
                [sys.executable, "-P", "-c", _SERVE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        if hasattr(os, "setpriority"):  # training has priority
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _LOW_PRIORITY)
        self._written = 0
        return self._process

    def _end(self) -> None:
        """Kill the process, even while it writes; pages are replaced atomically."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        if self._reader:
            self._reader.join()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        for folder in (self._folder, *self._folder.parents[:2]):
            for part in folder.glob(f".*.{process.pid}.part"):
                part.unlink(missing_ok=True)
