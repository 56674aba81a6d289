"""Workers as actors on a Ray cluster; needs the extra `ray`.

The interface is that of `tuner.workers.local`: tasks in, events out. The images go to
the object store once; states and predictions return with the events, so the nodes need
no shared disk. The nodes need Python, Keras and its backend; this package is sent to
them.

An actor is a warm process that keeps its GPU, or its share of one, during the whole
search. Each event is fetched with a call of its own, because Ray Client has no
streaming calls; one call is always pending, so no training waits for the driver.
"""

from __future__ import annotations

import platform
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import ray
from ray.exceptions import ActorUnavailableError, RayError

from tuner.data.dataset import Dataset, open_arrays
from tuner.study.tasks import (
    EpochEnd,
    Event,
    Ready,
    Task,
    TrainingFailure,
    TrainingResult,
    WorkerLoss,
)
from tuner.workers.local import TASKS_PER_PROCESS, WorkerStartError
from tuner.workers.placement import BYTES_PER_WORKER
from tuner.workers.ray_cluster import (
    Pulse,
    alive,
    connect,
    differences,
    losses_reported,
)
from tuner.workers.ray_images import Parcel, Pieces, cut, pack, unpack

_POLL_S = 5.0  # how often the cluster is asked for its nodes
_MAX_FAILED_STARTS = 5  # in a row, while no worker can train
_PATIENCE_S = 20.0  # until the user is told what the search waits for


class _Node(NamedTuple):
    """The node of an actor, and whether it can train there.

    Attributes:
        node: Ray's id of the node.
        name: Its host name.
        ready: Its device and versions, or None if loading failed.
        problem: Why loading failed.
    """

    node: str
    name: str
    ready: Ready | None
    problem: str = ""


class _Lacks:
    """The answer of an actor whose node lacks a file of mapped images."""


class _Actor:
    """The Ray process: loads once, then runs one task after another."""

    def __init__(self, device: str, threads: int | None) -> None:
        self._where = (device, threads)
        self._data: Dataset | None = None
        self._events: Any = iter(())

    def load(self, parcel: Parcel, pieces: Pieces | None = None) -> _Node | _Lacks:
        """Load the backend and the images, and describe the node.

        Args:
            parcel: The images.
            pieces: The pieces of mapped files, if this node lacks them.
        """
        context = ray.get_runtime_context()
        here = context.get_node_id(), platform.node()
        try:
            self._data = unpack(parcel, pieces)
            if self._data is None:
                return _Lacks()
            from tuner.training import worker

            return _Node(*here, worker.load_backend(*self._where))
        except Exception as error:  # noqa: BLE001  the driver must report any error
            return _Node(*here, None, f"{type(error).__name__}: {error}")

    def start(self, task: Task) -> Event | None:
        """Start a task and return its first event."""
        from tuner.training import worker

        assert self._data is not None, "load comes first"  # noqa: S101
        self._events = worker.run(task, self._data)
        return self.next()

    def next(self) -> Event | None:
        """Return the next event, or None after the last."""
        event: Event | None = next(self._events, None)
        return event

    @ray.method(max_task_retries=-1)  # type: ignore[untyped-decorator]
    def answer(self) -> None:
        """Return nothing; the call fails once the actor is known to be dead."""


@dataclass(eq=False)
class _Worker:
    """The driver's side of an actor: first loading, then idle or running a task."""

    actor: Any
    calls: deque[Any]  # pending, in order
    node: _Node | None = None
    task: Task | None = None
    started: float = 0.0
    tasks_done: int = 0
    has_begun: bool = False  # the task reached the actor
    is_silent: bool = False  # it did not answer; its node may be lost

    @property
    def is_idle(self) -> bool:
        return self.node is not None and self.task is None and not self.is_silent

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self.started

    def submit(self, task: Task) -> None:
        self.task, self.started, self.has_begun = task, time.monotonic(), False
        self.calls.append(self.actor.answer.remote())  # checks that it is alive
        self.calls.append(self.actor.start.remote(task))
        self.calls.append(self.actor.next.remote())


