"""Which hyperparameters a study's scores depend on, and when that cannot be said."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.read.study import StudyFrames
from reports.stats.outliers import fences
from reports.stats.ranking import Ranking, searched

FEWEST = 20
LEAST_R2 = 0.3
_MOST = 400  # trials a forest learns from
_NULLS = 20
_TREES = 60

Floats = npt.NDArray[np.float64]


class Importance(NamedTuple):
    """How much worse a forest predicts scores without a hyperparameter.

    Attributes:
        frame: A row a hyperparameter, the highest first: name, importance (share of
            the scores' variance), null (the highest of it in 20 forests that learnt
            shuffled scores).
        r2: Share of the variance that the forest explains of trials it has not seen.
        trials: How many it learnt from.
    """

    frame: pd.DataFrame
    r2: float
    trials: int


def importance(study: StudyFrames, ranking: Ranking) -> Importance | str | None:
    """Measure it; or say why not; or None where there is nothing to measure.

    Permutation importance (Breiman 2001) of a random forest on trials that it did
    not learn from, three folds. A hyperparameter above its null matters; how far
    depends on the ranges that were searched. The baseline and enqueued configs, which
    the search did not draw, are left out: they may lie outside the ranges, and hold
    many hyperparameters at one value together, which the forest cannot tell apart.
    """
    if study.candidates or not study.hyperparameters or not len(ranking.ranked):
        return None
    drawn = searched(study, ranking)
    if len(drawn) < FEWEST:
        return (
            f"Importance is not computed under {FEWEST} ranked trials that the search "
            f"drew, and there are {len(drawn)}."
        )
    some = drawn.sort_values("trial")
    if len(some) > _MOST:
        some = some.sample(_MOST, random_state=0)
    scores = some["objective"].to_numpy("float64")
    # What diverged would be all that a forest explains.
    scores = np.clip(scores, *fences(pd.Series(scores)))
    if not scores.std() > 0:
        return "Importance is not computed: all scores are equal."
    groups = {
        k.name: _encoded(some["trial"].map(study.configs[k.name]))
        for k in study.hyperparameters
    }
    rng = np.random.default_rng(0)
    r2, drops = _fitted(groups, scores, rng)
    if r2 < LEAST_R2:
        return (
            f"Importance is withheld: a forest explains {max(r2, 0):.0%} of the scores "
            f"of trials that it has not seen, under {LEAST_R2:.0%}."
        )
    nulls = [_fitted(groups, rng.permutation(scores), rng)[1] for _ in range(_NULLS)]
    frame = pd.DataFrame(
        {
            "name": list(groups),
            "importance": drops,
            "null": np.max(nulls, axis=0),
        }
    ).sort_values("importance", ascending=False, ignore_index=True)
    return Importance(frame, r2, len(some))


def _fitted(
    groups: dict[str, Floats], scores: Floats, rng: np.random.Generator
) -> tuple[float, Floats]:
    """Fit forests on two thirds each; give R^2 on the rest and what a shuffle costs."""
    from sklearn.ensemble import RandomForestRegressor

    columns = np.hstack(list(groups.values()))
    ends = np.cumsum([g.shape[1] for g in groups.values()])
    errors = np.zeros(1 + len(groups))
    for held in np.array_split(rng.permutation(len(scores)), 3):
        learn = np.setdiff1d(np.arange(len(scores)), held)
        forest = RandomForestRegressor(
            _TREES, min_samples_leaf=2, max_features=0.6, random_state=0
        ).fit(columns[learn], scores[learn])
        shuffled = [columns[held]]
        for group, end in zip(groups.values(), ends, strict=True):
            start = end - group.shape[1]
            for _ in range(2):
                mixed = columns[held].copy()
                mixed[:, start:end] = mixed[rng.permutation(len(held)), start:end]
                shuffled.append(mixed)
        # One call for all: a call costs more than the rows that it predicts.
        guesses = forest.predict(np.vstack(shuffled)).reshape(len(shuffled), -1)
        squares = ((guesses - scores[held]) ** 2).sum(axis=1)
        errors[0] += squares[0]
        errors[1:] += squares[1:].reshape(-1, 2).mean(axis=1)
    variance = ((scores - scores.mean()) ** 2).sum()
    return float(1 - errors[0] / variance), (errors[1:] - errors[0]) / variance


def _encoded(values: pd.Series[Any]) -> Floats:
    """Turn a hyperparameter into columns; what a config does not have is a value."""
    missing = values.isna().to_numpy()
    numbers = pd.to_numeric(values, errors="coerce").to_numpy("float64")
    if not np.isnan(numbers[~missing]).any():
        # As it is, also where it was sampled in log: trees ask only for the order.
        middle = float(np.median(numbers[~missing])) if not missing.all() else 0.0
        filled = np.where(missing, middle, numbers)
        return np.column_stack([filled, missing] if missing.any() else [filled])
    codes = pd.get_dummies(values.astype("object").fillna("none").map(str))
    return codes.to_numpy("float64")
