"""Images that are exact copies of others across the splits: they measure memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import numpy as np

from tuner.data.dataset import Dataset


def copies(data: Dataset) -> tuple[str, ...]:
    """Count validation and test images that are, pixel by pixel, training images.

    Returns:
        A sentence for each split that has such, for who reads its accuracy.
    """
    known = set(_marks(data.x_train[i] for i in data.train))
    validation = (data.x_train[i] for i in data.validation)
    test = (data.x_test[i] for i in data.test)
    found = {
        "validation": (_count(validation, known), len(data.validation)),
        "test": (_count(test, known), len(data.test)),
    }
    return tuple(
        f"{copied:,} of {images:,} {split} images are exact copies of training images, "
        "and its accuracy rests in part on what was memorized. Remove them from one "
        "side."
        for split, (copied, images) in found.items()
        if copied
    )


def _count(images: Iterable[np.ndarray], known: AbstractSet[int]) -> int:
    return sum(mark in known for mark in _marks(images))


def _marks(images: Iterable[np.ndarray]) -> Iterator[int]:
    return (hash(image.tobytes()) for image in images)
