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
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from search_spaces.errors import ExpectedError
from tuner.algorithms import ALGORITHMS
from tuner.study.settings import StudySettings

SCHEMA = 1

T = TypeVar("T")

TRIAL_STATUSES = ("running", "completed", "failed")
STUDY_STATES = ("running", "completed", "interrupted", "failed")


class RecordError(ExpectedError):
    """A record, on disk or about to be written, is invalid."""


class UnknownSchemaError(RecordError):
    """A record has the schema of another version."""


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
        """Its own epochs, without those of another trial's state."""
        return self.epochs - (
            0 if self.continued_trial is None else self.continued_from
        )

    @property
    def is_final(self) -> bool:
        """Whether it has been evaluated after its last epoch."""
        return self.test_accuracy is not None


@dataclass(frozen=True)
class Rung:
    """One promotion of a trial, and the score that the oracle received.

    Attributes:
        epochs: The trial's epochs at the end of the rung, earlier rungs included.
        bracket: Hyperband's bracket, largest first, or 0.
        proposed: The event number at which the oracle proposed it. Together with
            `told`, it orders all exchanges with the oracle, so that they can be
            replayed.
        told: The event number at which the oracle received the result, or None.
        score: The objective's value that the oracle received, or None.
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
        values: The values that the oracle proposed, by their names in the space;
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
        _check_member("status", self.status, TRIAL_STATUSES, f"trial {self.trial}")
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
            data[name] = tuple(_build(kind, row) for row in rows)
        return _build(cls, without_schema(data))


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter as a space declares it.

    Attributes:
        name: Its name in the space and in the report's column.
        type: "int", "float", "choice", "boolean" or "fixed".
        default: Its value in trial 0.
        min: Its lowest value, if it is a number with a range.
        max: Its highest value, likewise.
        step: The distance between its values, or None if it is continuous.
        sampling: "linear" or "log".
        choices: Its values, if it has no range.
        conditions: The hyperparameters that activate it, each with the values that
            do so.
    """

    name: str
    type: str
    default: Any = None
    min: float | None = None
    max: float | None = None
    step: float | None = None
    sampling: str | None = None
    choices: tuple[Any, ...] | None = None
    conditions: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, without the fields that its type lacks."""
        plain = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        if self.min is not None:
            plain["step"] = self.step
        choices = plain.pop("choices", None)
        return plain if choices is None else {**plain, "values": list(choices)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        fields = {name: value for name, value in stored.items() if name != "values"}
        choices = stored.get("values")
        return _build(
            cls, {**fields, "choices": None if choices is None else tuple(choices)}
        )


@dataclass(frozen=True)
class SpaceRecord:
    """The search space of a study.

    Attributes:
        name: A space's name, or the stem of a user's file.
        hyperparameters: The hyperparameters, in the order of their declaration.
        size: The number of distinct points, or None if the space is continuous.
        source: The SHA-256 of a user's file, or None.
        user_code: What a user's `build_model` or `HyperModel` declares
            (`UserSpace.to_dict`), or None for a space of configs.
    """

    name: str
    hyperparameters: tuple[Hyperparameter, ...] = ()
    size: int | None = None
    source: str | None = None
    user_code: Mapping[str, Any] | None = None

    @property
    def is_published(self) -> bool:
        """Whether it is the nine published experiments, which are not searched."""
        return self.name == "published"

    @property
    def draws_epochs(self) -> bool:
        """Whether a user's `fit` chooses the number of epochs."""
        return bool((self.user_code or {}).get("draws_epochs"))

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values, for the record and for a fingerprint."""
        stored: dict[str, Any] = {
            "name": self.name,
            "hyperparameters": [h.to_dict() for h in self.hyperparameters],
            "size": self.size,
            "source": self.source,
        }
        return stored | ({"own": dict(self.user_code)} if self.user_code else {})

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        rows = stored.get("hyperparameters", ())
        declared = tuple(Hyperparameter.from_dict(row) for row in rows)
        fields = {k: v for k, v in stored.items() if k != "own"}
        code = stored.get("own")
        return _build(cls, {**fields, "hyperparameters": declared, "user_code": code})


@dataclass(frozen=True)
class DataRecord:
    """The images of a study.

    Attributes:
        name: The name of the dataset, or of its file or folder.
        fingerprint: Hash of images and labels.
        split: Hash of images, split and limit. Two studies are comparable if it is
            equal.
        train: Number of training images.
        validation: Number of validation images.
        test: Number of test images.
        input_shape: Height, width and channels of one image; empty if unknown.
        classes: Names of the classes, in the order of their ids.
    """

    name: str = ""
    fingerprint: str = ""
    split: str = ""
    train: int = 0
    validation: int = 0
    test: int = 0
    input_shape: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()

    def images(self, split: str) -> int:
        """Count the images of "train", "validation" or "test"."""
        counts = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        return counts[split]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        height, width, channels = self.input_shape
        return height, width, channels

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` gave."""
        lists = {
            name: tuple(stored.get(name, ())) for name in ("input_shape", "classes")
        }
        return _build(cls, {**stored, **lists})


