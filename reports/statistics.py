"""Intervals for what one training measured: frames in, frames out.

All are 95 % intervals for the choice of images. They say nothing about what
another seed would have given, unless a trial was trained several times.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Z_95 = 1.959963984540054  # the normal distribution's 97.5 % quantile

Floats = npt.NDArray[np.float64]


def wilson_interval(
    accuracy: npt.ArrayLike, images: int, *, z: float = Z_95
) -> tuple[Floats, Floats]:
    """Compute Wilson's score interval for accuracies, each on the same images.

    Args:
        accuracy: Fractions in [0, 1], shape (n,); missing stays missing.
        images: Images behind each of them, > 0.
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
            "Leave the interval out where there is no such split."
        )
    p = np.asarray(accuracy, dtype=np.float64)
    shrink = 1 + z**2 / images
    centre = (p + z**2 / (2 * images)) / shrink
    half = z / shrink * np.sqrt(p * (1 - p) / images + z**2 / (4 * images**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)


def with_accuracy_interval(
    frame: pd.DataFrame, column: str, images: int
) -> pd.DataFrame:
    """Add `<column>_low` and `<column>_high`; missing where there are no images."""
    if images > 0:
        low, high = wilson_interval(frame[column].to_numpy(dtype="float64"), images)
    else:
        low = high = np.full(len(frame), np.nan)
    return frame.assign(**{f"{column}_low": low, f"{column}_high": high})


def gap_standard_error(
    train: npt.ArrayLike,
    test: npt.ArrayLike,
    train_images: int,
    test_images: int,
    *,
    seed_variance: npt.ArrayLike = 0.0,
    executions: npt.ArrayLike = 1,
) -> Floats:
    """Compute the standard error of train accuracy - test accuracy.

    SE^2 = p(1-p)/m + q(1-q)/n + s^2/k. The last term, s^2 the variance of the
    gap between k executions, is 0 where there was one; it holds a little of the
    image noise once more, so with few executions the interval is on the wide side.

    Args:
        train: Train accuracies p, fractions.
        test: Test accuracies q, fractions.
        train_images: m, > 0.
        test_images: n, > 0.
        seed_variance: s^2, in squared fractions.
        executions: k, >= 1.
    """
    p = np.asarray(train, dtype=np.float64)
    q = np.asarray(test, dtype=np.float64)
    seeds = np.nan_to_num(np.asarray(seed_variance, dtype=np.float64))
    k = np.maximum(np.asarray(executions, dtype=np.float64), 1)
    variance: Any = p * (1 - p) / train_images + q * (1 - q) / test_images + seeds / k
    return np.asarray(np.sqrt(variance), dtype=np.float64)


def with_gap_interval(
    frame: pd.DataFrame, train_images: int, test_images: int
) -> pd.DataFrame:
    """Add `gap_half`, half the width of the gap's 95 % interval, a fraction."""
    if min(train_images, test_images) <= 0:
        return frame.assign(gap_half=np.nan)
    error = gap_standard_error(
        frame["train_accuracy"].to_numpy(dtype="float64"),
        frame["test_accuracy"].to_numpy(dtype="float64"),
        train_images,
        test_images,
        seed_variance=frame["gap_variance"].to_numpy(dtype="float64"),
        executions=frame["executions"].to_numpy(dtype="float64"),
    )
    return frame.assign(gap_half=Z_95 * error)
