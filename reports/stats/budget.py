"""The best score expected of fewer random trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from reports.read import labels
from reports.read.study import StudyFrames
from reports.stats.ranking import Ranking, searched

MIN_TRIALS = 8
_RESAMPLES = 400
_POINTS = 60  # per curve

Floats = npt.NDArray[np.float64]


def expected_best(
    scores: npt.ArrayLike,
    numbers: npt.ArrayLike | None = None,
    *,
    replaced: bool = True,
) -> Floats:
    """Estimate the expected best of n random trials.

    E_n = sum of v_(i) [(i/N)^n - ((i-1)/N)^n] over the sorted scores v_(i): the best
    of n draws with replacement. Without replacement, for a finite space whose every
    point was tried, the weight is C(i-1, n-1) / C(N, n).

    Args:
        scores: Higher is better, shape (N,), N >= 1.
        numbers: The n to estimate for, 1 to N, shape (m,); None means all.
        replaced: Whether to draw with replacement.

    Returns:
        Shape (m,) or (N,). With replacement it is a little low for n near N, by some
        hundredths of the scores' standard deviation.

    Source: Dodge et al., "Show your work", EMNLP 2019.
    """
    values = np.sort(np.asarray(scores, np.float64))
    count = len(values)
    i = np.arange(1, count + 1)
    n = (i if numbers is None else np.asarray(numbers))[:, None]
    if replaced:
        weights = (i / count) ** n - ((i - 1) / count) ** n
    else:
        log_weights = _log_binomial(i - 1, n - 1) - _log_binomial(count, n)
        weights = np.where(i >= n, np.exp(log_weights), 0.0)
    result: Floats = weights @ values
    return result


def curve(study: StudyFrames, ranking: Ranking) -> pd.DataFrame | None:
    """Estimate the expected best of a random search against its training time.

    Leave out trial 0 and enqueued configs, which the search did not draw.

    Returns:
        Columns n, seconds (of n average trials), score, low and high (80 % of
        bootstrap samples of the trials), in the score's axis unit, and is_whole
        (whether every config of the space was tried: n of them are then drawn without
        replacement, and no sampling error is left). None if there are under eight
        trials, or if they were neither drawn at random nor the whole space.
    """
    if study.candidates:
        return None
    drawn = searched(study, ranking)
    if len(drawn) < MIN_TRIALS:
        return None
    size = study.record.space.size
    is_whole = isinstance(size, int) and len(drawn) >= size - 1 - study.enqueued
    if not study.draws_at_random and not is_whole:
        return None
    sign = 1.0 if study.objective.higher_is_better else -1.0
    scores = sign * drawn["objective"].to_numpy("float64")
    n = np.arange(1, len(scores) + 1)
    if len(n) > _POINTS:
        n = np.unique(np.geomspace(1, len(n), _POINTS).round().astype(int))
    mean = expected_best(scores, n, replaced=not is_whole)
    low, high = _band(scores, n) if not is_whole else (mean, mean)
    unit = sign * labels.axis_unit(study.objective)
    ends: Any = np.sort([unit * low, unit * high], axis=0)
    return pd.DataFrame(
        {
            "n": n,
            "seconds": n * float(drawn["seconds"].mean()),
            "score": unit * mean,
            "low": ends[0],
            "high": ends[1],
            "is_whole": is_whole,
        }
    )


def _band(scores: Floats, numbers: Any) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    resamples = _RESAMPLES if len(scores) <= 1000 else _RESAMPLES // 10
    curves = [
        expected_best(rng.choice(scores, len(scores)), numbers)
        for _ in range(resamples)
    ]
    low, high = np.quantile(curves, [0.1, 0.9], axis=0)
    return low, high


def _log_binomial(n: Any, k: Any) -> Any:
    with np.errstate(invalid="ignore", divide="ignore"):
        denominator = special.gammaln(k + 1) + special.gammaln(n - k + 1)
        return special.gammaln(n + 1) - denominator
