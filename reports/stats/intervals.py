"""Intervals for measured accuracies and gaps.

All of them allow for the choice of images. Only those that use the variance between
several runs allow for the choice of seeds too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile

Floats = npt.NDArray[np.float64]


def wilson_interval(
    accuracy: npt.ArrayLike, images: int, *, z: float = Z_95
) -> tuple[Floats, Floats]:
    """Compute Wilson's score interval for accuracies on the same images.

    Args:
        accuracy: Fractions in [0, 1], shape (n,); missing values stay missing.
        images: The number of images, > 0.
        z: Half width in standard errors.

    Returns:
        Lower and upper ends, shapes (n,), within [0, 1].

    Raises:
        ValueError: There are no images.

    Source: Wilson, "Probable inference", JASA 22 (1927).
    """
    if images <= 0:
        raise ValueError(
            f"An interval needs at least one image, got images={images}. "
            "Leave out the interval if the split has no images."
        )
    p = np.asarray(accuracy, dtype=np.float64)
    shrink = 1 + z**2 / images
    centre = (p + z**2 / (2 * images)) / shrink
    half = z / shrink * np.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def with_accuracy_interval(
    frame: pd.DataFrame, column: str, images: int
) -> pd.DataFrame:
    """Add `<column>_low` and `<column>_high`, missing if there are no images."""
    if images > 0:
        low, high = wilson_interval(frame[column].to_numpy(dtype="float64"), images)
    else:
        low = high = np.full(len(frame), np.nan)
    return frame.assign(**{f"{column}_low": low, f"{column}_high": high})


def half_width(
    of_images: npt.ArrayLike,
    of_trainings: npt.ArrayLike,
    freedom: npt.ArrayLike,
    level: float = 0.95,
) -> Floats:
    """Compute half an interval, with each part of the variance at its own quantile.

    Its square is z^2 SE_images^2 + t^2 SE_trainings^2 (a modified large-sample interval
    for a sum of variances; Burdick and Graybill 1992). One t for the whole, with
    Satterthwaite's degrees of freedom, was wrong up to three times as often as stated
    with three runs: if their variance is small by chance, it trusts that twice.

    Args:
        of_images: Variance of the estimate that comes from the choice of images.
        of_trainings: Estimated variance that comes from runs.
        freedom: Degrees of freedom of `of_trainings`, >= 1.
        level: The interval's confidence, 0 to 1.
    """
    z = stats.norm.ppf((1 + level) / 2)
    t = stats.t.ppf((1 + level) / 2, np.asarray(freedom))
    squared = z**2 * np.asarray(of_images) + t**2 * np.asarray(of_trainings)
    return np.asarray(np.sqrt(squared), dtype=np.float64)


def gap_half_width(
    train: npt.ArrayLike,
    test: npt.ArrayLike,
    train_images: int,
    test_images: int,
    *,
    seed_variance: npt.ArrayLike = 0.0,
    executions: npt.ArrayLike = 1,
) -> Floats:
    """Compute half of the 95 % interval for train accuracy - test accuracy.

    The `half_width` of p(1-p)/m + q(1-q)/n and s^2/k, where s^2 is the variance of the
    gap between k executions. With one execution there is no s^2, and the interval is
    that of one network. With two it has one degree of freedom (t = 12.7) and is often
    wider than with one, since two runs say almost nothing about their spread; three
    fix that.

    Both parts include the independent luck of single images in each run. It cannot be
    subtracted from one part, as in `differences`, because predictions on train images
    are not stored. So the interval is a little wide if runs differ in little else.

    Args:
        train: Train accuracies p, fractions, means over the executions.
        test: Test accuracies q, fractions.
        train_images: m, > 0.
        test_images: n, > 0.
        seed_variance: s^2, in squared fractions; missing if there is one execution.
        executions: k, >= 1.
    """
    p = np.asarray(train, dtype=np.float64)
    q = np.asarray(test, dtype=np.float64)
    seeds = np.nan_to_num(np.asarray(seed_variance, dtype=np.float64))
    k = np.maximum(np.asarray(executions, dtype=np.float64), 1)
    of_images: Any = p * (1 - p) / train_images + q * (1 - q) / test_images
    return half_width(of_images, seeds / k, np.maximum(k - 1, 1))


def with_gap_interval(
    frame: pd.DataFrame, train_images: int, test_images: int
) -> pd.DataFrame:
    """Add `gap_half`, half the width of the gap's 95 % interval, a fraction."""
    if min(train_images, test_images) <= 0:
        return frame.assign(gap_half=np.nan)
    half = gap_half_width(
        frame["train_accuracy"].to_numpy(dtype="float64"),
        frame["test_accuracy"].to_numpy(dtype="float64"),
        train_images,
        test_images,
        seed_variance=frame["gap_variance"].to_numpy(dtype="float64"),
        executions=frame["executions"].to_numpy(dtype="float64"),
    )
    return frame.assign(gap_half=half)
