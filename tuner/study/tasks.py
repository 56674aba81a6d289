"""Tasks for workers and the events that come back: plain values and arrays.

The search, the workers and the training code share only these, so a worker can be a
process on this or another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search_spaces.user_code import UserModel


@dataclass(frozen=True)
class State:
    """The complete state of a training run after `epoch` epochs.

    Attributes:
        epoch: Epochs trained so far.
        arrays: Weights, dropout's seeds, and the optimizer's moments and step count,
            in the order in which the network's config creates them.
    """

    epoch: int
    arrays: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class TrainingTask:
    """One execution to train or to continue.

    Attributes:
        trial: The trial's number.
        execution: Its number within the trial.
        config: `to_dict` of a config.
        seed: Seeds weights, shuffling and dropout.
        epochs: Epochs at the end, including those of `state`.
        state: Where training continues; None starts with new weights.
        keep_state: Whether the result includes the last state.
        checkpoint_seconds: Minimum seconds between two states in epoch events.
        patience: Stop after this many epochs without a lower validation loss, and
            keep the epoch with the lowest one; states are then those of the best
            epoch so far. None trains to the end and keeps the last epoch.
        jit_compile: Whether XLA compiles the network, as it did when the state was
            created; None lets Keras choose.
        split_seed: Draws this run's own split into training and validation images;
            None uses the study's split.
        user_model: The user's code that builds the network, or None for a
            `CnnConfig`.
        precision: "float32" or "bfloat16"; a state continues only in its own.
    """

    trial: int
    execution: int
    config: Mapping[str, Any]
    seed: int
    epochs: int
    state: State | None = None
    keep_state: bool = True
    checkpoint_seconds: float = 30.0
    patience: int | None = None
    jit_compile: bool | None = None
    split_seed: int | None = None
    user_model: UserModel | None = None
    precision: str = "float32"


@dataclass(frozen=True)
class TimingTask:
    """A config whose steps are timed, without training it.

    Attributes:
        config: `to_dict` of a config.
        seconds: Approximate duration of the measurement.
        user_model: As in a `TrainingTask`.
        precision: As in a `TrainingTask`.
    """

    config: Mapping[str, Any]
    seconds: float
    user_model: UserModel | None = None
    precision: str = "float32"
    trial: int = 0
    execution: int = 0


@dataclass(frozen=True)
class DiscoveryTask:
    """A user's code to run once, on few images, to discover its hyperparameters."""

    user_model: UserModel
    trial: int = 0
    execution: int = 0


@dataclass(frozen=True)
class PrecisionTask:
    """Steps of a small network to time in both precisions.

    Attributes:
        on_gpu: Whether the worker computes on a GPU.
    """

    on_gpu: bool
    trial: int = 0
    execution: int = 0


@dataclass(frozen=True)
class PrecisionTiming:
    """How fast a worker trains in both precisions.

    Attributes:
        speedup: Time of a step in float32 over that in bfloat16; None if the device
            or the images make timing pointless, because bfloat16 cannot pay.
    """

    speedup: float | None


@dataclass(frozen=True)
class Discovery:
    """What a user's code declares; see `UserSpace.to_dict`."""

    discovered: Mapping[str, Any]


@dataclass(frozen=True)
class Timing:
    """The measured speed of a config.

    Attributes:
        train_s: Seconds per training image, without compilation.
        evaluate_s: Seconds per image in inference mode, without compilation.
        start_s: Seconds to build and compile, once per run.
        trial: The task's trial.
    """

    train_s: float
    evaluate_s: float
    start_s: float
    trial: int = 0


@dataclass(frozen=True)
class Assessment:
    """Metrics of a model on some images, in inference mode.

    Attributes:
        accuracy: Fraction of the images, 0 to 1.
        loss: Mean cross-entropy in nats.
        predictions: The predicted class of each image, uint16, shape (images,).
        metrics: Other metrics that a user's model compiles, by their Keras names.
    """

    accuracy: float
    loss: float
    predictions: np.ndarray
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its backend and the data.

    Attributes:
        device: Where it computes, for example "CPU, 2 threads".
        on_gpu: Whether that is a GPU.
        versions: Package name to version, including `python` and `backend`.
        workers: Number of such workers.
        note: How they share the machine, or "".
    """

    device: str
    on_gpu: bool
    versions: Mapping[str, str]
    workers: int = 1
    note: str = ""


@dataclass(frozen=True)
class EpochEnd:
    """An epoch has ended.

    Attributes:
        epoch: Epochs trained so far.
        metrics: This epoch's value of each metric.
        seconds: Wall time since the last event of this task.
        train_seconds: The part of `seconds` spent in `fit`.
        state: The training state, if a checkpoint is due.
    """

    trial: int
    execution: int
    epoch: int
    metrics: Mapping[str, float]
    seconds: float
    train_seconds: float
    state: State | None = None


@dataclass(frozen=True)
class TrainingResult:
    """A training run has succeeded.

    Attributes:
        epochs: Epochs trained, including those of the state it started from.
        train: Metrics on a sample of the training images; see `Execution`.
        validation: None without a validation split.
        continued_from: The epoch of the state it started from, or 0.
        seconds: Wall time since the last event of this task.
        jit_compile: Whether XLA compiled the network.
        best_epoch: The epoch that was kept and measured, under `patience`; None
            means the last.
        device: Where it ran; set by the process that manages the workers.
        drawn: The hyperparameters that a user's code requested, or None.
    """

    trial: int
    execution: int
    epochs: int
    train: Assessment
    validation: Assessment | None
    test: Assessment
    params: int
    continued_from: int
    seconds: float
    jit_compile: bool
    state: State | None = None
    best_epoch: int | None = None
    device: str | None = None
    drawn: tuple[str, ...] | None = None


@dataclass(frozen=True)
class TrainingFailure:
    """A training run has failed, and would fail again; `error` is the first line."""

    trial: int
    execution: int
    error: str


@dataclass(frozen=True)
class WorkerLoss:
    """A worker ended during a task.

    Attributes:
        error: What is known about its end, in one line.
        may_be_to_blame: Whether the task may have caused it; False if a whole machine
            was lost.
    """

    trial: int
    execution: int
    error: str
    may_be_to_blame: bool = True


Task = TrainingTask | TimingTask | DiscoveryTask | PrecisionTask
Answer = Timing | Discovery | PrecisionTiming  # to a request before the trainings
Event = EpochEnd | TrainingResult | TrainingFailure | WorkerLoss | Answer
