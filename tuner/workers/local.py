"""Worker processes on this machine, which stay warm between runs.

The search submits plain tasks and waits for plain events. A worker never sees the
proposer, the records or the study folder, except the log that it prints to.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from search_spaces.errors import ExpectedError
from tuner.study.tasks import (
    EpochEnd,
    Event,
    Ready,
    Task,
    TrainingFailure,
    TrainingResult,
    WorkerLoss,
)
from tuner.workers.placement import Placement

# A process leaks some memory with each network that it trains.
TASKS_PER_PROCESS = 40
_MAX_FAILED_STARTS = 3  # in a row; a single one may have been killed by hand
_CANNOT_START = "A worker process could not start"
_LOAD_LIMIT_S = 600.0  # for the backend and the images
_SAFE_PATH, _SET_BY_US = "PYTHONSAFEPATH", "tune"


class WorkerStartError(ExpectedError):
    """A worker process cannot load its backend or the data."""


class _LoadError(Exception):
    """A worker process reported why it cannot train."""


class LocalWorkers:
    """Worker processes on this machine, which stay warm between tasks.

    They load their backend immediately, and can train after `open`.

    Args:
        log: The file that the processes' output is appended to.
        say: Receives one-line notes.
        device: "auto", "cpu" or "gpu".
        placement: The number of workers, and where each runs.
        task_timeout: Seconds after which a run is stopped and fails, or None.
        user_code: Whether tasks may run a user's code.
    """

    def __init__(
        self,
        log: Path,
        say: Callable[[str], None],
        device: str = "auto",
        placement: Placement | None = None,
        task_timeout: float | None = None,
        *,
        user_code: bool = True,
    ) -> None:
        self.placement = placement or Placement()
        self._log, self._say, self._device = log, say, device
        self._data_folder: Path | None = None
        self._task_timeout = task_timeout
        self._user_code = user_code
        self._first: Ready | None = None  # reported by the first worker that loaded
        self._problem = ""  # why the last worker could not start
        self._workers = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, data_folder: Path) -> Ready:
        """Give every worker the data, and wait until one can train.

        If the backend sees other devices than the system lists, restart the workers
        with the placement for those devices.

        Args:
            data_folder: The folder that `dataset.save_arrays` wrote.

        Returns:
            The report of the first worker, with the number of workers.

        Raises:
            WorkerStartError: A process could not load the backend or the data; the
                text ends with the reason.
        """
        self._data_folder = data_folder
        for worker in self._workers:
            worker.open(data_folder)
        while self._first is None:
            self.wait()
        placement = self.placement.for_backend(on_gpu=self._first.on_gpu)
        if placement != self.placement:
            self.close()
            self.placement, self._first = placement, None
            self._workers = self._start()
            return self.open(data_folder)
        count, note = len(self._workers), self.placement.description()
        return replace(self._first, workers=count, note=note)

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""
        return sum(worker.is_idle for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Start a task on an idle worker; there must be one."""
        next(worker for worker in self._workers if worker.is_idle).submit(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait for events, or until `timeout` seconds have passed.

        Replace workers that ended, and report their tasks as lost. An empty list may
        mean that a new worker can train now.

        Raises:
            WorkerStartError: No worker is left, and none can start.
        """
        if not self._workers:
            raise WorkerStartError(f"No worker process can start: {self._problem}")
        deadline = _earliest(timeout, *(self._seconds_left(w) for w in self._workers))
        ready = wait([worker.connection for worker in self._workers], deadline)
        events = []
        for worker in list(self._workers):
            if worker.connection in ready:
                event = self._receive(worker)
            else:
                event = self._time_out(worker)
            if event:
                events.append(event)
        return events

    def _receive(self, worker: _Worker) -> Event | None:
        """Receive a worker's event, or handle the end of its process."""
        task = worker.task
        try:
            event = worker.receive()
        except (EOFError, OSError):
            reason = worker.how_it_ended()
            self._replace(worker, reason)
            if task is None:
                return None
            return WorkerLoss(task.trial, task.execution, reason, worker.was_sent)
        except _LoadError as error:
            if self._first is None:  # the other workers will fail the same way
                raise WorkerStartError(f"{_CANNOT_START}: {error}") from None
            self._replace(worker, str(error))
            return None
        if event is None:
            self._accept(worker)
        if worker.is_spent:
            self._replace(worker)
        return event

    def _accept(self, worker: _Worker) -> None:
        """Accept a loaded worker if it computes on the same kind of device."""
        ready = worker.ready
        self._first = first = self._first or ready
        if ready and first and ready.on_gpu != first.on_gpu:
            worker.ready = None
            problem = f"it runs on {ready.device}, the others on {first.device}"
            self._replace(worker, problem)

    def _time_out(self, worker: _Worker) -> Event | None:
        left, task = self._seconds_left(worker), worker.task
        if left is None or left > 0:
            return None
        if task is None:
            self._replace(worker, f"it did not load within {_LOAD_LIMIT_S:g} s")
            return None
        self._replace(worker)
        reason = f"timed out after {self._task_timeout:g} s"
        return TrainingFailure(task.trial, task.execution, reason)

    def _seconds_left(self, worker: _Worker) -> float | None:
        """Return the seconds that a worker has left to load or train, if limited."""
        if worker.task:
            limit = self._task_timeout
        else:
            limit = _LOAD_LIMIT_S if worker.is_loading else None
        return None if limit is None else max(0.0, limit - worker.busy_s)

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.close()
        self._scratch.cleanup()

    def _start(self) -> list[_Worker]:
        # A killed process leaves its libraries' temporary files here.
        self._scratch = tempfile.TemporaryDirectory(
            prefix="tune-", ignore_cleanup_errors=True
        )
        return [self._worker(gpu) for gpu in self.placement.gpus]

    def _worker(self, gpu: str | None, failed_starts: int = 0) -> _Worker:
        threads, scratch = self.placement.threads, self._scratch.name
        return _Worker(
            self._log,
            scratch,
            failed_starts,
            device=self._device,
            threads=threads,
            gpu=gpu,
            user_code=self._user_code,
        )

    def _replace(self, worker: _Worker, problem: str = "") -> None:
        """End a worker and start another, unless too many starts failed in a row.

        Args:
            worker: The worker to end.
            problem: Why it cannot be used.
        """
        worker.close()
        index = self._workers.index(worker)
        failed_starts = 0 if worker.ready else worker.failed_starts + 1
        if failed_starts >= _MAX_FAILED_STARTS:
            del self._workers[index]
            self._problem = problem
            left = f"{len(self._workers)} of {self.placement.count} workers are left"
            self._say(f"{_CANNOT_START}: {problem}; {left}.")
            return
        self._workers[index] = self._worker(worker.gpu, failed_starts)
        if self._data_folder:
            self._workers[index].open(self._data_folder)


class _Worker:
    """One process and the pipe to it: first loading, then idle or running a task."""

    def __init__(
        self,
        log: Path,
        scratch: str,
        failed_starts: int,
        *,
        device: str,
        threads: int | None,
        gpu: str | None,
        user_code: bool,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work,
            args=(theirs, log, scratch),
            kwargs={
                "device": device,
                "threads": threads,
                "gpu": gpu,
                "user_code": user_code,
            },
            daemon=True,
        )
        with _safe_path():
            self.process.start()
        theirs.close()
        self.gpu = gpu
        self.failed_starts = failed_starts  # of the workers that this one replaces
        self.ready: Ready | None = None
        self.task: Task | None = None
        self.was_sent = False  # whether the pipe took the task
        self.is_loading = False
        self._since = 0.0
        self._tasks_done = 0
        self._sender: threading.Thread | None = None

    def open(self, data_folder: Path) -> None:
        self.is_loading, self._since = True, time.monotonic()
        # `receive` notices if the process has already ended.
        with suppress(OSError):
            self.connection.send(data_folder)

    @property
    def is_idle(self) -> bool:
        return self.ready is not None and self.task is None

    @property
    def is_spent(self) -> bool:
        return self._tasks_done >= TASKS_PER_PROCESS

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self._since

    def submit(self, task: Task) -> None:
        self.task, self.was_sent = task, False
        self._since = time.monotonic()
        # In a thread: a state is larger than the pipe's buffer, and the process may
        # hang.
        self._sender = threading.Thread(target=self._send, args=(task,), daemon=True)
        self._sender.start()

    def _send(self, task: Task) -> None:
        # `receive` notices if the process died while it was idle.
        with suppress(OSError):
            self.connection.send(task)
            self.was_sent = True

    def receive(self) -> Event | None:
        """Return the next event, or None if the message is that it has loaded."""
        message: Event | Ready | str = self.connection.recv()
        if isinstance(message, str):
            raise _LoadError(message)
        if isinstance(message, Ready):
            self.ready, self.is_loading = message, False
            return None
        if isinstance(message, TrainingResult) and self.ready:
            message = replace(message, device=self.ready.device)
        if not isinstance(message, EpochEnd):
            self.task = None
            self._tasks_done += 1
        return message

    def how_it_ended(self) -> str:
        self.process.join(5)
        code = self.process.exitcode
        if code is None:
            return "it stopped answering"
        if code == -getattr(signal, "SIGKILL", 9):
            return "worker killed (SIGKILL: out of memory, or by hand)"
        if code < 0:
            return f"worker killed ({signal.Signals(-code).name})"
        return f"worker ended with exit code {code}; see search.log"

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        if self._sender:
            self._sender.join()  # the pipe is broken, so sending ends
        self.connection.close()


def _work(
    connection: Connection,
    log: Path,
    scratch: str,
    *,
    device: str,
    threads: int | None,
    gpu: str | None,
    user_code: bool,
) -> None:
    """Run a worker process: one task after another until the driver ends."""
    if os.environ.get(_SAFE_PATH) == _SET_BY_US:
        del os.environ[_SAFE_PATH]  # processes of a user's code must not inherit it
    _print_to(log)
    tempfile.tempdir = scratch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides on Ctrl-C
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        from tuner.data.dataset import open_arrays
        from tuner.training import worker

        ready = worker.load_backend(device, threads, gpu, user_code=user_code)
        data = open_arrays(connection.recv())
    except Exception as error:  # noqa: BLE001  the driver must report any error
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send(ready)
    while True:
        for event in worker.run(connection.recv(), data):
            connection.send(event)


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the working folder off the path of the Python processes that start here.

    It would be first on the path while multiprocessing loads, and the folder may have
    a `random.py`.
    """
    is_unset = _SAFE_PATH not in os.environ
    if is_unset:
        os.environ[_SAFE_PATH] = _SET_BY_US
    try:
        yield
    finally:
        if is_unset:
            del os.environ[_SAFE_PATH]


def _print_to(log: Path) -> None:
    """Redirect the output of this process and its libraries to the log."""
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)


def _earliest(*seconds: float | None) -> float | None:
    limits = [s for s in seconds if s is not None]
    return min(limits, default=None)
