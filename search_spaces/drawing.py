"""Declare hyperparameters with a config's values as defaults, or the closest ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def choose(hp: HyperParameters, name: str, options: Sequence[Any], default: Any) -> Any:
    """Draw one of some options.

    Args:
        hp: Where the hyperparameter is declared.
        name: Its name.
        options: Its values.
        default: The value to start from. If it is no option, the closest number or
            the first word is.
    """
    if default not in options:
        is_number = isinstance(default, int | float)
        distance = (lambda o: abs(o - default)) if is_number else (lambda _: 0)
        default = min(options, key=distance)
    return hp.Choice(name, list(options), default=default)


def between(
    hp: HyperParameters, name: str, low: float, high: float, default: float
) -> float:
    """Draw a number from `low` to `high` on a log scale.

    Args:
        hp: Where the hyperparameter is declared.
        name: Its name.
        low: The smallest value, above 0.
        high: The largest value.
        default: The value to start from, or the end of the range beyond which it is.
    """
    start = min(max(low, default), high)
    value: float = hp.Float(name, low, high, sampling="log", default=start)
    return value
