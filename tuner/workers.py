"""Where trainings run: warm processes on this machine.

The search submits plain tasks and waits for plain events. A worker never sees
the oracle, the records or the study folder, apart from the log that everything
it prints goes to.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Self

from search_spaces.errors import ExpectedError
from tuner.placement import Placement
from tuner.tasks import EpochEnd, Event, Ready, Task, TrainingFailure, WorkerLoss

# A process that has trained many networks keeps some memory of each.
TASKS_A_PROCESS = 40
_MAX_FAILED_STARTS = 3  # one after another; one may have been killed by hand


class WorkerStartError(ExpectedError):
    """A worker process cannot load its backend or the data."""


class LocalWorkers:
    """Worker processes on this machine, started when needed and kept warm.

    They load their backend at once, and train once `open` has given them data.

    Args:
        log: The file that everything the libraries print is appended to.
        device: "auto", "cpu" or "gpu".
        placement: How many workers, and where each runs.
        task_timeout: Seconds after which a training is stopped and has failed,
            or None.
    """

    def __init__(
        self,
        log: Path,
        device: str = "auto",
        placement: Placement | None = None,
        task_timeout: float | None = None,
    ) -> None:
        self.placement = placement or Placement()
        self._log, self._device = log, device
        self._data_folder: Path | None = None
        self._task_timeout = task_timeout
        self._failed_starts = 0
        self._workers = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, data_folder: Path) -> Ready:
        """Give every worker the data, and wait until one can train.

        Where the backend sees other devices than the system lists, they are started
        once more, elsewhere.

        Args:
            data_folder: What `datasets.save_arrays` wrote.

        Returns:
            What the first says of itself, with the number of workers.

        Raises:
            WorkerStartError: A process could not load what it needs; the text ends
                with the reason.
        """
        self._data_folder = data_folder
        for worker in self._workers:
            worker.open(data_folder)
        ready = self._first_ready()
        placement = self.placement.settled(on_gpu=ready.on_gpu)
        if placement != self.placement:
            self.close()
            self.placement = placement
            self._workers = self._start()
            return self.open(data_folder)
        return replace(ready, workers=len(self._workers), note=self.placement.words())

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""
        return sum(worker.is_idle for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Start a task on an idle worker; there must be one."""
        next(worker for worker in self._workers if worker.is_idle).submit(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, or `timeout` seconds.

        A worker that ended is replaced, and its task reported as lost. There may be
        no event: a new worker can train now.
        """
        deadline = _earliest(timeout, self._seconds_left())
        ready = wait([worker.connection for worker in self._workers], deadline)
        events = []
        for index, worker in enumerate(self._workers):
            if worker.connection in ready:
                event = self._hear(index, worker)
            else:
                event = self._time_out(index, worker)
            if event:
                events.append(event)
        return events

    def _hear(self, index: int, worker: _Worker) -> Event | None:
        """Take what a worker sent, or its end."""
        task = worker.task
        try:
            event = worker.receive()
        except (EOFError, OSError):
            reason = worker.how_it_ended()
            self._replace(index)
            if task is not None:
                return WorkerLoss(task.trial, task.execution, reason)
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise WorkerStartError(_cannot_start(reason)) from None
            return None
        if event is not None:
            self._failed_starts = 0
        if worker.is_spent:
            self._replace(index)
        return event

    def _time_out(self, index: int, worker: _Worker) -> Event | None:
        task, limit = worker.task, self._task_timeout
        if task is None or limit is None or worker.busy_s < limit:
            return None
        self._replace(index)
        reason = f"timed out after {limit:g} s"
        return TrainingFailure(task.trial, task.execution, reason)

    def _first_ready(self) -> Ready:
        while True:
            for worker in self._workers:
                if worker.ready:
                    return worker.ready
            self.wait()

    def close(self) -> None:
        """End every worker, whatever it is doing."""
        for worker in self._workers:
            worker.close()

    def _start(self) -> list[_Worker]:
        return [self._worker(index) for index in range(self.placement.count)]

    def _worker(self, index: int) -> _Worker:
        gpu, threads = self.placement.gpus[index], self.placement.threads
        return _Worker(self._log, self._device, threads, gpu)

    def _replace(self, index: int) -> None:
        self._workers[index].close()
        self._workers[index] = self._worker(index)
        if self._data_folder:
            self._workers[index].open(self._data_folder)

    def _seconds_left(self) -> float | None:
        if self._task_timeout is None:
            return None
        busy = [self._task_timeout - w.busy_s for w in self._workers if w.task]
        return max(0.0, min(busy)) if busy else None


class _Worker:
    """One process and the pipe to it: loading at first, then idle or at a task."""

    def __init__(
        self, log: Path, device: str, threads: int | None, gpu: str | None
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, log, device, threads, gpu), daemon=True
        )
        self.process.start()
        theirs.close()
        self.ready: Ready | None = None
        self.task: Task | None = None
        self._started = 0.0
        self._tasks_done = 0

    def open(self, data_folder: Path) -> None:
        # A process that is gone already is found out by `receive`.
        with suppress(OSError):
            self.connection.send(data_folder)

    @property
    def is_idle(self) -> bool:
        return self.ready is not None and self.task is None

    @property
    def is_spent(self) -> bool:
        return self._tasks_done >= TASKS_A_PROCESS

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self._started

    def submit(self, task: Task) -> None:
        self.task, self._started = task, time.monotonic()
        # A process that died while it was idle is found out by `receive`.
        with suppress(OSError):
            self.connection.send(task)

    def receive(self) -> Event | None:
        """Take an event; none when it says that it has loaded."""
        message: Event | Ready | str = self.connection.recv()
        if isinstance(message, str):
            raise WorkerStartError(_cannot_start(message))
        if isinstance(message, Ready):
            self.ready = message
            return None
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
        self.connection.close()


def _cannot_start(reason: str) -> str:
    return f"A worker process could not start: {reason}"


def _work(
    connection: Connection,
    log: Path,
    device: str,
    threads: int | None,
    gpu: str | None,
) -> None:
    """Be a worker: train task after task until the driver ends."""
    _print_to(log)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides on Ctrl-C
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        from tuner import worker
        from tuner.datasets import open_arrays

        ready = worker.load_backend(device, threads, gpu)
        data = open_arrays(connection.recv())
    except Exception as error:  # noqa: BLE001  the driver must hear of any
        connection.send(f"{type(error).__name__}: {error}")
        return
    connection.send(ready)
    while True:
        for event in worker.run(connection.recv(), data):
            connection.send(event)


def _print_to(log: Path) -> None:
    """Send all that this process and its libraries print to the log."""
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
    known = [s for s in seconds if s is not None]
    return min(known) if known else None
