"""Which images each run of a study classified correctly; each file is read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuner.study import record_files

Right = npt.NDArray[np.bool_]
Arrays = dict[str, np.ndarray]


class Predictions:
    """The predictions of a study's runs, cached after the first read.

    Each page creates a new object, so it reads the files again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels: Arrays | None = None
        self._predicted: dict[tuple[int, int], Arrays] = {}

    def labels(self, split: str) -> np.ndarray | None:
        """Return the true class of each image of "validation" or "test", or None."""
        if self._labels is None:
            self._labels = record_files.read_labels(self._folder)
        return self._labels.get(split)

    def right(self, trial: int, execution: int, split: str) -> Right | None:
        """Return which images a run classified correctly, shape (images,).

        Return None if its predictions or the labels cannot be read, or if their
        lengths differ.
        """
        labels = self.labels(split)
        key = trial, execution
        if key not in self._predicted:
            self._predicted[key] = record_files.read_predictions(self._folder, *key)
        predicted = self._predicted[key].get(split)
        if labels is None or predicted is None or len(predicted) != len(labels):
            return None
        return np.asarray(predicted == labels)
