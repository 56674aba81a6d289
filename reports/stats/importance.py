"""Which hyperparameters a study's scores depend on, if that can be measured."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.read.study import StudyFrames
from reports.stats.outliers import fences
from reports.stats.ranking import Ranking, searched

MIN_TRIALS = 20
MIN_R2 = 0.3
_MAX_TRIALS = 400  # to train a forest on
_NULLS = 20
_TREES = 60

Floats = npt.NDArray[np.float64]


class Importance(NamedTuple):
    """How much worse a random forest predicts scores without a hyperparameter.

    Attributes:
        frame: One row per hyperparameter, highest first: name, importance (share of
            the scores' variance), null (the highest importance in 20 forests trained
            on shuffled scores).
        r2: Share of the variance of unseen trials' scores that the forest explains.
        trials: The number of trials that it was trained on.
    """

    frame: pd.DataFrame
    r2: float
    trials: int


def importance(study: StudyFrames, ranking: Ranking) -> Importance | str | None:
    """Measure importance, or return why not, or None if there is nothing to measure.

    Permutation importance (Breiman 2001) of a random forest on unseen trials, with
    three folds. A hyperparameter above its null matters; how much depends on the
    searched ranges. Leave out the baseline and enqueued configs, which the search did
    not draw: they may lie outside the ranges, and they set many hyperparameters to one
    value together, which the forest cannot tell apart.
    """
    if study.candidates or not study.hyperparameters or not len(ranking.ranked):
        return None
    drawn = searched(study, ranking)
    if len(drawn) < MIN_TRIALS:
        return (
            f"Importance needs at least {MIN_TRIALS} ranked trials that the search "
            f"drew; there are {len(drawn)}."
        )
    sample = drawn.sort_values("trial")
    if len(sample) > _MAX_TRIALS:
        sample = sample.sample(_MAX_TRIALS, random_state=0)
    scores = sample["objective"].to_numpy("float64")
    # Otherwise a forest would explain little but the trials that diverged.
    scores = np.clip(scores, *fences(pd.Series(scores)))
    if not scores.std() > 0:
        return "Importance is not computed: all scores are equal."
    groups = {
        h.name: _encoded(sample["trial"].map(study.configs[h.name]))
        for h in study.hyperparameters
    }
    rng = np.random.default_rng(0)
    r2, losses = _fitted(groups, scores, rng)
    if r2 < MIN_R2:
        return (
            f"Importance is withheld: a random forest explains {max(r2, 0):.0%} of the "
            f"variance of unseen trials' scores, under the required {MIN_R2:.0%}."
        )
    nulls = [_fitted(groups, rng.permutation(scores), rng)[1] for _ in range(_NULLS)]
    frame = pd.DataFrame(
        {
            "name": list(groups),
            "importance": losses,
            "null": np.max(nulls, axis=0),
        }
    ).sort_values("importance", ascending=False, ignore_index=True)
    return Importance(frame, r2, len(sample))


def _fitted(
    groups: dict[str, Floats], scores: Floats, rng: np.random.Generator
) -> tuple[float, Floats]:
    """Fit three forests, each on two thirds of the trials.

    Returns:
        R^2 on the trials left out, and the increase of the squared error there when
        each hyperparameter is shuffled, as a share of the scores' variance.
    """
    from sklearn.ensemble import RandomForestRegressor

    columns = np.hstack(list(groups.values()))
    ends = np.cumsum([g.shape[1] for g in groups.values()])
    errors = np.zeros(1 + len(groups))
    for unseen in np.array_split(rng.permutation(len(scores)), 3):
        seen = np.setdiff1d(np.arange(len(scores)), unseen)
        forest = RandomForestRegressor(
            _TREES, min_samples_leaf=2, max_features=0.6, random_state=0
        ).fit(columns[seen], scores[seen])
        inputs = [columns[unseen]]
        for group, end in zip(groups.values(), ends, strict=True):
            start = end - group.shape[1]
            for _ in range(2):
                shuffled = columns[unseen].copy()
                shuffled[:, start:end] = shuffled[
                    rng.permutation(len(unseen)), start:end
                ]
                inputs.append(shuffled)
        # One call for all inputs: a call costs more than the rows that it predicts.
        predicted = forest.predict(np.vstack(inputs)).reshape(len(inputs), -1)
        squares = ((predicted - scores[unseen]) ** 2).sum(axis=1)
        errors[0] += squares[0]
        errors[1:] += squares[1:].reshape(-1, 2).mean(axis=1)
    variance = ((scores - scores.mean()) ** 2).sum()
    return float(1 - errors[0] / variance), (errors[1:] - errors[0]) / variance


def _encoded(values: pd.Series[Any]) -> Floats:
    """Encode a hyperparameter as columns; a missing value is a value too."""
    missing = values.isna().to_numpy()
    numbers = pd.to_numeric(values, errors="coerce").to_numpy("float64")
    if not np.isnan(numbers[~missing]).any():
        # Without a log, even if it was sampled on a log scale: trees use the order.
        middle = float(np.median(numbers[~missing])) if not missing.all() else 0.0
        filled = np.where(missing, middle, numbers)
        return np.column_stack([filled, missing] if missing.any() else [filled])
    codes = pd.get_dummies(values.astype("object").fillna("none").map(str))
    return codes.to_numpy("float64")
