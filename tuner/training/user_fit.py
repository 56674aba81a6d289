"""Train with a user's own `HyperModel.fit`, from its first epoch to its last.

Such a training cannot resume: it starts again if it was interrupted. The user's `fit`
reports the end of an epoch by the callbacks that it gets, as KerasTuner requires.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from search_spaces.user_code import UserModel
from tuner.data.dataset import Dataset, resplit
from tuner.study.tasks import EpochEnd, TrainingResult, TrainingTask
from tuner.training import user_models
from tuner.training.loop import Clock, build, check_finite, measured
from tuner.training.networks import Arrays, Network, numbers

_Report = Callable[[EpochEnd | TrainingResult | BaseException], None]


def train(task: TrainingTask, data: Dataset) -> Iterator[EpochEnd | TrainingResult]:
    """Train one config with one seed, and evaluate it.

    Args:
        task: A task whose `user_model` has a `fit`.
        data: The images, uint8, and the split.

    Yields:
        The end of every epoch that the user's `fit` reports, then the result.

    Raises:
        DivergedError: A loss became NaN or infinite.
        Exception: Any error of the user's code.
    """
    # In a thread, because the user's `fit` returns only at its end.
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


def _work(task: TrainingTask, data: Dataset, report: _Report) -> None:
    try:
        report(_train(task, data, report))
    except BaseException as error:  # noqa: BLE001  the caller raises it
        report(error)


def _train(task: TrainingTask, data: Dataset, report: _Report) -> TrainingResult:
    user_model = task.user_model
    assert isinstance(user_model, UserModel)  # noqa: S101  see `train`
    clock = Clock()
    if task.split_seed is not None:
        data = resplit(data, task.split_seed)
    network = build(task, data, task.seed, jit_compile=task.jit_compile)
    ends = _EpochEnds(task, clock, report)
    options: dict[str, Any] = {"callbacks": [ends], "verbose": 0}
    if not user_model.draws_epochs:
        options["epochs"] = task.epochs
    if len(data.validation):
        options["validation_data"] = _arrays(network, data, data.validation)
    assert isinstance(network, user_models.UserNetwork)  # noqa: S101  of a user model
    user_models.fit(user_model, network, _arrays(network, data, data.train), **options)
    if not ends.epochs:  # the user's `fit` calls no callbacks
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


def _arrays(network: Network, data: Dataset, indices: np.ndarray) -> Arrays:
    return network.arrays(data.x_train[indices], data.y_train[indices])


class _EpochEnds(keras.callbacks.Callback):  # type: ignore[misc]
    """Counts and reports the epochs, even if `fit` is called several times."""

    def __init__(self, task: TrainingTask, clock: Clock, report: _Report) -> None:
        super().__init__()
        self.epochs = 0
        self._task, self._clock, self._report = task, clock, report
        self._names: tuple[str, ...] | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report an epoch; Keras or the user's own loop calls this."""
        del epoch  # a second call of `fit` counts from 0 again
        self.end(numbers(logs or {}), self.epochs + 1)

    def end(self, metrics: dict[str, float], epoch: int) -> None:
        """Report the end of an epoch.

        Args:
            metrics: Its metrics; only those that the first epoch had are reported.
            epoch: Epochs so far.
        """
        check_finite(metrics, epoch)
        self._names = self._names if self._names is not None else tuple(metrics)
        if not set(self._names) <= set(metrics):
            missing = sorted(set(self._names) - set(metrics))
            raise ValueError(f"Epoch {epoch} must log {missing} as epoch 1 did")
        self.epochs = epoch
        seconds = self._clock.lap()
        reported = {name: metrics[name] for name in self._names}
        at = (self._task.trial, self._task.execution, epoch)
        self._report(EpochEnd(*at, reported, seconds, seconds))
