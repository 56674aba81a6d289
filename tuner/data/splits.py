"""Draw stratified splits and subsets of images from a seed."""

from __future__ import annotations

import numpy as np

from tuner.data.npz import DatasetError


def stratified_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split image indices so that each class has its share on both sides.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        fraction: Fraction of every class to hold out, 0 < f < 1. The number of images
            is within one of that fraction, at least one, and never all.
        seed: 0 or larger; equal inputs give equal splits.

    Returns:
        The remaining indices and those held out, shapes (n_remaining,) and
        (n_held_out,): sorted, disjoint, together 0..n-1.

    Raises:
        DatasetError: A class has only one image, or the fraction is outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise DatasetError(
            f"fraction must be between 0 and 1, got fraction={fraction!r}. "
            "Use 0.1 to hold out a tenth."
        )
    counts = np.bincount(labels)
    if (counts == 1).any():
        raise DatasetError(
            "A split needs at least 2 images of every class, got 1 in class "
            f"{np.flatnonzero(counts == 1)[0]}. Add images of that class."
        )
    one = (counts > 0).astype(np.int64)
    held_out = _draw(
        labels, np.clip(_apportion(counts * fraction), one, counts - one), seed
    )
    remains = np.ones(len(labels), bool)
    remains[held_out] = False
    return np.flatnonzero(remains), held_out


def stratified_subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose `size` image indices so that each class has its share.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        size: Number of images, 0 to n; every class is within one image of its share.
        seed: 0 or larger; equal inputs give equal subsets.

    Returns:
        Sorted indices, shape (size,).
    """
    counts = np.bincount(labels)
    return _draw(labels, _apportion(counts * (size / len(labels))), seed)


def _apportion(shares: np.ndarray) -> np.ndarray:
    """Round to integers that add up to the rounded sum: round largest remainders up."""
    counts: np.ndarray = np.floor(shares).astype(np.int64)
    missing = round(float(shares.sum())) - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:missing]] += 1
    return counts


def _draw(labels: np.ndarray, per_class: np.ndarray, seed: int) -> np.ndarray:
    """Draw a number of indices from each class; return them sorted."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(labels)) - np.repeat(first, counts)
    drawn: np.ndarray = order[rank < np.repeat(per_class, counts)]
    return np.sort(drawn)
