"""Train one config with one seed, from new weights or from a stored state.

A result depends on the task alone: neither on what the process trained before,
nor on whether the epochs were trained in one session or in several.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from search_spaces.config import CnnConfig
from tuner.data.dataset import Dataset, resplit
from tuner.study.tasks import (
    Assessment,
    EpochEnd,
    State,
    Timing,
    TimingTask,
    TrainingResult,
    TrainingTask,
)
from tuner.system.seeds import derive_seed
from tuner.training import user_models
from tuner.training.feeding import feeder, shuffled
from tuner.training.networks import Network, cnn, fresh, numbers

_EVALUATION_BATCH = 500


class DivergedError(ArithmeticError):
    """The loss is no longer a finite number."""


def train(task: TrainingTask, data: Dataset) -> Iterator[EpochEnd | TrainingResult]:
    """Train to `task.epochs` and evaluate on train, validation and test images.

    Args:
        task: What to train, and the state to go on from, if any.
        data: The images, uint8, and the split.

    Yields:
        The end of every epoch, then the result.

    Raises:
        DivergedError: A loss became NaN or infinite.
    """
    clock = Clock()
    if task.split_seed is not None:
        data = resplit(data, task.split_seed)
    network = build(task, data, task.seed, jit_compile=task.jit_compile)
    model = network.model
    first = restore(model, task.state) if task.state else 0
    images = feeder(network, data)
    best = _Best(network, data, first) if task.patience else None

    checkpoint_at = time.monotonic() + task.checkpoint_seconds
    validation: Assessment | None = None
    epoch = first
    for epoch in range(first + 1, task.epochs + 1):
        fit_clock = Clock()
        order = shuffled(data.train, task.seed, epoch)
        fitted = model.fit(images.batches(order), epochs=1, shuffle=False, verbose=0)
        train_seconds = fit_clock.lap()
        metrics = numbers({name: values[0] for name, values in fitted.history.items()})
        if len(data.validation):
            validation = network.assess(data.x_train, data.y_train, data.validation)
            metrics["val_accuracy"] = validation.accuracy
            metrics["val_loss"] = validation.loss
            metrics |= {f"val_{n}": value for n, value in validation.metrics.items()}
        check_finite(metrics, epoch)
        if best:
            best.see(epoch, metrics["val_loss"])
        state = None
        if epoch < task.epochs and time.monotonic() >= checkpoint_at:
            state = best.state if best else state_of(model, epoch)
            checkpoint_at = time.monotonic() + task.checkpoint_seconds
        at = (task.trial, task.execution, epoch)
        yield EpochEnd(*at, metrics, clock.lap(), train_seconds, state)
        if best and task.patience and epoch - best.epoch >= task.patience:
            break

    if best and best.epoch != epoch:
        restore(model, best.state)
        validation = None
    yield measured(
        network,
        task,
        data,
        epoch,
        validation=validation,
        continued_from=first,
        best_epoch=best.epoch if best else None,
        clock=clock,
    )


def measured(
    network: Network,
    task: TrainingTask,
    data: Dataset,
    epoch: int,
    *,
    validation: Assessment | None,
    continued_from: int,
    best_epoch: int | None,
    clock: Clock,
) -> TrainingResult:
    """Evaluate a trained network on train, validation and test images.

    Args:
        network: As it is to be judged.
        task: What was trained.
        data: The images and the split that it was trained on.
        epoch: Epochs trained.
        validation: Where that is known already.
        continued_from: The epoch of the state it started from, or 0.
        best_epoch: The epoch that these weights are of, unless it is the last.
        clock: Since the last event.

    Raises:
        DivergedError: A loss became NaN or infinite.
    """
    if validation is None and len(data.validation):
        validation = network.assess(data.x_train, data.y_train, data.validation)
    train_part = network.assess(data.x_train, data.y_train, train_sample(data))
    test = network.assess(data.x_test, data.y_test, data.test)
    check_finite({"train_loss": train_part.loss, "test_loss": test.loss}, epoch)
    model = network.model
    kept = epoch if best_epoch is None else best_epoch
    return TrainingResult(
        trial=task.trial,
        execution=task.execution,
        epochs=epoch,
        train=train_part,
        validation=validation,
        test=test,
        params=model.count_params(),
        continued_from=continued_from,
        seconds=clock.lap(),
        jit_compile=bool(model.jit_compile),
        state=state_of(model, kept) if task.keep_state else None,
        best_epoch=best_epoch,
        drawn=network.drawn,
    )


class _Best:
    """The epoch with the lowest validation loss so far, and its whole state.

    A training that goes on from a state goes on from its lowest epoch, so that
    nothing but that state has to be kept.
    """

    def __init__(self, network: Network, data: Dataset, first: int) -> None:
        self.epoch, self.loss = first, math.inf
        self._model = network.model
        self.state = state_of(network.model, first)
        if first:
            seen = network.assess(data.x_train, data.y_train, data.validation)
            self.loss = seen.loss

    def see(self, epoch: int, loss: float) -> None:
        """Take note of an epoch's validation loss."""
        if loss < self.loss:
            self.epoch, self.loss = epoch, loss
            self.state = state_of(self._model, epoch)


