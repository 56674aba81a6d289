"""Where trainings run: actors on a Ray cluster; the extra `ray`.

The same seam as `tuner.workers`: tasks in, events out. The images go to the object
store once; states and predictions come back with the events, so the nodes need no
shared disk. The nodes bring Python, Keras and its backend; this package travels.

An actor is a warm process that keeps its GPU, or its share of one, for as long as
the search runs. Its events are fetched one call each, because Ray Client has no
streaming calls; one call is always under way, so no training waits for the driver.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

# Read by Ray as it loads. A cluster of our own reports to nobody, and Ray Client uses
# a token that is there only when told to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
if (Path.home() / ".ray" / "auth_token").is_file():
    os.environ.setdefault("RAY_AUTH_MODE", "token")

import ray
from ray.exceptions import ActorUnavailableError, RayError

import search_spaces
import tuner
from tuner.datasets import Dataset, open_arrays
from tuner.placement import BYTES_A_WORKER
from tuner.tasks import (
    EpochEnd,
    Event,
    Ready,
    Task,
    TrainingFailure,
    WorkerLoss,
)
from tuner.workers import TASKS_A_PROCESS, WorkerStartError

_POLL_S = 5.0  # how often the cluster is asked for its nodes
_MAX_FAILED_STARTS = 10  # one after another
_PATIENCE_S = 20.0  # after which a user hears what is waited for


class _Node(NamedTuple):
    """Where an actor runs, and what it found there.

    Attributes:
        node: Ray's id of the node.
        name: What people call it.
        ready: What it computes on and with, or None where nothing could be loaded.
        problem: Why not.
    """

    node: str
    name: str
    ready: Ready | None
    problem: str = ""


class _Actor:
    """What a Ray process does: load once, then one training after another."""

    def __init__(self, device: str, threads: int | None) -> None:
        self._where = (device, threads)
        self._data: Dataset | None = None
        self._events: Any = iter(())

    def load(self, data: Dataset) -> _Node:
        """Load the backend and the images, and say what there is."""
        self._data = data
        context = ray.get_runtime_context()
        here = context.get_node_id(), platform.node()
        try:
            from tuner import worker

            return _Node(*here, worker.load_backend(*self._where))
        except Exception as error:  # noqa: BLE001  the driver must hear of any
            return _Node(*here, None, f"{type(error).__name__}: {error}")

    def start(self, task: Task) -> Event | None:
        """Begin a task, and give its first event."""
        from tuner import worker

        assert self._data is not None, "load comes first"  # noqa: S101
        self._events = worker.run(task, self._data)
        return self.next()

    def next(self) -> Event | None:
        """Give the next event, or None after the last."""
        event: Event | None = next(self._events, None)
        return event

    @ray.method(max_task_retries=-1)  # type: ignore[untyped-decorator]
    def answer(self) -> None:
        """Come back, however long it takes, or be known to be gone."""


@dataclass(eq=False)
class _Worker:
    """The driver's side of an actor: loading at first, then idle or at a task."""

    actor: Any
    calls: deque[Any]  # under way, in order
    node: _Node | None = None
    task: Task | None = None
    started: float = 0.0
    tasks_done: int = 0
    is_silent: bool = False  # it did not answer; whether its node is gone shows later

    @property
    def is_idle(self) -> bool:
        return self.node is not None and self.task is None and not self.is_silent

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self.started

    def submit(self, task: Task) -> None:
        self.task, self.started = task, time.monotonic()
        self.calls.append(self.actor.start.remote(task))
        self.calls.append(self.actor.next.remote())


