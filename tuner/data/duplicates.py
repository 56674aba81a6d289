"""Find validation and test images that are exact copies of training images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

import numpy as np

from tuner.data.dataset import Dataset


def duplicate_warnings(data: Dataset) -> tuple[str, ...]:
    """Count the validation and test images that are identical to training images.

    Returns:
        A warning for each split that has such images.
    """
    train_hashes = set(_hashes(data.x_train[i] for i in data.train))
    validation = (data.x_train[i] for i in data.validation)
    test = (data.x_test[i] for i in data.test)
    counts = {
        "validation": (_count(validation, train_hashes), len(data.validation)),
        "test": (_count(test, train_hashes), len(data.test)),
    }
    return tuple(
        f"{copied:,} of {images:,} {split} images are exact copies of training images, "
        "which inflates its accuracy. Remove them from one of the splits."
        for split, (copied, images) in counts.items()
        if copied
    )


def _count(images: Iterable[np.ndarray], train_hashes: AbstractSet[int]) -> int:
    return sum(value in train_hashes for value in _hashes(images))


def _hashes(images: Iterable[np.ndarray]) -> Iterator[int]:
    return (hash(image.tobytes()) for image in images)
