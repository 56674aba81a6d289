"""A study's pages while it is searched and at its end, by a process of their own."""

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

_LEAST_INTERVAL_S = 10.0
_REST = 4  # times as long as a page took, before the next
_LOW_PRIORITY = 5
_PAGES_A_PROCESS = 50  # drawing leaks a little
# Where this process imports from, and not the working folder, whose files may have
# any name.
_SERVE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import tuner.cli
from reports.__main__ import serve
serve()
"""


class Pages:
    """Let one process that serves pages write them, at low priority.

    It loads what it draws with while networks train, once.

    Args:
        folder: The study's.
        wanted: Whether to write any.
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
        """Ask for the pages, unless they are being written or were just now.

        Returns:
            Whether they will show what is there now.
        """
        is_early = self._is_busy or time.monotonic() < self._next
        if self.wanted and not is_early:
            self._ask()
        return not is_early

    def write(self) -> str | None:
        """Write the pages, whole; give None, or say why they could not be."""
        if not self.wanted:
            return None
        if self._process and not self._is_busy:
            self._ask()
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

    def _ask(self) -> None:
        is_dead = self._process and self._process.poll() is not None
        if is_dead or self._written >= _PAGES_A_PROCESS:
            self._end()
        process = self._process or self._start()
        self._answer = ""
        self._reader = threading.Thread(target=self._hear, args=(process,), daemon=True)
        self._reader.start()

    def _hear(self, process: subprocess.Popen[str]) -> None:
        """Send the study's folder, and keep the answer; none from a dead process."""
        started = time.monotonic()
        assert process.stdin  # noqa: S101  both are pipes
        assert process.stdout  # noqa: S101
        with suppress(OSError, ValueError):  # it has died, or was ended
            process.stdin.write(json.dumps(str(self._folder)) + "\n")
            process.stdin.flush()
            self._answer = process.stdout.readline()
        now = time.monotonic()
        self._written += 1
        self._next = max(started + _LEAST_INTERVAL_S, now + _REST * (now - started))

    def _start(self) -> subprocess.Popen[str]:
        with (self._folder / "search.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  this Python and our code
                [sys.executable, "-P", "-c", _SERVE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        if hasattr(os, "setpriority"):  # training comes first
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _LOW_PRIORITY)
        self._written = 0
        return self._process

    def _end(self) -> None:
        """End the process, also in the middle of a page; what is there stays whole."""
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
