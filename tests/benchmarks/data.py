"""The benchmarks' images where none are given."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def data_file(given: Path | None, folder: Path) -> Path:
    """Give a user's file, or write scikit-learn's digits as large as CIFAR-10's images.

    Args:
        given: An .npz as `tune --data` takes it, or None.
        folder: Where to write.
    """
    if given:
        return given
    from sklearn.datasets import load_digits

    digits = load_digits()
    small = (digits.images * 255 / 16).astype(np.uint8)  # 0 to 16 as stored
    images = np.repeat(np.kron(small, np.ones((1, 4, 4), np.uint8))[..., None], 3, -1)
    path, test = folder / "digits.npz", len(images) // 5
    np.savez(
        path,
        x_train=images[test:],
        y_train=digits.target[test:],
        x_test=images[:test],
        y_test=digits.target[:test],
    )
    return path
