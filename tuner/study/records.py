"""The records that a study stores, and their JSON. `record_files` writes them.

The search and the reports share nothing but the study folder:

    study.json             StudyRecord
    trials/0007.json       TrialRecord
    trials/0007/predictions-0.npz   execution 0: arrays `validation` and `test`,
                                    the predicted class of each image
    trials/0007/state-0.npz         execution 0: the last state, if it was kept
    labels.npz             arrays `validation` and `test`, the true classes
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tuner.algorithms import ALGORITHMS
from tuner.study.descriptions import DataRecord, PlanRecord, SpaceRecord
from tuner.study.schema import (
    SCHEMA,
    RecordError,
    build,
    check_finite,
    check_member,
    without_schema,
)
from tuner.study.settings import StudySettings

TRIAL_STATUSES = ("running", "completed", "failed")
STUDY_STATES = ("running", "completed", "interrupted", "failed")


MEASURES = (
    "train_accuracy",
    "train_loss",
    "val_accuracy",
    "val_loss",
    "test_accuracy",
    "test_loss",
)


@dataclass(frozen=True)
class Execution:
    """One run of a trial's config, with one seed.

    Accuracies are fractions in [0, 1] and losses are mean cross-entropies in nats,
    both in inference mode on the final weights. They are None if there is no such
    split or the run has not ended.

    Attributes:
        execution: Its number within the trial, from 0.
        seed: Seeds weights, shuffling and dropout, 0 to 2**31 - 1.
        epochs: Epochs trained so far; the length of every history.
        history: One value per epoch: `accuracy` and `loss` as `fit` shows them
            (a running mean while the weights change, with dropout), and, if there is
            a validation split, `val_accuracy`, `val_loss` and the `val_` value of
            other metrics after the epoch.
        train_accuracy: Measured on a fixed sample of the training images: as many as
            the test set has, or all.
        metrics: Other metrics that a user's model compiles, measured in the same way:
            for example `train_auc`, `val_auc` and `test_auc`.
        params: Parameters of the network, or None before it is built.
        seconds: Wall time in the worker, summed over all sessions.
        train_seconds: The part of `seconds` spent in training epochs.
        continued_from: The epoch of the stored state from which it last continued;
            0 if it started from new weights.
        continued_trial: The trial whose state that was: the same config with fewer
            epochs. None if the state was its own.
        earlier_epochs: Epochs of earlier rungs that count in `seconds` and in no
            history: a learning rate with a schedule starts over on every rung.
        best_epoch: The epoch whose weights were kept, under `--patience`; None
            means the last.
        jit_compile: Whether XLA compiled the network, or None if not known yet.
        device: Where it ran, for example "CPU, 2 threads".
        attempts: How often a worker was lost while it trained this execution.
    """

    execution: int
    seed: int
    epochs: int = 0
    history: Mapping[str, list[float]] = field(default_factory=dict)
    train_accuracy: float | None = None
    train_loss: float | None = None
    val_accuracy: float | None = None
    val_loss: float | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: int | None = None
    seconds: float = 0.0
    train_seconds: float = 0.0
    continued_from: int = 0
    continued_trial: int | None = None
    earlier_epochs: int = 0
    best_epoch: int | None = None
    jit_compile: bool | None = None
    device: str | None = None
    attempts: int = 0

    def __post_init__(self) -> None:
        for name in (*MEASURES, *self.metrics):
            value = self.measure(name)
            if value is not None and not isinstance(value, int | float):
                raise RecordError(f"{name} must be a number or null, got {value!r}.")
        lengths = {name: len(values) for name, values in self.history.items()}
        if set(lengths.values()) - {self.epochs}:
            raise RecordError(
                f"Every history must have one value per epoch, {self.epochs}, "
                f"got {lengths} in execution {self.execution}."
            )

    def measure(self, name: str) -> float | None:
        """Return one of MEASURES or of `metrics`, or None if it is not known."""
        value: float | None = self.metrics.get(name)
        return getattr(self, name) if name in MEASURES else value

    @property
    def trained_epochs(self) -> int:
        """All epochs that it trained, without those of another trial's state."""
        others = 0 if self.continued_trial is None else self.continued_from
        return self.earlier_epochs + self.epochs - others

    @property
    def is_final(self) -> bool:
        """Whether it has been evaluated after its last epoch."""
        return self.test_accuracy is not None


@dataclass(frozen=True)
class Rung:
    """One promotion of a trial, and the score that the algorithm received.

    Attributes:
        epochs: The trial's epochs at the end of the rung, earlier rungs included.
        bracket: Hyperband's bracket, largest first, or 0.
        proposed: The event number at which the algorithm proposed it. Together with
            `told`, it orders all exchanges with the algorithm, so that they can be
            replayed.
        told: The event number at which the algorithm received the result, or None.
        score: The objective's value that the algorithm received, or None.
        is_audit: Whether Hyperband had eliminated the trial, and `--audit` fully
            trained it anyway.
    """

    epochs: int
    bracket: int = 0
    proposed: int = 0
    told: int | None = None
    score: float | None = None
    is_audit: bool = False