class RayWorkers:
    """Actors on a Ray cluster, as many as its resources hold.

    Nodes that join are used, and the loss of one loses the trainings on it alone.

    Args:
        address: As `ray.init` takes it: "auto", "local", "ray://host:10001", ...
        say: Gets one-line notes.
        device: "auto", "cpu" or "gpu".
        count: How many workers, or None for as many as there is room for.
        per_gpu: Workers that share a GPU.
        most: No more than this many, however large the cluster.
        task_timeout: Seconds after which a training is stopped and has failed,
            or None.

    Raises:
        WorkerStartError: There is no such cluster.
    """

    def __init__(
        self,
        address: str,
        say: Callable[[str], None],
        *,
        device: str = "auto",
        count: int | None = None,
        per_gpu: int = 1,
        most: int = 1000,
        task_timeout: float | None = None,
    ) -> None:
        self._address, self._say = address, say
        self._device = device
        self._count, self._per_gpu, self._most = count, per_gpu, most
        self._task_timeout = task_timeout
        self._workers: list[_Worker] = []
        self._refused: dict[str, str] = {}  # node to its name
        self._images: Any = None
        self._asked = 0.0
        self._failed_starts = 0
        _connect(address)
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        self._uses_gpus = device == "gpu" or (device == "auto" and has_gpus)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, data_folder: Path) -> Ready:
        """Put the images into the object store, and wait until one worker can train.

        Args:
            data_folder: What `datasets.save_arrays` wrote.

        Raises:
            WorkerStartError: The cluster has no room, or none of its nodes will do.
        """
        self._images = ray.put(open_arrays(data_folder))
        self._grow()
        since, has_said = time.monotonic(), False
        while not (ready := self._first_ready()):
            self.wait(1.0)
            if not has_said and time.monotonic() - since > _PATIENCE_S:
                has_said = True
                free = ray.available_resources()
                kind = "GPU" if self._uses_gpus else "CPU"
                self._say(
                    f"Waiting for the cluster: {free.get(kind, 0):g} {kind} are free."
                )
        nodes = len(_alive())
        trials = f"up to {len(self._workers)} trials at a time"
        on = f"on a Ray cluster of {nodes} node{'' if nodes == 1 else 's'}"
        return replace(ready, workers=len(self._workers), note=f"{trials} {on}")

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""
        return sum(worker.is_idle for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Start a task on an idle worker; there must be one."""
        next(worker for worker in self._workers if worker.is_idle).submit(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, or `timeout` seconds.

        There may be no event: a worker may be ready, or a node may have joined.
        """
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            self._grow()
            heads = {w.calls[0]: w for w in self._workers if w.calls}
            left = _POLL_S if until is None else max(0.0, until - time.monotonic())
            pause = min(_POLL_S, left, self._seconds_left())
            if heads:
                done, _ = ray.wait(list(heads), num_returns=1, timeout=pause)
            else:
                time.sleep(pause)
                done = []
            events = [e for ref in done if (e := self._hear(heads[ref]))]
            events += [e for w in list(self._workers) if (e := self._time_out(w))]
            if done or events or (until and time.monotonic() >= until):
                return events

    def _first_ready(self) -> Ready | None:
        return next((w.node.ready for w in self._workers if w.node), None)

    def _seconds_left(self) -> float:
        """Give the seconds until a task is over its time."""
        limit = self._task_timeout
        if limit is None:
            return _POLL_S
        return min(
            (max(0.0, limit - w.busy_s) for w in self._workers if w.task),
            default=_POLL_S,
        )

    def close(self) -> None:
        """End every worker, whatever it is doing, and leave the cluster."""
        for worker in self._workers:
            _kill(worker)
        self._workers.clear()
        ray.shutdown()

    def _hear(self, worker: _Worker) -> Event | None:
        """Take the result of a worker's oldest call, or its end."""
        call = worker.calls.popleft()
        try:
            answer = ray.get(call)
        except ActorUnavailableError:  # an event may be lost, so its task is
            worker.is_silent = True
            worker.calls = deque([worker.actor.answer.remote()])
            return None
        except RayError as error:
            return self._lose(worker, type(error).__name__, str(error))
        if worker.is_silent:
            return self._lose(worker, "its network failed")
        if isinstance(answer, _Node):
            self._welcome(worker, answer)
            return None
        if answer is None:  # the call that was under way when the task ended
            return None
        event: Event = answer
        if isinstance(event, EpochEnd):
            worker.calls.append(worker.actor.next.remote())
        else:
            worker.task = None
            worker.tasks_done += 1
            if worker.tasks_done >= TASKS_A_PROCESS:
                self._drop(worker)
        return event

    def _lose(self, worker: _Worker, why: str, detail: str = "") -> Event | None:
        """Replace a worker that is gone; its task is lost."""
        task, node = worker.task, worker.node
        self._drop(worker)
        if task is None:
            self._failed_starts += 1
            if self._failed_starts >= _MAX_FAILED_STARTS:
                raise WorkerStartError(f"Ray workers could not start: {detail}")
            return None
        is_up = node is None or node.node in _alive()
        name = node.name if node else "a node"
        reason = f"worker on {name} ended ({why})"
        if not is_up:
            reason = f"node {name} was lost"
        return WorkerLoss(task.trial, task.execution, reason, may_be_to_blame=is_up)

    def _time_out(self, worker: _Worker) -> Event | None:
        task, limit = worker.task, self._task_timeout
        if task is None or limit is None or worker.busy_s < limit:
            return None
        self._drop(worker)
        reason = f"timed out after {limit:g} s"
        return TrainingFailure(task.trial, task.execution, reason)

    def _welcome(self, worker: _Worker, node: _Node) -> None:
        """Take a worker in, unless its node computes with other software."""
        problem = node.problem or _differences(node.ready)
        if not problem:
            worker.node = node
            self._failed_starts = 0
            return
        self._drop(worker)
        if node.node not in self._refused:
            self._refused[node.node] = node.name
            self._say(f"Node {node.name} is not used: {problem}.")
        if set(_alive()) <= set(self._refused):
            raise WorkerStartError(
                "A node must have the Python, Keras and backend of this machine, and "
                f"{', '.join(self._refused.values())} has not: {problem}. Install the "
                "same there."
            )

    def _grow(self) -> None:
        """Ask for as many workers as there is room for."""
        if self._images is None:
            return
        due = time.monotonic() - self._asked >= _POLL_S
        if not due and self._workers:
            return
        self._asked = time.monotonic()
        for _ in range(self._room() - len(self._workers)):
            threads = None if self._uses_gpus else 1
            actor = self._remote().remote(self._device, threads)
            self._workers.append(
                _Worker(actor, deque([actor.load.remote(self._images)]))
            )

    def _room(self) -> int:
        if self._count:
            return self._count
        kind, each = ("GPU", 1 / self._per_gpu) if self._uses_gpus else ("CPU", 1)
        room = sum(
            int(node["Resources"].get(kind, 0) / each + 1e-9)
            for node in ray.nodes()
            if node["Alive"] and node["NodeID"] not in self._refused
        )
        if not room and not self._workers:
            raise WorkerStartError(
                f"A Ray cluster must have a node with a {kind} for a worker, and "
                f"{self._address} has none. Start one with ray start."
            )
        return min(room, self._most)

    def _remote(self) -> Any:
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0}
        if self._uses_gpus:
            options["num_gpus"] = 1 / self._per_gpu
        else:
            options["memory"] = BYTES_A_WORKER
        if self._refused:
            options["label_selector"] = {
                "ray.io/node-id": f"!in({','.join(self._refused)})"
            }
        return ray.remote(_Actor).options(scheduling_strategy="SPREAD", **options)

    def _drop(self, worker: _Worker) -> None:
        _kill(worker)
        self._workers.remove(worker)
        self._asked = 0.0  # another may start at once


