"""Outliers: values far from all others."""

from __future__ import annotations

import pandas as pd

_MIN_VALUES = 8


def fences(values: pd.Series[float]) -> tuple[float, float]:
    """Return the limits beyond which values are outliers.

    They are three interquartile ranges beyond the quartiles.
    """
    first, third = values.quantile([0.25, 0.75])
    reach = 3 * max(third - first, 1e-9)
    return float(first - reach), float(third + reach)


def clip(values: pd.Series[float]) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Move outliers to the edge of the other values, and mark them.

    With fewer than eight values there are no outliers.
    """
    present = values.dropna()
    if len(present) < _MIN_VALUES:
        return values, pd.Series(data=False, index=values.index)
    low, high = fences(present)
    usual = present[(present >= low) & (present <= high)]
    margin = 0.06 * (usual.max() - usual.min())
    clipped = values.clip(low, high)
    clipped = clipped.clip(usual.min() - margin, usual.max() + margin)
    return clipped, (clipped != values) & values.notna()
