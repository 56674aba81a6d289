"""The objective: the validation metric that ranks trials, and its direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

# Metrics for which KerasTuner infers "max". It infers "min" for every other metric of
# Keras, even F1Score and R2Score, so users must state the direction of the others.
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

# Metrics that every model has.
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
        """Parse "val_METRIC", "val_METRIC:max" or "val_METRIC:min".

        Raises:
            ValueError: It is not a validation metric, or its direction is unknown.
        """
        name, _, direction = text.partition(":")
        if not name.removeprefix("val_") or not name.startswith("val_"):
            raise ValueError(
                "--objective must be val_accuracy, val_loss, or val_METRIC of a metric "
                f"that your own model compiles, got {text!r}. The test set never "
                "chooses."
            )
        direction = direction or _inferred(name)
        if direction not in _DIRECTIONS:
            raise ValueError(
                f"--objective must say whether to maximize or minimize {name}, got "
                f"{text!r}. "
                f"Use {name}:max or {name}:min."
            )
        return cls(name, direction)

    def __str__(self) -> str:
        """Return text for `parse`, with the direction unless the name implies it."""
        is_clear = _inferred(self.name) == self.direction
        return self.name if is_clear else f"{self.name}:{self.direction}"

    @property
    def higher_is_better(self) -> bool:
        """Whether the objective is maximized."""
        return self.direction == "max"

    @property
    def sign(self) -> int:
        """The factor that makes higher values better: 1 or -1."""
        return 1 if self.higher_is_better else -1

    @property
    def is_accuracy(self) -> bool:
        """Whether it is the fraction of correct images, which has a Wilson interval."""
        return self.name == "val_accuracy"


def _inferred(name: str) -> str:
    """Infer a metric's direction from its name; return "" if unknown."""
    metric = name.removeprefix("val_").removeprefix("weighted_")
    if metric in _MAX:
        return "max"
    return "min" if metric.endswith(_MIN_ENDS) else ""
