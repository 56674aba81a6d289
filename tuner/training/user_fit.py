"""Train with a user's own `HyperModel.fit`, from its first epoch to its last.

What it does with its network is its own: it starts anew where it was cut off, and
says when an epoch ends by the callbacks that it is given, as KerasTuner asks of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from search_spaces.user_code import UserModel
from tuner.data.dataset import Dataset, resplit
from tuner.study.tasks import EpochEnd, TrainingResult, TrainingTask
from tuner.training import user_models
from tuner.training.loop import Clock, build, check_finite, measured
from tuner.training.networks import Arrays, Network, numbers

_Put = Callable[[EpochEnd | TrainingResult | BaseException], None]


def train(task: TrainingTask, data: Dataset) -> Iterator[EpochEnd | TrainingResult]:
    """Train one config with one seed, and evaluate it.

    Args:
        task: Its `own` has a `fit`.
        data: The images, uint8, and the split.

    Yields:
        The end of every epoch that the user's `fit` tells of, then the result.

    Raises:
        DivergedError: A loss became NaN or infinite.
        Exception: What the user's code raised.
    """
    # In a thread, because the user's `fit` comes back only at its end.
    events: queue.Queue[EpochEnd | TrainingResult | BaseException] = queue.Queue()
    worker = threading.Thread(target=_work, args=(task, data, events.put), daemon=True)
    worker.start()
    while True:
        event = events.get()
        if isinstance(event, BaseException):
            raise event
        yield event
        if isinstance(event, TrainingResult):
            return


def _work(task: TrainingTask, data: Dataset, put: _Put) -> None:
    try:
        put(_train(task, data, put))
    except BaseException as error:  # noqa: BLE001  the caller raises it
        put(error)


def _train(task: TrainingTask, data: Dataset, put: _Put) -> TrainingResult:
    user_model = task.user_model
    assert isinstance(user_model, UserModel)  # noqa: S101  that is what this is for
    clock = Clock()
    if task.split_seed is not None:
        data = resplit(data, task.split_seed)
    network = build(task, data, task.seed, jit_compile=task.jit_compile)
    ends = _EpochEnds(task, clock, put)
    options: dict[str, Any] = {"callbacks": [ends], "verbose": 0}
    if not user_model.draws_epochs:
        options["epochs"] = task.epochs
    if len(data.validation):
        options["validation_data"] = _arrays(network, data, data.validation)
    assert isinstance(network, user_models.UserNetwork)  # noqa: S101  built by `own`
    user_models.fit(user_model, network, _arrays(network, data, data.train), **options)
    if not ends.epochs:  # it calls no callbacks
        ends.end({}, task.epochs)
    return measured(
        network,
        task,
        data,
        ends.epochs,
        validation=None,
        continued_from=0,
        best_epoch=None if ends.epochs == task.epochs else ends.epochs,
        clock=clock,
    )


def _arrays(network: Network, data: Dataset, which: Any) -> Arrays:
    return network.arrays(data.x_train[which], data.y_train[which])


class _EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]
    """Counts the epochs and tells of them, however often `fit` is called."""

    def __init__(self, task: TrainingTask, clock: Clock, put: _Put) -> None:
        super().__init__()
        self.epochs = 0
        self._task, self._clock, self._put = task, clock, put
        self._names: tuple[str, ...] | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Be told by Keras, or by the user's own loop."""
        del epoch  # a second call of `fit` counts from 0 again
        self.end(numbers(logs or {}), self.epochs + 1)

    def end(self, metrics: dict[str, float], epoch: int) -> None:
        """Tell of an epoch's end.

        Args:
            metrics: What is known of it; those that the first epoch had are kept.
            epoch: Epochs so far.
        """
        check_finite(metrics, epoch)
        self._names = self._names if self._names is not None else tuple(metrics)
        if not set(self._names) <= set(metrics):
            missing = sorted(set(self._names) - set(metrics))
            raise ValueError(f"Epoch {epoch} must log {missing} as the first one did")
        self.epochs = epoch
        seconds = self._clock.lap()
        kept = {name: metrics[name] for name in self._names}
        at = (self._task.trial, self._task.execution, epoch)
        self._put(EpochEnd(*at, kept, seconds, seconds))
