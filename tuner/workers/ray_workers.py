"""Where trainings run: actors on a Ray cluster; the extra `ray`.

The same seam as `tuner.workers.local`: tasks in, events out. The images go to the
object store once; states and predictions come back with the events, so the nodes need
no shared disk. The nodes bring Python, Keras and its backend; this package travels.

An actor is a warm process that keeps its GPU, or its share of one, for as long as
the search runs. Its events are fetched one call each, because Ray Client has no
streaming calls; one call is always under way, so no training waits for the driver.
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
from tuner.workers.local import TASKS_A_PROCESS, WorkerStartError
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
_MAX_FAILED_STARTS = 5  # one after another, while nothing else can train
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


class _Lacks:
    """An actor's node lacks the file that images are mapped from."""


class _Actor:
    """What a Ray process does: load once, then one training after another."""

    def __init__(self, device: str, threads: int | None) -> None:
        self._where = (device, threads)
        self._data: Dataset | None = None
        self._events: Any = iter(())

    def load(self, parcel: Parcel, pieces: Pieces | None = None) -> _Node | _Lacks:
        """Load the backend and the images, and say what there is.

        Args:
            parcel: The images.
            pieces: Those that are mapped from a file, where this node lacks it.
        """
        context = ray.get_runtime_context()
        here = context.get_node_id(), platform.node()
        try:
            self._data = unpack(parcel, pieces)
            if self._data is None:
                return _Lacks()
            from tuner.training import worker

            return _Node(*here, worker.load_backend(*self._where))
        except Exception as error:  # noqa: BLE001  the driver must hear of any
            return _Node(*here, None, f"{type(error).__name__}: {error}")

    def start(self, task: Task) -> Event | None:
        """Begin a task, and give its first event."""
        from tuner.training import worker

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
    has_begun: bool = False  # the task reached it
    is_silent: bool = False  # it did not answer; whether its node is gone shows later

    @property
    def is_idle(self) -> bool:
        return self.node is not None and self.task is None and not self.is_silent

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self.started

    def submit(self, task: Task) -> None:
        self.task, self.started, self.has_begun = task, time.monotonic(), False
        self.calls.append(self.actor.answer.remote())  # is it still there?
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
        self._parcel: Parcel | None = None
        self._images: Any = None
        self._pieces: Pieces | None = None  # cut when a node lacks them
        self._may_ask = 0.0  # when the cluster is asked for workers again
        self._failed_starts = 0
        self._problem = ""  # of the last of them
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
            data_folder: What `datasets.save_arrays` wrote.

        Raises:
            WorkerStartError: The cluster has no room, or none of its nodes will do.
            ClusterLostError: It is gone.
        """
        with losses_reported(self._address):
            self._parcel = pack(open_arrays(data_folder))
            self._images = ray.put(self._parcel)
        since, has_said = time.monotonic(), False
        while not (ready := self._first_ready()):
            self.wait(1.0)
            if not has_said and time.monotonic() - since > _PATIENCE_S:
                has_said = True
                self._say(self._waits_for())
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
            ClusterLostError: It is gone.
        """
        with losses_reported(self._address):
            next(worker for worker in self._workers if worker.is_idle).submit(task)

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait until something happens, or `timeout` seconds.

        There may be no event: a worker may be ready, or a node may have joined.

        Raises:
            WorkerStartError: No worker is left, and none can start.
            ClusterLostError: The cluster is gone.
        """
        until = None if timeout is None else time.monotonic() + timeout
        with losses_reported(self._address):
            while True:
                self._pulse.check()
                self._grow()
                left = _POLL_S if until is None else max(0.0, until - time.monotonic())
                heard = self._listen(min(_POLL_S, left, self._seconds_left()))
                late = [e for w in list(self._workers) if (e := self._time_out(w))]
                if heard is not None or late or (until and time.monotonic() >= until):
                    return [*(heard or []), *late]

    def _listen(self, seconds: float) -> list[Event] | None:
        """Take all that arrived, or arrives within so many seconds; None is nothing."""
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
            events += [e for ref in done if (e := self._hear(heads[ref]))]
            seconds = 0.0

    def _waits_for(self) -> str:
        kind = "GPU" if self._uses_gpus else "CPU"
        free, known = ray.available_resources(), ray.cluster_resources()
        if not known.get(kind):
            return f"No node of the cluster has a {kind}; waiting for one to join."
        count = f"{free.get(kind, 0):g} of its {known[kind]:g} {kind}s are free"
        return f"Waiting for the cluster: {count}."

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
        with suppress(RayError, ConnectionError):
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
        if isinstance(answer, _Node | _Lacks):
            self._take_loading(worker, answer)
            return None
        if answer is None:  # it is there; or a call that outlived its task
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
            if worker.tasks_done >= TASKS_A_PROCESS:
                self._drop(worker)
        return event

    def _lose(self, worker: _Worker, why: str, detail: str = "") -> Event | None:
        """Replace a worker that is gone; its task is lost."""
        task, node = worker.task, worker.node
        self._drop(worker)
        if node is None:
            self._failed_starts += 1
            self._problem = " ".join(detail.split()) or why
            self._may_ask = time.monotonic() + _POLL_S
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

    def _take_loading(self, worker: _Worker, answer: _Node | _Lacks) -> None:
        """Take a worker in, or let it load once more with what its node lacks."""
        if isinstance(answer, _Node):
            self._welcome(worker, answer)
            return
        assert self._parcel is not None, "open comes first"  # noqa: S101
        if self._pieces is None:
            self._say("Sending the images to nodes that lack them ...")
            self._pieces = cut(self._parcel)
        worker.calls.append(worker.actor.load.remote(self._images, self._pieces))

    def _welcome(self, worker: _Worker, node: _Node) -> None:
        """Take a worker in, unless its node computes with other software."""
        problem = node.problem or differences(node.ready)
        ready, first = node.ready, self._first_ready()
        if not problem and ready and first and ready.on_gpu != first.on_gpu:
            problem = f"it computes on {ready.device}, the others on {first.device}"
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
        """Ask for as many workers as there is room for.

        Raises:
            WorkerStartError: There is none, and no worker can start.
        """
        if not any(worker.node for worker in self._workers):
            self._give_up_where_hopeless()
        if time.monotonic() < self._may_ask:
            return
        self._may_ask = time.monotonic() + _POLL_S
        for _ in range(self._room() - len(self._workers)):
            threads = None if self._uses_gpus else 1
            actor = self._remote().remote(self._device, threads)
            self._workers.append(
                _Worker(actor, deque([actor.load.remote(self._images)]))
            )

    def _give_up_where_hopeless(self) -> None:
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise WorkerStartError(f"Ray workers could not start: {self._problem}")
        if self._refused and set(alive()) <= set(self._refused):
            raise WorkerStartError(
                "A node must have the Python, Keras and backend of this machine, and "
                f"{', '.join(self._refused.values())} has not: {self._problem}. "
                "Install the same there."
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
            options["memory"] = BYTES_PER_WORKER
        if self._refused:
            options["label_selector"] = {
                "ray.io/node-id": f"!in({','.join(self._refused)})"
            }
        return ray.remote(_Actor).options(scheduling_strategy="SPREAD", **options)

    def _drop(self, worker: _Worker) -> None:
        _kill(worker)
        self._workers.remove(worker)
        self._may_ask = 0.0


def _kill(worker: _Worker) -> None:
    with suppress(RayError, ValueError, ConnectionError):
        ray.kill(worker.actor)
