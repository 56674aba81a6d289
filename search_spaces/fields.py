"""Describe a hyperparameter where its field is defined.

Each helper sets a dataclass field's default and its range, and takes the keywords of
`Hyperparameter`:

    kernel_size: int = whole(3, 1, 11, architecture=True, short="k{}")

Checks, records, seeds, terminal lines and report columns all read this description.
"""

from __future__ import annotations

import dataclasses
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

MAX_LAYERS = 16
_FEW_LAYERS = 4
_KEY = "hyperparameter"


@dataclass(frozen=True, kw_only=True)
class Hyperparameter(ABC):
    """A field's legal values, when it applies, and how a line shows it.

    Attributes:
        architecture: Whether the field acts through the layers alone, so that two
            configs with equal layers train the same network whatever it holds. False
            is the safe answer.
        only_if: When the field applies: the name of another field, and the values of
            that field which switch this one on. Empty means always.
        short: How a terminal line shows the value: a template in which `{}` is the
            value and `{c.name}` is another field, or one template for each value;
            values without a template are not shown. None shows name and value.
        unshown: Values that a terminal line leaves out.
    """

    architecture: bool = False
    only_if: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    short: str | Mapping[Any, str] | None = None
    unshown: Sequence[Any] = ()

    @abstractmethod
    def checked(self, name: str, value: Any) -> Any:
        """Return a legal value as a plain Python type.

        Raises:
            ValueError: The value is not legal.
        """

    def flat(self, name: str, value: Any) -> dict[str, Any]:
        """Return the entries of a value in `CnnConfig.to_dict`."""
        return {} if value is None else {name: value}

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether the field applies, given the values of all fields."""
        return all(values[name] in on for name, on in self.only_if.items())

    def words(self, name: str, config: Any) -> str:
        """Return the words for a config's value on a terminal line, perhaps none."""
        value = getattr(config, name)
        applies = value is not None and self.applies(vars(config))
        if not applies or value in self.unshown:
            return ""
        short = f"{name.replace('_', ' ')} {{}}" if self.short is None else self.short
        template = short if isinstance(short, str) else short.get(value, "")
        text = _sizes(value) if isinstance(value, tuple) else value
        return template.format("none" if text == "" else text, c=config)


def _sizes(values: tuple[Any, ...]) -> str:
    """Write "32-48", or "32x2-64x2-128x2" if there are many."""
    if len(values) <= _FEW_LAYERS:
        return "-".join(map(str, values))
    runs = [(value, len(list(equal))) for value, equal in groupby(values)]
    return "-".join(f"{v}x{n}" if n > 1 else str(v) for v, n in runs)


@dataclass(frozen=True, kw_only=True)
class Number(Hyperparameter):
    """A number from `low` to `high`; whole if `whole`, or None if `optional`."""

    low: float
    high: float
    whole: bool
    optional: bool = False

    def checked(self, name: str, value: Any) -> int | float | None:
        """Return the value as int or float."""
        if value is None and self.optional:
            return None
        kind = "a whole number" if self.whole else "a number"
        number: int | float
        try:
            number = int(value) if self.whole else float(value)
            legal = number == value and self.low <= number <= self.high
        except (OverflowError, TypeError, ValueError):
            legal = False
        if not legal or isinstance(value, bool):
            raise ValueError(
                f"{name} must be {kind} from {self.low:g} to {self.high:g}, "
                f"got {name}={value!r}. Keep to that range."
            )
        return number


@dataclass(frozen=True, kw_only=True)
class Choice(Hyperparameter):
    """One of several words."""

    choices: Sequence[str]

    def checked(self, name: str, value: Any) -> str:
        """Return the value as str."""
        if value not in self.choices:
            raise ValueError(
                f"{name} must be one of {', '.join(self.choices)}, "
                f"got {name}={value!r}. Use one of these."
            )
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Flag(Hyperparameter):
    """True or False."""

    def checked(self, name: str, value: Any) -> bool:
        """Return the value as bool."""
        if value not in (True, False):
            raise ValueError(f"{name} must be True or False, got {name}={value!r}.")
        return bool(value)


@dataclass(frozen=True, kw_only=True)
class Sizes(Hyperparameter):
    """One number for each layer: a tuple in Python, numbered entries in `to_dict`.

    Attributes:
        size: The range of each number.
        count: The name of the number of layers in `to_dict`.
        fewest: The smallest number of layers; `MAX_LAYERS` is the largest.
    """

    size: Number
    count: str
    fewest: int

    def checked(self, name: str, value: Any) -> tuple[Any, ...]:
        """Return the sizes as a tuple of int."""
        is_layered = isinstance(value, tuple | list)
        if not is_layered:
            raise ValueError(
                f"{name} must be a tuple with one entry a layer, got {name}={value!r}. "
                f"Write {name}=({value!r},)."
            )
        sizes = tuple(self.size.checked(name, size) for size in value)
        if not self.fewest <= len(sizes) <= MAX_LAYERS:
            raise ValueError(
                f"{name} must have {self.fewest} to {MAX_LAYERS} layers, "
                f"got {len(sizes)}: {name}={sizes!r}. Change the depth."
            )
        return sizes

    def flat(self, name: str, value: Any) -> dict[str, Any]:
        """Return the number of layers, then the size of each."""
        numbered = {f"{name}_{i}": size for i, size in enumerate(value, 1)}
        return {self.count: len(value), **numbered}

    def numbered(self, name: str, flat: Mapping[str, Any]) -> dict[int, str]:
        """Find the entries of single layers in a flat config, by layer number."""
        matches = (re.fullmatch(rf"{name}_(\d+)", entry) for entry in flat)
        return {int(match[1]): match[0] for match in matches if match}


def number(default: float, low: float, high: float, **about: Any) -> Any:
    """Define a field that holds a number from `low` to `high`."""
    return _field(default, Number(low=low, high=high, whole=False, **about))


def whole(default: int | None, low: int, high: int, **about: Any) -> Any:
    """Define a field that holds a whole number, or None if that is the default."""
    optional = default is None
    about |= {"low": low, "high": high, "optional": optional}
    return _field(default, Number(whole=True, **about))


def choice(default: str, choices: Sequence[str], **about: Any) -> Any:
    """Define a field that holds one of several words."""
    return _field(default, Choice(choices=choices, **about))


def flag(default: bool, *, short: str, **about: Any) -> Any:  # noqa: FBT001  as the others
    """Define a field that is True or False; a line shows `short` if it is True."""
    return _field(default, Flag(short={True: short}, **about))


def sizes(
    default: tuple[int, ...],
    low: int,
    high: int,
    *,
    count: str,
    fewest: int = 0,
    **about: Any,
) -> Any:
    """Define a field that holds one size for each layer.

    Args:
        default: The baseline's sizes.
        low: The smallest size.
        high: The largest size.
        count: The name of the number of layers in records and spaces.
        fewest: The smallest number of layers.
        **about: The keywords of `Hyperparameter`.
    """
    size = Number(low=low, high=high, whole=True)
    return _field(default, Sizes(size=size, count=count, fewest=fewest, **about))


def hyperparameters(config: Any) -> dict[str, Hyperparameter]:
    """Return the hyperparameters of a config or its class, by field name."""
    return {f.name: f.metadata[_KEY] for f in dataclasses.fields(config)}


def _field(default: Any, hyperparameter: Hyperparameter) -> Any:
    return dataclasses.field(default=default, metadata={_KEY: hyperparameter})
