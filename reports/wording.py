"""Numbers as people read them: the only place that formats one.

The page's script repeats `_rounded` for the table, so both round halves away
from zero; Python's own formatting and JavaScript's differ on them.
"""

from __future__ import annotations

import math
from typing import Any

from reports.frames import Objective

MINUS = "\N{MINUS SIGN}"
MISSING = DASH = "\N{EN DASH}"
GAP = f"train {MINUS} test"
_SPLITS = {"val": "validation", "train": "train", "test": "test"}


def number(value: float | None, digits: int) -> str:
    """Write a number with a fixed number of decimals; missing as a dash."""
    if _is_missing(value):
        return MISSING
    assert value is not None  # noqa: S101 - for the type checker
    return f"{_rounded(value, digits):,.{digits}f}"


def percent(fraction: float | None) -> str:
    """Write an accuracy: 0.7123 as "71.2 %"."""
    if _is_missing(fraction):
        return MISSING
    assert fraction is not None  # noqa: S101 - for the type checker
    return f"{number(100 * fraction, 1)} %"


def points(fraction: float) -> str:
    """Write a difference of accuracies: 0.013 as "1.3 points"."""
    if 0 < abs(fraction) < 0.0005:
        return "less than 0.1 points"
    return f"{number(100 * abs(fraction), 1)} points"


def gap(fraction: float | None) -> str:
    """Write a generalization gap in points, with its sign: "+8.8"."""
    if _is_missing(fraction):
        return MISSING
    assert fraction is not None  # noqa: S101 - for the type checker
    text = number(100 * fraction, 1)
    if text.startswith("-"):
        return text.replace("-", MINUS)
    return text if text == "0.0" else f"+{text}"


def interval(low: float, high: float) -> str:
    """Write an interval of accuracies in percent, 69.9 to 72.4, with a dash."""
    return f"{number(100 * low, 1)}{DASH}{number(100 * high, 1)}"


def score(objective: Objective, value: float | None) -> str:
    """Write a value of the objective: an accuracy in percent, else plain."""
    return percent(value) if objective.is_accuracy else number(value, 3)


def metric(name: str) -> str:
    """Name a metric in words: "val_accuracy" as "validation accuracy"."""
    split, _, rest = name.partition("_")
    words = rest.replace("_", " ") if rest else name
    return f"{_SPLITS[split]} {words}" if rest and split in _SPLITS else name


def count(value: float | None) -> str:
    """Write a whole number with thousands apart: "45,000"."""
    return number(value, 0)


def params(value: float | None) -> str:
    """Write a number of parameters: "3.7 M", "420 k", "96"."""
    if _is_missing(value):
        return MISSING
    assert value is not None  # noqa: S101 - for the type checker
    if value >= 999_500:
        return f"{number(value / 1e6, 1)} M"
    if value >= 1_000:
        return f"{number(value / 1e3, 0)} k"
    return count(value)


def duration(seconds: float | None) -> str:
    """Write a time: "35s", "1m40s", "2h05m"."""
    if _is_missing(seconds):
        return MISSING
    assert seconds is not None  # noqa: S101 - for the type checker
    whole = int(_rounded(seconds, 0))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


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
    """Count things: "1 trial", "3 trials"."""
    return f"{count(n)} {singular if n == 1 else plural or singular + 's'}"


def listing(items: list[str]) -> str:
    """Join words: "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _rounded(value: float, digits: int) -> float:
    scaled = round(abs(value) * 10**digits, 6)
    return math.copysign(math.floor(scaled + 0.5) / 10**digits, value) + 0.0


def _is_missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)
