"""What a field of `CnnConfig` may hold: its range, when it applies, its short words.

Each helper gives a dataclass field its default and describes the field:

    kernel_size: int = whole(3, 1, 11, architecture=True, short="k{}")

Checking, records, seeds, terminal lines and report columns follow from that alone.
Every helper takes the keywords of `Hyperparameter`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_LAYERS = 16
_KEY = "hyperparameter"


@dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """What a field may hold.

    Attributes:
        architecture: Whether `layers` shows all of it: configs with equal layers may
            differ here and still be one network.
        only_if: When it means anything: another field's name, and the values of that
            field which switch this one on. Empty is always.
        short: How a terminal line shows the value: a template in which `{}` is the
            value and `{c.name}` another field's, or a template for each value, where
            a value without one is not shown. None writes the field's name, too.
    """

    architecture: bool = False
    only_if: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    short: str | Mapping[Any, str] | None = None

    def checked(self, name: str, value: Any) -> Any:
        """Return a value in its own plain type.

        Raises:
            ValueError: It is not what the field may hold.
        """
        raise NotImplementedError

    def flat(self, name: str, value: Any) -> dict[str, Any]:
        """Give a value's entries in `CnnConfig.to_dict`."""
        return {} if value is None else {name: value}

    def applies(self, values: Mapping[str, Any]) -> bool:
        """Whether the field means anything beside the values of all fields."""
        return all(values[name] in on for name, on in self.only_if.items())

    def words(self, name: str, config: Any) -> str:
        """Show a config's value on a terminal line, or nothing."""
        value = getattr(config, name)
        if value is None or not self.applies(vars(config)):
            return ""
        short = f"{name.replace('_', ' ')} {{}}" if self.short is None else self.short
        template = short if isinstance(short, str) else short.get(value, "")
        text = "-".join(map(str, value)) if isinstance(value, tuple) else value
        return template.format("none" if text == "" else text, c=config)


@dataclass(frozen=True, kw_only=True)
class Number(Hyperparameter):
    """A number from `low` to `high`, a `whole` one or any, or None if `optional`."""

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
        size: What each of them may be.
        count: What `to_dict` calls their number.
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
        """Give the number of layers, then the size of each."""
        numbered = {f"{name}_{i}": size for i, size in enumerate(value, 1)}
        return {self.count: len(value), **numbered}

    def numbered(self, name: str, flat: Mapping[str, Any]) -> dict[int, str]:
        """List the entries of single layers in a flat config, by the layer's number."""
        matches = (re.fullmatch(rf"{name}_(\d+)", entry) for entry in flat)
        return {int(match[1]): match[0] for match in matches if match}


def number(default: float, low: float, high: float, **about: Any) -> Any:
    """Describe a field that holds a number from `low` to `high`."""
    return _field(default, Number(low=low, high=high, whole=False, **about))


def whole(default: int | None, low: int, high: int, **about: Any) -> Any:
    """Describe a field that holds a whole number; with the default None, None too."""
    optional = default is None
    about |= {"low": low, "high": high, "optional": optional}
    return _field(default, Number(whole=True, **about))


def choice(default: str, choices: Sequence[str], **about: Any) -> Any:
    """Describe a field that holds one of several words."""
    return _field(default, Choice(choices=choices, **about))


def flag(default: bool, *, short: str, **about: Any) -> Any:  # noqa: FBT001  as the others
    """Describe a field that is True or False, `short` said where it is True."""
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
    """Describe a field that holds a size for each of several layers.

    Args:
        default: Of the baseline.
        low: The smallest size.
        high: The largest size.
        count: What records and spaces call the number of layers.
        fewest: The smallest number of layers.
        **about: As of `Hyperparameter`.
    """
    size = Number(low=low, high=high, whole=True)
    return _field(default, Sizes(size=size, count=count, fewest=fewest, **about))


def hyperparameters(config: Any) -> dict[str, Hyperparameter]:
    """List the fields of a config, or of its class, by name."""
    return {f.name: f.metadata[_KEY] for f in dataclasses.fields(config)}


def _field(default: Any, hyperparameter: Hyperparameter) -> Any:
    return dataclasses.field(default=default, metadata={_KEY: hyperparameter})