def _connect(address: str) -> None:
    """Join a cluster, or start one of this machine alone.

    Raises:
        WorkerStartError: There is none at that address.
    """
    packages = [str(Path(p.__path__[0])) for p in (tuner, search_spaces)]
    chosen = {k: os.environ[k] for k in ("KERAS_BACKEND",) if k in os.environ}
    on_term = signal.getsignal(signal.SIGTERM)
    local: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        if (host_port := address.removeprefix("ray://")).rpartition(":")[2].isdigit():
            _knock(*host_port.rsplit(":", 1))  # Ray itself tries for many minutes
        ray.init(
            address=address,
            runtime_env={"py_modules": packages, "env_vars": chosen},
            log_to_driver=False,
            logging_level=logging.ERROR,
            **local,
        )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        reason = str(error).strip().splitlines()[0]
        raise WorkerStartError(
            f"--ray must name a running Ray cluster, got {address}: {reason} Start one "
            "with ray start --head, or use --ray local; on one machine --ray is not "
            "needed."
        ) from error
    finally:
        signal.signal(signal.SIGTERM, on_term)


def _knock(host: str, port: str) -> None:
    """Raise OSError where nobody listens."""
    socket.create_connection((host, int(port)), timeout=_PATIENCE_S).close()


def _alive() -> list[str]:
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]]


def _differences(ready: Ready | None) -> str:
    """Say in which of Python, Keras and backend a node is not this machine."""
    import keras

    backend = keras.backend.backend()
    here = {"python": platform.python_version(), "backend": backend}
    here |= {name: version(name) for name in ("keras", backend)}
    there = ready.versions if ready else {}
    return ", ".join(
        f"its {name} is {there.get(name, 'missing')}, here it is {value}"
        for name, value in here.items()
        if there.get(name) != value
    )


def _kill(worker: _Worker) -> None:
    with suppress(RayError, ValueError):
        ray.kill(worker.actor)
