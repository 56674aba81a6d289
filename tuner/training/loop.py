"""Train one config with one seed, from new weights or from a stored state.

A result depends only on the task, not on earlier trainings in the process or on whether
its epochs were trained in one session or several.
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
        task: The config and seed to train, and the state to continue from, if any.
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
            best.update(epoch, metrics["val_loss"])
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
        network: The network with the weights to evaluate.
        task: The task that trained it.
        data: The images and the split that it was trained on.
        epoch: Epochs trained.
        validation: The validation result, if it was measured already.
        continued_from: The epoch of the state that the training started from, or 0.
        best_epoch: The epoch of these weights, or None for the last epoch.
        clock: Runs since the last event.

    Raises:
        DivergedError: A loss became NaN or infinite.
    """
    if validation is None and len(data.validation):
        validation = network.assess(data.x_train, data.y_train, data.validation)
    train_part = network.assess(data.x_train, data.y_train, train_sample(data))
    test = network.assess(data.x_test, data.y_test, data.test)
    check_finite({"train_loss": train_part.loss, "test_loss": test.loss}, epoch)
    model = network.model
    final_epoch = epoch if best_epoch is None else best_epoch
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
        state=state_of(model, final_epoch) if task.keep_state else None,
        best_epoch=best_epoch,
        drawn=network.drawn,
    )


class _Best:
    """The epoch with the lowest validation loss so far, and its complete state.

    A training that resumes from a state resumes from its best epoch, so only that
    state has to be stored.
    """

    def __init__(self, network: Network, data: Dataset, first: int) -> None:
        self.epoch, self.loss = first, math.inf
        self._model = network.model
        self.state = state_of(network.model, first)
        if first:
            result = network.assess(data.x_train, data.y_train, data.validation)
            self.loss = result.loss

    def update(self, epoch: int, loss: float) -> None:
        """Store the state if this epoch has the lowest validation loss so far."""
        if loss < self.loss:
            self.epoch, self.loss = epoch, loss
            self.state = state_of(self._model, epoch)


def check_finite(metrics: Mapping[str, float], epoch: int) -> None:
    """Raise DivergedError if a metric is NaN or infinite."""
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise DivergedError(f"{name} became {value} in epoch {epoch}")


def time_steps(task: TimingTask, data: Dataset) -> Timing:
    """Time a config's training and evaluation, without compilation.

    Args:
        task: The config to time, and for how long.
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
    start_s = fit(some)  # includes compilation, as does the evaluation
    network.assess(data.x_train, data.y_train, some)
    start_s += clock.lap()
    epochs = max(1, round(task.seconds / 2 / fit(some)))
    many = np.resize(data.train, min(epochs, 50) * len(some))
    train_s = fit(many) / len(many)
    evaluated = np.resize(data.train, _EVALUATION_BATCH)
    network.assess(data.x_train, data.y_train, evaluated)
    return Timing(train_s, clock.lap() / _EVALUATION_BATCH, start_s, task.trial)


def restore(model: keras.Model, state: State) -> int:
    """Load a stored state into a network of the same config.

    Args:
        model: A new, compiled model.
        state: A state that `train` returned for the same config.

    Returns:
        The last epoch of the state.

    Raises:
        ValueError: The state is of another config.
    """
    model.optimizer.build(model.trainable_variables)
    variables = _variables(model)
    stored, built = [a.shape for a in state.arrays], [tuple(v.shape) for v in variables]
    if stored != built:
        raise ValueError(
            f"A stored state must fit its network with shapes {built}, got {stored}. "
            "It belongs to another config. Delete it."
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
    """Build a task's network with new weights."""
    shape, classes = data.input_shape, len(data.classes)
    if task.user_model:
        # Load the file first: its random numbers must not change those of the seed.
        user_models.hypermodel(task.user_model)

    def build_network() -> Network:
        if task.user_model:
            hp = user_models.hyperparameters(task.config)
            return user_models.network(task.user_model, hp, shape, classes)
        config = CnnConfig.from_dict(task.config)
        return cnn(config, shape, classes, len(data.train))

    return fresh(build_network, seed, jit_compile=jit_compile, precision=task.precision)


def _variables(model: keras.Model) -> list[Any]:
    """List what training changes: weights, dropout's seeds, optimizer, step count."""
    return [*model.variables, *model.optimizer.variables]


def state_of(model: keras.Model, epoch: int) -> State:
    """Copy everything that training changes."""
    arrays = tuple(keras.ops.convert_to_numpy(v) for v in _variables(model))
    return State(epoch, arrays)


def train_sample(data: Dataset) -> np.ndarray:
    """Choose the training images for `train_accuracy`.

    As many as the test set has (or all), and the same for every config and seed.
    """
    size = min(len(data.train), len(data.test))
    rng = np.random.default_rng(derive_seed("train sample", data.split))
    return np.sort(rng.choice(data.train, size, replace=False))


class Clock:
    """Measures wall time since its creation or its last lap, in seconds."""

    def __init__(self) -> None:
        self._since = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last lap and start the next."""
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        return seconds
