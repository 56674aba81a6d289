"""What `study.json` says of a study's space, its images and its plan."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from tuner.study.schema import build


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
        return build(
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
        return build(cls, {**fields, "hyperparameters": declared, "user_code": code})


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
        return build(cls, {**stored, **lists})


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
        return build(cls, {**stored, "brackets": brackets})
