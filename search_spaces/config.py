"""CnnConfig: the value of every hyperparameter of one network.

Nothing here needs Keras, so that a config can be checked, counted and compared
in the driver, in a report or in a test without loading a framework.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

PADDINGS = ("valid", "same")
POOLINGS = ("none", "max", "average")
OPTIMIZERS = ("adam", "sgd", "rmsprop")

_RANGES: dict[str, tuple[float, float]] = {
    "filters": (1, 1024),
    "kernel_size": (1, 11),
    "pool_size": (2, 8),
    "pool_every": (1, 16),
    "units": (1, 8192),
    "outputs": (2, 65_536),
    "dropout": (0.0, 0.95),
    "learning_rate": (1e-7, 10.0),
    "weight_decay": (0.0, 1.0),
    "batch_size": (1, 65_536),
    "epochs": (1, 100_000),
}
_CHOICES = {"padding": PADDINGS, "pooling": POOLINGS, "optimizer": OPTIMIZERS}
_MAX_LAYERS = 16

# One entry a layer in Python, one numbered hyperparameter a layer on disk.
_COUNTED = {"filters": "conv_layers", "units": "dense_layers"}
_POOLING_ONLY = ("pool_size", "pool_every")


@dataclass(frozen=True)
class CnnConfig:
    """One network and how it is trained; the defaults are the baseline.

    Attributes:
        filters: Filters of each convolution, first to last; its length is the
            depth. 1 to 16 layers of 1 to 1024 filters.
        kernel_size: Height and width of every convolution, in pixels, 1 to 11.
        padding: "valid" shrinks the image by `kernel_size - 1`; "same" keeps it.
        batch_norm: Batch normalization between each convolution and its ReLU.
        pooling: "none", "max" or "average".
        pool_size: Height, width and stride of a pooling, in pixels, 2 to 8.
            Meaningless, and absent from `to_dict`, without pooling.
        pool_every: A pooling follows every so many convolutions, 1 to 16.
            Meaningless, and absent from `to_dict`, without pooling.
        units: Units of each hidden dense layer, first to last. 0 to 16 layers of
            1 to 8192 units.
        outputs: Units of the output layer, or None for one a class. More than
            there are classes can never be right; a published experiment had it.
        dropout: Share of the inputs of every dense layer, the output layer
            included, that is dropped in training, 0 to 0.95.
        optimizer: "adam", "rmsprop", or "sgd" with Nesterov momentum 0.9.
        learning_rate: Constant learning rate, 1e-7 to 10.
        weight_decay: Decoupled weight decay (AdamW's), 0 to 1.
        batch_size: Images a step, 1 to 65536.
        epochs: Passes over the training images, 1 to 100000.

    Raises:
        ValueError: A value is outside its legal range.
    """

    filters: tuple[int, ...] = (32,)
    kernel_size: int = 3
    padding: str = "valid"
    batch_norm: bool = False
    pooling: str = "none"
    pool_size: int = 2
    pool_every: int = 1
    units: tuple[int, ...] = (128,)
    outputs: int | None = None
    dropout: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 0.001
    weight_decay: float = 0.0
    batch_size: int = 32
    epochs: int = 5

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _checked(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def is_feasible(self, input_shape: tuple[int, int, int]) -> bool:
        """Whether this network exists for images of `input_shape`.

        Args:
            input_shape: Height, width and channels of one image.

        Returns:
            False where a convolution or pooling would leave nothing, or where
            pooling is asked for and none would ever happen.
        """
        from search_spaces.layers import infeasibility

        return infeasibility(self, input_shape) is None

    def to_dict(self) -> dict[str, Any]:
        """Flatten to one plain value a hyperparameter, active ones only.

        The names are the search space's and the report's: `filters=(32, 64)`
        becomes `conv_layers=2, filters_1=32, filters_2=64`.
        """
        flat: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in _COUNTED:
                flat[_COUNTED[field.name]] = len(value)
                flat |= {f"{field.name}_{i}": v for i, v in enumerate(value, 1)}
            elif field.name in _POOLING_ONLY and self.pooling == "none":
                continue
            elif value is not None:
                flat[field.name] = value
        return flat

    def changed(self, given: Mapping[str, Any]) -> CnnConfig:
        """Return this config with some values changed.

        Args:
            given: Values by the names of `to_dict`. Layers that a smaller count
                takes away go by themselves.

        Raises:
            ValueError: A name is unknown, a value is outside its range, or a layer
                that a larger count adds has no size.
        """
        flat = {**self.to_dict(), **given}
        for sizes, count in _COUNTED.items():
            if flat[count] not in range(_MAX_LAYERS + 1):
                raise ValueError(
                    f"{count} must be a whole number from 0 to {_MAX_LAYERS}, got "
                    f"{flat[count]!r}. Give the number of layers."
                )
            for name in list(flat):
                match = re.fullmatch(rf"{sizes}_(\d+)", name)
                if match and name not in given and int(match[1]) > flat[count]:
                    del flat[name]
        return CnnConfig.from_dict(flat)

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> CnnConfig:
        """Read what `to_dict` wrote; what is absent takes the baseline's value.

        Raises:
            ValueError: A name is unknown, a value is outside its range, or the
                numbered layers do not match their count.
        """
        rest = dict(flat)
        given: dict[str, Any] = {}
        for name, count in _COUNTED.items():
            numbered = {
                int(match[1]): rest.pop(key)
                for key in list(rest)
                if (match := re.fullmatch(rf"{name}_(\d+)", key))
            }
            declared = rest.pop(count, len(numbered) or None)
            if declared is None:
                continue
            if sorted(numbered) != list(range(1, declared + 1)):
                raise ValueError(
                    f"{count}={declared} needs {name}_1 to {name}_{declared}, "
                    f"got {sorted(numbered)}. Give every layer its {name}."
                )
            given[name] = tuple(numbered[i] for i in range(1, declared + 1))
        unknown = set(rest) - {f.name for f in fields(cls)} | set(rest) & set(_COUNTED)
        if unknown:
            raise ValueError(
                f"Unknown hyperparameters {sorted(unknown)}. "
                f"Known: {', '.join(CnnConfig().to_dict())}."
            )
        return cls(**given, **rest)


def _checked(name: str, value: Any) -> Any:
    """Return a field's value in its own plain type, or say what must hold."""
    if name in _COUNTED:
        if not isinstance(value, tuple | list):
            raise ValueError(
                f"{name} must be a tuple with one entry a layer, got {name}={value!r}. "
                f"Write {name}=({value!r},)."
            )
        value = tuple(_checked_number(name, v, whole=True) for v in value)
        fewest = 1 if name == "filters" else 0
        if not fewest <= len(value) <= _MAX_LAYERS:
            raise ValueError(
                f"{name} must have {fewest} to {_MAX_LAYERS} layers, "
                f"got {len(value)}: {name}={value!r}. Change the depth."
            )
        return value
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise ValueError(
                f"{name} must be one of {', '.join(_CHOICES[name])}, "
                f"got {name}={value!r}. Use one of these."
            )
        return str(value)
    default = next(f.default for f in fields(CnnConfig) if f.name == name)
    if isinstance(default, bool):
        if value not in (True, False):
            raise ValueError(f"{name} must be True or False, got {name}={value!r}.")
        return bool(value)
    if value is None and default is None:
        return None
    return _checked_number(name, value, whole=not isinstance(default, float))


def _checked_number(name: str, value: Any, *, whole: bool) -> int | float:
    low, high = _RANGES[name]
    kind = "a whole number" if whole else "a number"
    number: int | float
    try:
        number = int(value) if whole else float(value)
        legal = number == value and low <= number <= high
    except (OverflowError, TypeError, ValueError):
        legal = False
    if not legal or isinstance(value, bool):
        raise ValueError(
            f"{name} must be {kind} from {low:g} to {high:g}, got {name}={value!r}. "
            "Keep to that range."
        )
    return number


BASELINE = CnnConfig()
