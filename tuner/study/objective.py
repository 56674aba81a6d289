"""What chooses between trials: a validation metric, and which way it is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

# As KerasTuner infers it; it takes every other metric of Keras for a loss, F1Score
# and R2Score too, so those must be told.
_MAX = (
    "acc",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "top_k_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "true_positives",
    "true_negatives",
    "precision",
    "recall",
    "auc",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
)
_MIN_ENDS = ("loss", "error", "crossentropy")
_DIRECTIONS = ("max", "min")

# What every network is measured by.
ALWAYS = ("val_accuracy", "val_loss")


@dataclass(frozen=True)
class Objective:
    """A metric on the validation images.

    Attributes:
        name: For example "val_accuracy".
        direction: "max" or "min".
    """

    name: str
    direction: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "val_METRIC", or "val_METRIC:max" or ":min" of any metric.

        Raises:
            ValueError: It is no validation metric, or nothing says its direction.
        """
        name, _, direction = text.partition(":")
        if not name.removeprefix("val_") or not name.startswith("val_"):
            raise ValueError(
                "--objective must be val_accuracy, val_loss, or val_METRIC of a metric "
                f"that your own network compiles, got {text!r}. The test set never "
                "chooses."
            )
        direction = direction or _inferred(name)
        if direction not in _DIRECTIONS:
            raise ValueError(
                f"--objective must say which way {name} is better, got {text!r}. "
                f"Use {name}:max or {name}:min."
            )
        return cls(name, direction)

    def __str__(self) -> str:
        """Write what `parse` reads, the direction only where the name lacks it."""
        is_clear = _inferred(self.name) == self.direction
        return self.name if is_clear else f"{self.name}:{self.direction}"

    @property
    def higher_is_better(self) -> bool:
        """False for losses."""
        return self.direction == "max"

    @property
    def sign(self) -> int:
        """What a value is multiplied by so that more is better."""
        return 1 if self.higher_is_better else -1

    @property
    def is_accuracy(self) -> bool:
        """Whether it is a fraction of images, which has a Wilson interval."""
        return self.name == "val_accuracy"


def _inferred(name: str) -> str:
    """Say a metric's direction by its name, or nothing."""
    metric = name.removeprefix("val_").removeprefix("weighted_")
    if metric in _MAX:
        return "max"
    return "min" if metric.endswith(_MIN_ENDS) else ""
