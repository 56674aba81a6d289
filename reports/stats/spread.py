"""How far a study's trials lie apart, and what goes with their size; with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.read import labels
from reports.stats.analysis import Analysis

FEWEST = 5
_RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


class Measure(NamedTuple):
    """A statistic over trials, with its 95 % bootstrap interval over them."""

    value: float
    low: float
    high: float


class Spread(NamedTuple):
    """One study's, within the ranges that it searched.

    Attributes:
        study: Its name.
        trials: Ranked trials that the search drew.
        accuracy: Standard deviation of test accuracy, a fraction.
        gap: Standard deviation of train - test, a fraction.
        accuracy_by_params: Spearman's rank correlation of test accuracy and
            parameters.
        seconds_by_params: That of training time and parameters.
    """

    study: str
    trials: int
    accuracy: Measure
    gap: Measure
    accuracy_by_params: Measure
    seconds_by_params: Measure


def spread(entry: Analysis) -> Spread | None:
    """Measure a study; None under five trials.

    Percentile bootstrap over trials (Efron 1979): what other draws of as many
    configs from the same ranges would have given.
    """
    frame = entry.searched[["test_accuracy", "gap", "params", "train_seconds"]].dropna()
    if len(frame) < FEWEST:
        return None
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(frame), (_RESAMPLES, len(frame)))

    def of(column: str) -> Measure:
        return _measure(frame[[column]], lambda v: float(v[:, 0].std(ddof=1)), draws)

    def with_params(column: str) -> Measure:
        return _measure(frame[["params", column]], _rho, draws)

    return Spread(
        entry.name,
        len(frame),
        of("test_accuracy"),
        of("gap"),
        with_params("test_accuracy"),
        with_params("train_seconds"),
    )


def rows(spreads: list[Spread]) -> list[tuple[str, ...]]:
    """Write them for the page: accuracies and gaps in points."""
    return [
        (
            s.study,
            labels.count(s.trials),
            _points(s.accuracy),
            _points(s.gap),
            _plain(s.accuracy_by_params),
            _plain(s.seconds_by_params),
        )
        for s in spreads
    ]


def sentence(spreads: list[Spread]) -> str:
    """Say whose accuracies lie further apart, if their intervals are apart."""
    if len(spreads) < 2:
        return ""
    first, second = sorted(spreads, key=lambda s: -s.accuracy.value)[:2]
    apart = (
        f"Test accuracies lie further apart in {first.study} (standard deviation "
        f"{_points(first.accuracy)} points) than in {second.study} "
        f"({_points(second.accuracy)})"
    )
    if first.accuracy.low > second.accuracy.high:
        return f"{apart}, within the ranges that each searched."
    return (
        f"{apart}, but the intervals overlap: within these ranges, it is inconclusive "
        "which of them moves accuracy more."
    )


def _measure(
    frame: pd.DataFrame,
    statistic: Callable[[Floats], float],
    draws: npt.NDArray[np.int64],
) -> Measure:
    values = frame.to_numpy("float64")
    made = np.asarray([statistic(values[draw]) for draw in draws])
    known = made[np.isfinite(made)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return Measure(statistic(values), float(low), float(high))


def _rho(values: Floats) -> float:
    """Compute Spearman's correlation; missing where one side does not vary."""
    a, b = (stats.rankdata(values[:, i]) for i in (0, 1))
    if a.std() == 0 or b.std() == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def _points(measure: Measure) -> str:
    low, value, high = (
        labels.number(100 * v, 1) for v in (measure.low, measure.value, measure.high)
    )
    return f"{value} [{low}, {high}]"


def _plain(measure: Measure) -> str:
    if not np.isfinite(measure.value):
        return labels.MISSING
    low, value, high = (
        labels.number(v, 2).replace("-", labels.MINUS)
        for v in (measure.low, measure.value, measure.high)
    )
    return f"{value} [{low}, {high}]"
