"""What goes to a worker and what comes back: plain values and arrays.

The search, the workers and the training share these and nothing else, so a
worker may be a process here or on another machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search_spaces.user_code import OwnModel


@dataclass(frozen=True)
class State:
    """All that a training is after `epoch` epochs; training goes on from it.

    Attributes:
        epoch: Epochs trained so far.
        arrays: Weights, dropout's seeds, the optimizer's moments and step count,
            in the order that the network's config builds them.
    """

    epoch: int
    arrays: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class TrainingTask:
    """One execution to train, or to train further.

    Attributes:
        trial: The trial's number.
        execution: Which of its executions.
        config: `to_dict` of a config.
        seed: Seeds weights, shuffling and dropout.
        epochs: Epochs it shall have at the end, those of `state` included.
        state: Where it goes on from; None starts with new weights.
        keep_state: Whether the result shall carry its last state.
        checkpoint_seconds: A state comes with an epoch's end at most this often.
        patience: Stop after so many epochs without a lower validation loss, and
            keep the epoch where it was lowest; None trains to the end and keeps
            the last. States are then those of the lowest epoch so far.
        jit_compile: Whether XLA compiles the network, as it did when the state was
            made; None lets Keras choose.
        split_seed: Draws a split into train and validation images of this training's
            own; None is the study's.
        own: The user's code that builds the network, or None for a `CnnConfig`.
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
    own: OwnModel | None = None


@dataclass(frozen=True)
class TimingTask:
    """A config to time for some steps, and not to train.

    Attributes:
        config: `to_dict` of a config.
        seconds: About how long to measure.
        own: As of a `TrainingTask`.
    """

    config: Mapping[str, Any]
    seconds: float
    own: OwnModel | None = None
    trial: int = 0
    execution: int = 0


@dataclass(frozen=True)
class DiscoveryTask:
    """A user's code to run once, in small, to see what it declares."""

    own: OwnModel
    trial: int = 0
    execution: int = 0


@dataclass(frozen=True)
class Discovery:
    """What a user's code declares; see `OwnSpace.to_dict`."""

    found: Mapping[str, Any]


@dataclass(frozen=True)
class Timing:
    """What a config's steps take, its compilation left out.

    Attributes:
        train_s: Seconds a training image.
        evaluate_s: Seconds an image in inference mode.
        start_s: Seconds to build and compile, once a training.
        trial: The task's.
    """

    train_s: float
    evaluate_s: float
    start_s: float
    trial: int = 0


@dataclass(frozen=True)
class Assessment:
    """A network measured on some images, in inference mode.

    Attributes:
        accuracy: Fraction of the images, 0 to 1.
        loss: Mean cross-entropy in nats.
        predictions: The class chosen for each image, uint16, shape (images,).
        metrics: What a user's own network compiles besides, by its name in Keras.
    """

    accuracy: float
    loss: float
    predictions: np.ndarray
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """A worker has loaded its backend and the data.

    Attributes:
        device: What it computes on, for example "CPU, 2 threads".
        on_gpu: Whether that is a GPU.
        versions: Package name to version; `python` and `backend` among them.
        workers: How many such workers there are.
        note: How they share the machine, or nothing to say.
    """

    device: str
    on_gpu: bool
    versions: Mapping[str, str]
    workers: int = 1
    note: str = ""


@dataclass(frozen=True)
class EpochEnd:
    """An epoch ended.

    Attributes:
        epoch: Epochs trained so far.
        metrics: This epoch's value of each metric.
        seconds: Wall time since the last event of this task.
        train_seconds: The part of it spent in `fit`.
        state: Where the training stands, when a checkpoint is due.
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
    """A training ended well.

    Attributes:
        epochs: Epochs trained, those of its first state included.
        train: On a sample of the training images; see `Execution`.
        validation: None without a validation split.
        continued_from: The epoch of the state it started from, or 0.
        seconds: Wall time since the last event of this task.
        jit_compile: Whether XLA compiled the network.
        best_epoch: The epoch that all of this is about, under `patience`; None
            means the last.
        device: What it ran on; whoever keeps the workers knows.
        drawn: The hyperparameters that a user's own code asked for, or None.
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
    """A training ended badly, and would again; `error` is its first line."""

    trial: int
    execution: int
    error: str


@dataclass(frozen=True)
class WorkerLoss:
    """A worker ended in the middle of a task.

    Attributes:
        error: What is known of its end, in one line.
        may_be_to_blame: Whether the task may have ended it; not where a whole
            machine was lost.
    """

    trial: int
    execution: int
    error: str
    may_be_to_blame: bool = True


Task = TrainingTask | TimingTask | DiscoveryTask
Event = EpochEnd | TrainingResult | TrainingFailure | WorkerLoss | Timing | Discovery
