"""How pages write accuracies, gaps, metrics and hyperparameters."""

from __future__ import annotations

import math
from typing import Any

from tuner.study.objective import Objective
from tuner.system.numbers import MISSING, count, duration, number, params

__all__ = [
    "GAP",
    "MISSING",
    "axis",
    "axis_unit",
    "capital",
    "count",
    "duration",
    "gap",
    "interval",
    "level",
    "listing",
    "metric",
    "number",
    "params",
    "percent",
    "points",
    "score",
    "several",
    "shorten",
    "value",
]

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
GAP = f"train {MINUS} test"
_DIRECTION_CONTROLS = dict.fromkeys(
    [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_SPLITS = {"val": "validation", "train": "train", "test": "test"}


def percent(fraction: float | None) -> str:
    """Write an accuracy: 0.7123 as "71.2 %"."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    return f"{number(100 * fraction, 1)} %"


def points(fraction: float) -> str:
    """Write a difference of accuracies: 0.013 as "1.3 points"."""
    if 0 < abs(fraction) < 0.0005:
        return "less than 0.1 points"
    return f"{number(100 * abs(fraction), 1)} points"


def gap(fraction: float | None) -> str:
    """Write a generalization gap in points, with its sign: "+8.8"."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    text = number(100 * fraction, 1)
    if text.startswith("-"):
        return text.replace("-", MINUS)
    return text if text == "0.0" else f"+{text}"


def interval(low: float, high: float) -> str:
    """Write an interval of accuracies in percent, 69.9 to 72.4, with a dash."""
    return f"{number(100 * low, 1)}{DASH}{number(100 * high, 1)}"


def level(confidence: float) -> str:
    """Write a confidence with as many digits as it needs: 0.975 as "97.5 %"."""
    digits = max(0, -1 - math.floor(math.log10(1 - confidence)))
    return f"{100 * confidence:.{digits}f} %"


def score(objective: Objective, value: float | None) -> str:
    """Write a value of the objective: an accuracy in percent, else plain."""
    return percent(value) if objective.is_accuracy else number(value, 3)


def metric(name: str) -> str:
    """Name a metric in words: "val_accuracy" as "validation accuracy"."""
    split, _, rest = name.partition("_")
    words = rest.replace("_", " ") if rest else name
    return f"{_SPLITS[split]} {words}" if rest and split in _SPLITS else name


def axis(objective: Objective) -> str:
    """Name the axis of a score, with its unit."""
    name = capital(metric(objective.name))
    return f"{name} (%)" if objective.is_accuracy else name


def axis_unit(objective: Objective) -> float:
    """Return the factor from a score to its axis: 100 for accuracies, else 1."""
    return 100.0 if objective.is_accuracy else 1.0


def value(setting: Any) -> str:
    """Write a hyperparameter's value to four digits: 0.001, 2.5e-4, 64, adam."""
    if setting is None or (isinstance(setting, float) and math.isnan(setting)):
        return MISSING
    if isinstance(setting, float) and not setting.is_integer():
        if abs(setting) < 1e-3:
            mantissa, exponent = f"{setting:.3e}".split("e")
            return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
        return f"{float(f'{setting:.4g}'):.10f}".rstrip("0").rstrip(".")
    if isinstance(setting, float) and abs(setting) < 1e15:
        return str(int(setting))
    return str(setting)


def several(n: int, singular: str, plural: str | None = None) -> str:
    """Write a count and its noun: "1 trial", "3 trials"."""
    return f"{count(n)} {singular if n == 1 else plural or singular + 's'}"


def shorten(name: str, limit: int) -> str:
    """Shorten a name to `limit` characters: cut its middle, where names differ least.

    Drop Unicode characters that change the direction of text.
    """
    text = " ".join(name.translate(_DIRECTION_CONTROLS).split())
    if len(text) <= limit:
        return text
    end = (limit - 1) // 2
    return f"{text[: limit - 1 - end].rstrip()}…{text[-end:].lstrip()}"


def capital(text: str) -> str:
    """Capitalize the first letter and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def listing(items: list[str]) -> str:
    """Join words: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
