"""By how much the best of several scores is too good: cross-validated over images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from reports.frames import Study
from reports.ranking import Ranking
from tuner.record_files import read_labels, read_predictions

_FOLDS = 10
_ROUNDS = 8
_CONTENDERS = 100  # by validation; those below are never chosen
_FEWEST_IMAGES = 100

Floats = npt.NDArray[np.floating[Any]]


def optimism(right: Floats, seed: int = 0) -> float:
    """Estimate what choosing by the mean score adds to the chosen one's score.

    The best on nine tenths of the images is scored on the other tenth; the mean
    difference over all tenths of some random divisions. That covers the choice of
    images, and not what another training of the chosen config would have given.
    In simulation nine tenths are nearly unbiased, where halves, which choose by
    noisier scores than the search did, overstate by 1.3 to 2 times.

    Args:
        right: Share of a trial's trainings that were right on an image, shape
            (trials, images), at least two trials and ten images.
        seed: Draws the divisions.

    Returns:
        A fraction of the images; near 0, and by chance below it, where one trial is
        far ahead.
    """
    rng = np.random.default_rng(seed)
    images = right.shape[1]
    total = right.sum(axis=1, dtype=np.float64)
    found = []
    for _ in range(_ROUNDS):
        for held in np.array_split(rng.permutation(images), _FOLDS):
            outside = right[:, held].sum(axis=1, dtype=np.float64)
            inside = (total - outside) / (images - len(held))
            best = int(inside.argmax())
            found.append(inside[best] - outside[best] / len(held))
    return float(np.mean(found))


def of_study(study: Study, ranking: Ranking) -> float | None:
    """Estimate it for a study's first trial; None where that cannot be.

    That needs a validation accuracy to choose by, stored predictions of at least two
    trials, and 100 images.
    """
    if not study.objective.is_accuracy or len(ranking.ranked) < 2 or study.arms:
        return None
    labels = read_labels(study.folder, "validation")
    if labels is None or len(labels) < _FEWEST_IMAGES:
        return None
    rows = []
    for trial in ranking.ranked["trial"].head(_CONTENDERS):
        mine = study.executions[study.executions["trial"] == trial]
        chosen = [
            read_predictions(study.folder, int(trial), int(e), "validation")
            for e in mine.loc[mine["final"], "execution"]
        ]
        if chosen and all(c is not None and len(c) == len(labels) for c in chosen):
            rows.append(np.mean([c == labels for c in chosen], axis=0))
    return optimism(np.asarray(rows, np.float32)) if len(rows) > 1 else None
