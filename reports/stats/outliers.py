"""Values that lie far outside the rest."""

from __future__ import annotations

import pandas as pd

_FEWEST = 8  # values to judge by


def fences(values: pd.Series[float]) -> tuple[float, float]:
    """Give the ends beyond which values lie far outside the rest.

    They are three interquartile ranges beyond the quartiles.
    """
    first, third = values.quantile([0.25, 0.75])
    reach = 3 * max(third - first, 1e-9)
    return float(first - reach), float(third + reach)


def clip(values: pd.Series[float]) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Move values beyond the fences to the edge of the rest, and mark them.

    Of fewer than eight values none is called an outlier.
    """
    known = values.dropna()
    if len(known) < _FEWEST:
        return values, pd.Series(data=False, index=values.index)
    low, high = fences(known)
    inside = values.clip(low, high)
    kept = known[(known >= low) & (known <= high)]
    margin = 0.06 * (kept.max() - kept.min())
    inside = inside.clip(kept.min() - margin, kept.max() + margin)
    return inside, (inside != values) & values.notna()
