"""Which images each training of a study classified rightly, each file read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tuner.study import record_files

Right = npt.NDArray[np.bool_]
Arrays = dict[str, np.ndarray]


class Predictions:
    """What a study's trainings predicted, kept once read for as long as this lives.

    A page reads a study anew, so the files are read again for the next one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels: Arrays | None = None
        self._chosen: dict[tuple[int, int], Arrays] = {}

    def labels(self, split: str) -> np.ndarray | None:
        """Give the right class of each image of "validation" or "test", or None."""
        if self._labels is None:
            self._labels = record_files.read_labels(self._folder)
        return self._labels.get(split)

    def right(self, trial: int, execution: int, split: str) -> Right | None:
        """Say which images a training got right, shape (images,).

        None where its predictions or the labels cannot be read, or do not fit.
        """
        labels = self.labels(split)
        key = trial, execution
        if key not in self._chosen:
            self._chosen[key] = record_files.read_predictions(self._folder, *key)
        chosen = self._chosen[key].get(split)
        if labels is None or chosen is None or len(chosen) != len(labels):
            return None
        return np.asarray(chosen == labels)
