"""Numbers as people read them, on the terminal and on the page.

The page's script repeats `rounded` for its table, so both round halves away from
zero; Python's own formatting and JavaScript's differ on them.
"""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"


def number(value: float | None, digits: int) -> str:
    """Write a number with a fixed number of decimals; missing as a dash."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{rounded(value, digits):,.{digits}f}"


def count(value: float | None) -> str:
    """Write a whole number with thousands apart: "45,000"."""
    return number(value, 0)


def params(value: float | None) -> str:
    """Write a number of parameters: "3.7 M", "420 k", "96"."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value >= 999_500:
        return f"{number(value / 1e6, 1)} M"
    if value >= 1_000:
        return f"{number(value / 1e3, 0)} k"
    return count(value)


def duration(seconds: float | None) -> str:
    """Write a time: "35s", "1m40s", "2h05m"."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    whole = int(rounded(seconds, 0))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def rounded(value: float, digits: int) -> float:
    """Round halves away from zero, as people do."""
    scaled = round(abs(value) * 10**digits, 6)
    return math.copysign(math.floor(scaled + 0.5) / 10**digits, value) + 0.0
