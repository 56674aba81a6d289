"""Stratified splits and subsets of images, by their labels and a seed."""

from __future__ import annotations

import numpy as np

from tuner.data.npz import DatasetError


def stratified_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split image indices so that each class keeps its share on both sides.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        fraction: Share of every class held out, 0 < f < 1; within one image of it
            is held out, but at least one and never all.
        seed: Equal inputs give an equal split, 0 or larger.

    Returns:
        The indices that stay and those held out, shapes (n_stay,) and (n_held,),
        sorted, disjoint, together 0..n-1.

    Raises:
        DatasetError: A class has one image, or the fraction is outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise DatasetError(
            f"fraction must be between 0 and 1, got fraction={fraction!r}. "
            "Take 0.1 to hold out a tenth."
        )
    counts = np.bincount(labels)
    if (counts == 1).any():
        raise DatasetError(
            "Every class must have at least 2 images to be split, got 1 in class "
            f"{np.flatnonzero(counts == 1)[0]}. Add images of it."
        )
    some = (counts > 0).astype(np.int64)
    held = _draw(
        labels, np.clip(_apportion(counts * fraction), some, counts - some), seed
    )
    stay = np.ones(len(labels), bool)
    stay[held] = False
    return np.flatnonzero(stay), held


def stratified_subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose `size` image indices so that each class keeps its share.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        size: How many, 0 to n; every class is within one image of its share.
        seed: Equal inputs give an equal subset, 0 or larger.

    Returns:
        Sorted indices, shape (size,).
    """
    counts = np.bincount(labels)
    return _draw(labels, _apportion(counts * (size / len(labels))), seed)


def _apportion(shares: np.ndarray) -> np.ndarray:
    """Round to integers with the sum's rounding kept: largest remainders go up."""
    whole: np.ndarray = np.floor(shares).astype(np.int64)
    spare = round(float(shares.sum())) - int(whole.sum())
    whole[np.argsort(whole - shares, kind="stable")[:spare]] += 1
    return whole


def _draw(labels: np.ndarray, per_class: np.ndarray, seed: int) -> np.ndarray:
    """Draw so many indices of each class, sorted."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(labels)) - np.repeat(first, counts)
    drawn: np.ndarray = order[rank < np.repeat(per_class, counts)]
    return np.sort(drawn)
