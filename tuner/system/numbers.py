"""Format numbers for people, on the terminal and in reports.

The report's script repeats `rounded` for its table, so that both round halves away
from zero. Python's own formatting and JavaScript's would differ.
"""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"


def number(value: float | None, digits: int) -> str:
    """Format a number with a fixed number of decimals; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{rounded(value, digits):,.{digits}f}"


def count(value: float | None) -> str:
    """Format an integer with thousands separators: "45,000"."""
    return number(value, 0)


def params(value: float | None) -> str:
    """Format a number of parameters: "3.7 M", "420 k", "96"."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value >= 999_500:
        return f"{number(value / 1e6, 1)} M"
    if value >= 1_000:
        return f"{number(value / 1e3, 0)} k"
    return count(value)


def duration(seconds: float | None) -> str:
    """Format a duration: "35s", "1m40s", "2h05m"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    total = int(rounded(seconds, 0))
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m{total % 60:02d}s"
    return f"{total // 3600}h{total % 3600 // 60:02d}m"


def rounded(value: float, digits: int) -> float:
    """Round, with halves away from zero."""
    scaled = round(abs(value) * 10**digits, 6)
    return math.copysign(math.floor(scaled + 0.5) / 10**digits, value) + 0.0
