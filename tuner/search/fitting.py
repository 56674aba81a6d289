"""Predict the seconds of some work from measurements of other work."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def fit_seconds(measured: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Fit seconds = a + b * work with a, b >= 0 by least squares.

    Args:
        measured: At least one pair of work and seconds.

    Returns:
        A function that predicts the seconds of some work.
    """
    from scipy.optimize import nnls  # the import takes half a second

    unit = max(work for work, _ in measured) or 1.0
    design = np.array([[1.0, work / unit] for work, _ in measured])
    intercept, slope = nnls(design, np.array([seconds for _, seconds in measured]))[0]
    return lambda work: float(intercept + slope * work / unit)