@dataclass(frozen=True)
class PlanRecord:
    """How much a study will train.

    Attributes:
        trials: Number of configs without the baseline; None if unknown.
        epochs: Their total epochs, or an upper bound if epochs are tuned; None if
            unknown. The baseline's are included if all configs are known from the
            start.
        brackets: Under Hyperband, each bracket's rungs of (configs, epochs).
    """

    trials: int | None = None
    epochs: int | None = None
    brackets: tuple[tuple[tuple[int, int], ...], ...] = ()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` gave."""
        brackets = tuple(
            tuple((int(configs), int(epochs)) for configs, epochs in rungs)
            for rungs in stored.get("brackets", ())
        )
        return _build(cls, {**stored, "brackets": brackets})


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
        _check_member("state", self.state, STUDY_STATES, f"study {self.study}")
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
            part = fields.get(name, {})
            if not isinstance(part, Mapping):
                raise RecordError(f"{name} must be an object, got {part!r:.120}.")
            try:
                fields[name] = kind.from_dict(part)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise RecordError(f"{name} cannot be read: {error}.") from error
        _check_algorithm(fields["settings"].algorithm)
        return _build(cls, fields)


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
    _check_finite(data, type(record).__name__)
    return data


def without_schema(data: Mapping[str, Any]) -> dict[str, Any]:
    """Check the schema of parsed JSON, and return the other fields.

    Raises:
        UnknownSchemaError: It has another schema, or none.
    """
    schema = data.get("schema")
    if schema != SCHEMA:
        raise UnknownSchemaError(
            f"schema must be {SCHEMA} for this version of tune, got {schema!r}. "
            "Read the study with the version of tune that wrote it."
        )
    return {key: value for key, value in data.items() if key != "schema"}


def _build(kind: type[T], data: Mapping[str, Any]) -> T:
    try:
        return kind(**data)
    except (AttributeError, TypeError) as error:
        raise RecordError(
            f"{kind.__name__} is incomplete or invalid: {error}."
        ) from error


def _check_member(name: str, value: str, members: tuple[str, ...], where: str) -> None:
    if value not in members:
        raise RecordError(
            f"{name} must be one of {', '.join(members)}, got {value!r} in {where}."
        )


def _check_algorithm(name: Any) -> None:
    if not isinstance(name, str) or name not in ALGORITHMS:
        raise RecordError(
            f"The study was searched with --algorithm {name}, and this version of tune "
            f"knows {', '.join(ALGORITHMS)}. Use the version that wrote it."
        )


def _check_finite(value: Any, where: str) -> None:
    match value:
        case float() if not math.isfinite(value):
            raise RecordError(f"{where} must be a finite number, got {value}.")
        case dict():
            for key, item in value.items():
                _check_finite(item, f"{where}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                _check_finite(item, f"{where}[{index}]")