def check_finite(metrics: Mapping[str, float], epoch: int) -> None:
    """Raise DivergedError where a metric is no finite number."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise DivergedError(f"{name} became {value} in epoch {epoch}")


def time_steps(task: TimingTask, data: Dataset) -> Timing:
    """Time a config's training and evaluation, its compilation left out.

    Args:
        task: What to time, and for how long.
        data: The images; a few hundred are used.
    """
    clock = Clock()
    network = build(task, data, 1)
    images = feeder(network, data)

    def fit(order: np.ndarray) -> float:
        batches = images.batches(order)
        network.model.fit(batches, epochs=1, shuffle=False, verbose=0)
        return clock.lap()

    some = data.train[: min(2 * network.batch_size, len(data.train))]
    start_s = fit(some)  # it compiles, as the evaluation does
    network.assess(data.x_train, data.y_train, some)
    start_s += clock.lap()
    epochs = max(1, round(task.seconds / 2 / fit(some)))
    many = np.resize(data.train, min(epochs, 50) * len(some))
    train_s = fit(many) / len(many)
    evaluated = np.resize(data.train, _EVALUATION_BATCH)
    network.assess(data.x_train, data.y_train, evaluated)
    return Timing(train_s, clock.lap() / _EVALUATION_BATCH, start_s, task.trial)


def restore(model: keras.Model, state: State) -> int:
    """Put a stored state into a network of the same config.

    Args:
        model: Compiled; new from `build_model`.
        state: What `train` brought of the same config.

    Returns:
        The epoch that the state was taken after.

    Raises:
        ValueError: The state is of another config.
    """
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    stored, built = [a.shape for a in state.arrays], [tuple(v.shape) for v in variables]
    if stored != built:
        raise ValueError(
            f"A stored state must fit its network: stored shapes {stored}, "
            f"network {built}. It was written for another config; delete it."
        )
    for variable, array in zip(variables, state.arrays, strict=True):
        variable.assign(array)
    return state.epoch


def build(
    task: TrainingTask | TimingTask,
    data: Dataset,
    seed: int,
    *,
    jit_compile: bool | None = None,
) -> Network:
    """Build what a task is about, with new weights."""
    shape, classes = data.input_shape, len(data.classes)
    if task.user_model:
        user_models.hypermodel(
            task.user_model
        )  # what it draws as it loads, no seed decides

    def make() -> Network:
        if task.user_model:
            hp = user_models.hyperparameters(task.config)
            return user_models.network(task.user_model, hp, shape, classes)
        return cnn(CnnConfig.from_dict(task.config), shape, classes)

    return fresh(make, seed, jit_compile=jit_compile)


def _variables(model: keras.Model) -> list[Any]:
    """All that training changes: weights, dropout's seeds, optimizer, step count."""
    return [*model.variables, *model.optimizer.variables]


def state_of(model: keras.Model, epoch: int) -> State:
    """Take a copy of all that the training has changed."""
    arrays = tuple(keras.ops.convert_to_numpy(v) for v in _variables(model))
    return State(epoch, arrays)


def train_sample(data: Dataset) -> np.ndarray:
    """Choose the training images that `train_accuracy` is measured on.

    As many as the test set has (or all), the same for every config and seed.
    """
    size = min(len(data.train), len(data.test))
    rng = np.random.default_rng(derive_seed("train sample", data.split))
    return np.sort(rng.choice(data.train, size, replace=False))


class Clock:
    """Wall time since it was made, or since its last lap, in seconds."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def lap(self) -> float:
        """Give the seconds since the last call, or since it was made."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds
