"""How much a study's trials vary, and how that depends on size, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.read import labels
from reports.stats.analysis import Analysis

MIN_TRIALS = 5
_RESAMPLES = 1000

Floats = npt.NDArray[np.float64]


class Measure(NamedTuple):
    """A statistic over trials, with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


class Spread(NamedTuple):
    """The spread of one study's trials within the ranges that it searched.

    Attributes:
        study: The study's name.
        trials: Number of ranked trials that the search drew.
        accuracy: Standard deviation of test accuracy, a fraction.
        gap: Standard deviation of train - test, a fraction.
        accuracy_by_params: Spearman's rank correlation of test accuracy and
            parameters.
        seconds_by_params: Spearman's rank correlation of training time and parameters.
    """

    study: str
    trials: int
    accuracy: Measure
    gap: Measure
    accuracy_by_params: Measure
    seconds_by_params: Measure


def spread(entry: Analysis) -> Spread | None:
    """Measure the spread of a study; return None under five trials.

    The intervals are a percentile bootstrap over trials (Efron 1979): they allow for
    drawing other configs from the same ranges.
    """
    frame = entry.searched[["test_accuracy", "gap", "params", "train_seconds"]].dropna()
    if len(frame) < MIN_TRIALS:
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
    """Write spreads for the page, with accuracies and gaps in points."""
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
    """Write which study's accuracies vary most, if the intervals do not overlap."""
    if len(spreads) < 2:
        return ""
    first, second = sorted(spreads, key=lambda s: -s.accuracy.value)[:2]
    order = (
        f"Test accuracies vary more in {first.study} (standard deviation "
        f"{_points(first.accuracy)} points) than in {second.study} "
        f"({_points(second.accuracy)})"
    )
    if first.accuracy.low > second.accuracy.high:
        return f"{order}, within the ranges that each searched."
    return (
        f"{order}, but the intervals overlap: within these ranges, it is inconclusive "
        "which of the two moves accuracy more."
    )


def _measure(
    frame: pd.DataFrame,
    statistic: Callable[[Floats], float],
    draws: npt.NDArray[np.int64],
) -> Measure:
    values = frame.to_numpy("float64")
    samples = np.asarray([statistic(values[draw]) for draw in draws])
    samples = samples[np.isfinite(samples)]
    low = high = np.nan
    if len(samples):
        low, high = np.quantile(samples, [0.025, 0.975])
    return Measure(statistic(values), float(low), float(high))


def _rho(values: Floats) -> float:
    """Compute Spearman's correlation; nan if one of the two does not vary."""
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
