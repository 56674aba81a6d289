"""Predict what work takes from what other work took."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def fitted(measured: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Fit seconds that grow with work: a + b work, a and b >= 0, by least squares.

    Args:
        measured: Work, and the seconds that it took; at least one pair.

    Returns:
        Predicts the seconds of some work.
    """
    from scipy.optimize import nnls  # half a second, not spent by who fits nothing

    unit = max(work for work, _ in measured) or 1.0
    design = np.array([[1.0, work / unit] for work, _ in measured])
    start, growth = nnls(design, np.array([seconds for _, seconds in measured]))[0]
    return lambda work: float(start + growth * work / unit)