class RayWorkers:
    """Actors on a Ray cluster, as many as its resources allow.

    Nodes that join later are used too, and losing a node loses only its own runs.

    Args:
        address: An address for `ray.init`: "auto", "local", "ray://host:10001", ...
        say: Receives one-line notes.
        device: "auto", "cpu" or "gpu".
        count: Number of workers, or None for as many as the cluster has room for.
        per_gpu: Workers that share a GPU.
        most: Maximum number of workers if `count` is None.
        task_timeout: Seconds after which a run is stopped and fails, or None.

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
        self._parcel: Parcel | None = None
        self._images: Any = None
        self._pieces: Pieces | None = None  # made once a node lacks a file
        self._next_growth = 0.0  # when to request more workers, on the monotonic clock
        self._failed_starts = 0
        self._problem = ""  # of the last failed start
        connect(address)
        self._pulse = Pulse(address)
        has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        self._uses_gpus = device == "gpu" or (device == "auto" and has_gpus)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, data_folder: Path) -> Ready:
        """Put the images into the object store, and wait until one worker can train.

        Args:
            data_folder: The folder that `dataset.save_arrays` wrote.

        Raises:
            WorkerStartError: The cluster has no room, or no suitable node.
            ClusterLostError: The cluster is lost.
        """
        with losses_reported(self._address):
            self._parcel = pack(open_arrays(data_folder))
            self._images = ray.put(self._parcel)
        since, was_told = time.monotonic(), False
        while not (ready := self._first_ready()):
            self.wait(1.0)
            if not was_told and time.monotonic() - since > _PATIENCE_S:
                was_told = True
                self._say(self._waiting())
        nodes = len(alive())
        trials = f"up to {len(self._workers)} trials at a time"
        on = f"on a Ray cluster of {nodes} node{'' if nodes == 1 else 's'}"
        return replace(ready, workers=len(self._workers), note=f"{trials} {on}")

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""
        return sum(worker.is_idle for worker in self._workers)

    def submit(self, task: Task) -> None:
        """Start a task on an idle worker; there must be one.

        Raises:
            ClusterLostError: The cluster is lost.
        """
        with losses_reported(self._address):
            next(worker for worker in self._workers if worker.is_idle).submit(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait for events, or until `timeout` seconds have passed.

        An empty list may mean that a worker is ready or a node has joined.

        Raises:
            WorkerStartError: No worker is left, and none can start.
            ClusterLostError: The cluster is lost.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with losses_reported(self._address):
            while True:
                self._pulse.check()
                self._grow()
                left = _POLL_S if until is None else max(0.0, until - time.monotonic())
                events = self._receive_all(min(_POLL_S, left, self._seconds_left()))
                late = [e for w in list(self._workers) if (e := self._time_out(w))]
                if events is not None or late or (until and time.monotonic() >= until):
                    return [*(events or []), *late]

    def _receive_all(self, seconds: float) -> list[Event] | None:
        """Return the events that arrive within `seconds`; None if no call returned."""
        events: list[Event] | None = None
        while True:
            heads = {w.calls[0]: w for w in self._workers if w.calls}
            if not heads:
                time.sleep(seconds)
                return events
            done, _ = ray.wait(list(heads), num_returns=1, timeout=seconds)
            done, _ = ray.wait(list(heads), num_returns=len(heads), timeout=0)
            if not done:
                return events
            events = events or []
            events += [e for ref in done if (e := self._receive(heads[ref]))]
            seconds = 0.0

    def _waiting(self) -> str:
        kind = "GPU" if self._uses_gpus else "CPU"
        free, total = ray.available_resources(), ray.cluster_resources()
        if not total.get(kind):
            return f"No node of the cluster has a {kind}; waiting for one to join."
        count = f"{free.get(kind, 0):g} of its {total[kind]:g} {kind}s are free"
        return f"Waiting for the cluster: {count}."

    def _first_ready(self) -> Ready | None:
        return next((w.node.ready for w in self._workers if w.node), None)

    def _seconds_left(self) -> float:
        """Return the seconds until the next task times out."""
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
        with suppress(RayError, ConnectionError):
            ray.shutdown()

    def _receive(self, worker: _Worker) -> Event | None:
        """Return the event of a worker's oldest call, or handle the worker's end."""
        call = worker.calls.popleft()
        try:
            answer = ray.get(call)
        except ActorUnavailableError:  # an event may be lost, so the task is too
            worker.is_silent = True
            worker.calls = deque([worker.actor.answer.remote()])
            return None
        except RayError as error:
            return self._lose(worker, type(error).__name__, str(error))
        if worker.is_silent:
            return self._lose(worker, "its network connection failed")
        if isinstance(answer, _Node | _Lacks):
            self._finish_loading(worker, answer)
            return None
        if answer is None:  # from `answer`, or from `next` after the last event
            worker.has_begun = True
            return None
        event: Event = answer
        if isinstance(event, TrainingResult) and worker.node and worker.node.ready:
            event = replace(event, device=worker.node.ready.device)
        if isinstance(event, EpochEnd):
            worker.calls.append(worker.actor.next.remote())
        else:
            worker.task = None
            worker.tasks_done += 1
            if worker.tasks_done >= TASKS_PER_PROCESS:
                self._drop(worker)
        return event

    def _lose(self, worker: _Worker, why: str, detail: str = "") -> Event | None:
        """Replace a worker that is gone, and report its task as lost."""
        task, node = worker.task, worker.node
        self._drop(worker)
        if node is None:
            self._failed_starts += 1
            self._problem = " ".join(detail.split()) or why
            self._next_growth = time.monotonic() + _POLL_S
        if task is None or node is None:
            return None
        is_up = node.node in alive()
        reason = f"worker on {node.name} ended ({why})"
        if not is_up:
            reason = f"node {node.name} was lost"
        may_be_to_blame = is_up and worker.has_begun and not worker.is_silent
        return WorkerLoss(
            task.trial, task.execution, reason, may_be_to_blame=may_be_to_blame
        )

    def _time_out(self, worker: _Worker) -> Event | None:
        task, limit = worker.task, self._task_timeout
        if task is None or limit is None or worker.busy_s < limit:
            return None
        if worker.is_silent:
            return self._lose(worker, "it did not answer")
        self._drop(worker)
        reason = f"timed out after {limit:g} s"
        return TrainingFailure(task.trial, task.execution, reason)

    def _finish_loading(self, worker: _Worker, answer: _Node | _Lacks) -> None:
        """Accept a worker, or send it the files that its node lacks."""
        if isinstance(answer, _Node):
            self._accept(worker, answer)
            return
        assert self._parcel is not None, "open comes first"  # noqa: S101
        if self._pieces is None:
            self._say("Sending the images to nodes that lack them ...")
            self._pieces = cut(self._parcel)
        worker.calls.append(worker.actor.load.remote(self._images, self._pieces))

    def _accept(self, worker: _Worker, node: _Node) -> None:
        """Accept a worker, unless its node has other software or another device."""
        problem = node.problem or differences(node.ready)
        ready, first = node.ready, self._first_ready()
        if not problem and ready and first and ready.on_gpu != first.on_gpu:
            problem = f"it runs on {ready.device}, the others on {first.device}"
        if not problem:
            worker.node = node
            self._failed_starts = 0
            return
        self._drop(worker)
        if node.node not in self._refused:
            self._refused[node.node] = node.name
            self._say(f"Node {node.name} is not used: {problem}.")
        self._problem = problem

    def _grow(self) -> None:
        """Start as many workers as the cluster has room for.

        Raises:
            WorkerStartError: There is no worker, and none can start.
        """
        if not any(worker.node for worker in self._workers):
            self._check_startable()
        if time.monotonic() < self._next_growth:
            return
        self._next_growth = time.monotonic() + _POLL_S
        for _ in range(self._room() - len(self._workers)):
            threads = None if self._uses_gpus else 1
            actor = self._remote().remote(self._device, threads)
            self._workers.append(
                _Worker(actor, deque([actor.load.remote(self._images)]))
            )

    def _check_startable(self) -> None:
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise WorkerStartError(f"Ray workers could not start: {self._problem}")
        if self._refused and set(alive()) <= set(self._refused):
            raise WorkerStartError(
                "Ray nodes must have the same Python, Keras and backend as this "
                f"machine, but {', '.join(self._refused.values())} cannot be used: "
                f"{self._problem}. Install the same versions there."
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
                f"The Ray cluster needs a node with a {kind}, but {self._address} has "
                "none. Start one with ray start."
            )
        return min(room, self._most)

    def _remote(self) -> Any:
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0}
        if self._uses_gpus:
            options["num_gpus"] = 1 / self._per_gpu
        else:
            options["memory"] = BYTES_PER_WORKER
        if self._refused:
            options["label_selector"] = {
                "ray.io/node-id": f"!in({','.join(self._refused)})"
            }
        return ray.remote(_Actor).options(scheduling_strategy="SPREAD", **options)

    def _drop(self, worker: _Worker) -> None:
        _kill(worker)
        self._workers.remove(worker)
        self._next_growth = 0.0


def _kill(worker: _Worker) -> None:
    with suppress(RayError, ValueError, ConnectionError):
        ray.kill(worker.actor)