@dataclass(frozen=True)
class TrialRecord:
    """One config of a study, from its proposal to its result.

    Attributes:
        trial: Its number; 0 is the baseline.
        status: "running" (or interrupted), "completed" or "failed".
        config: Every active hyperparameter, `CnnConfig.to_dict`.
        values: The values that the algorithm proposed, by their names in the space;
            empty for the baseline.
        name: The space's name for it, or None. The baseline's is "baseline".
        rungs: One per promotion; random search has one.
        executions: One per seed, in order.
        error: The first line of the error, if the trial failed.
    """

    trial: int
    status: str
    config: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    rungs: tuple[Rung, ...] = ()
    executions: tuple[Execution, ...] = ()
    error: str | None = None

    def __post_init__(self) -> None:
        check_member("status", self.status, TRIAL_STATUSES, f"trial {self.trial}")
        if (self.status == "failed") != (self.error is not None):
            raise RecordError(
                "A trial must have an error if, and only if, it failed, got "
                f"status={self.status!r}, error={self.error!r} in trial {self.trial}."
            )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a record from parsed JSON.

        Raises:
            RecordError: Another schema, or a field is missing, unknown or wrong.
        """
        data = dict(data)
        for name, kind in (("rungs", Rung), ("executions", Execution)):
            rows = data.get(name, [])
            if not isinstance(rows, list):
                raise RecordError(f"{name} must be a list, got {rows!r}.")
            data[name] = tuple(build(kind, row) for row in rows)
        return build(cls, without_schema(data))


@dataclass(frozen=True)
class StudyRecord:
    """A study without its trials, which have records of their own.

    Attributes:
        study: Its name, which is also its folder's.
        state: "running", "completed", "interrupted" or "failed". It stays "running"
            if the search's process was killed.
        created: Time of its creation, ISO 8601 with the UTC offset.
        command: The command that created it.
        settings: Its options.
        space: Its search space.
        data: Its images and their split.
        fingerprint: Hash of everything that must be unchanged for a resume.
        versions: Package name to version, including `python` and `backend`.
        hardware: `device`, `workers` (how many used such a device in parallel at the
            start), `cpu`, `cores`, `memory_bytes`.
        limits: `max_params`, `max_multiply_adds` (of one image's forward pass) and
            `max_bytes`. Larger configs are rejected; None means no limit.
        plan: How much it will train.
        commit: The git commit of the code, or None.
        rejected: Number of rejected proposals, by reason.
        notes: Sentences for readers, such as on a skipped baseline or an exhausted
            space.
        seconds: Wall time of its search, summed over all sessions.
        start_seconds: The part of `seconds` before the first training could start;
            None if an older version did not measure it.
    """

    study: str
    state: str
    created: str
    command: str
    settings: StudySettings
    space: SpaceRecord
    data: DataRecord
    fingerprint: str
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, int | None] = field(default_factory=dict)
    plan: PlanRecord = field(default_factory=PlanRecord)
    commit: str | None = None
    rejected: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    start_seconds: float | None = None

    def __post_init__(self) -> None:
        check_member("state", self.state, STUDY_STATES, f"study {self.study}")
        object.__setattr__(self, "notes", tuple(self.notes))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild a record from parsed JSON.

        Raises:
            RecordError: Another schema, a field is missing, unknown or wrong, or an
                algorithm that this version does not have.
        """
        fields = without_schema(data)
        for name, kind in _PARTS.items():
            if name not in fields and name != "plan":
                raise RecordError(f"{name} is missing.")
            part = fields.get(name, {})
            if not isinstance(part, Mapping):
                raise RecordError(f"{name} must be an object, got {part!r:.120}.")
            try:
                fields[name] = kind.from_dict(part)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise RecordError(f"{name} cannot be read: {error}.") from error
        _check_algorithm(fields["settings"].algorithm)
        return build(cls, fields)


_PARTS: Mapping[str, Any] = {
    "settings": StudySettings,
    "space": SpaceRecord,
    "data": DataRecord,
    "plan": PlanRecord,
}


Record = TrialRecord | StudyRecord


def to_json(record: Record) -> dict[str, Any]:
    """Convert a record to JSON values.

    Raises:
        RecordError: It contains a number that is not finite.
    """
    data = {"schema": SCHEMA, **dataclasses.asdict(record)}
    if isinstance(record, StudyRecord):
        data["space"] = record.space.to_dict()
    check_finite(data, type(record).__name__)
    return data


def _check_algorithm(name: Any) -> None:
    if not isinstance(name, str) or name not in ALGORITHMS:
        raise RecordError(
            f"The study was searched with --algorithm {name}, and this version of tune "
            f"knows {', '.join(ALGORITHMS)}. Use the version that wrote it."
        )
