"""Noise between seeds, and the gains that changes without effect show because of it."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from reports.read.study import StudyFrames
from reports.stats.differences import smallest_settled

CHANGES = (1, 3, 6, 10, 30)
EFFECTS = (0.005, 0.01)
_POWER = 0.8
_DRAWS = 200_000


class Noise(NamedTuple):
    """How much one config's accuracy varies between its runs.

    Attributes:
        seeds: The number of runs.
        mean: Mean test accuracy, a fraction.
        sd: Standard deviation of test accuracy between runs, a fraction.
        low: Lower end of its 95 % interval (chi-squared, for normal accuracies).
        high: Upper end.
        validation_sd: Standard deviation of validation accuracy, where each run has its
            own split.
        disagreement: Share of the test images that one of two runs classifies correctly
            and the other does not, on average over pairs.
        images: The number of test images.
    """

    seeds: int
    mean: float
    sd: float
    low: float
    high: float
    validation_sd: float
    disagreement: float
    images: int


def measure(study: StudyFrames) -> Noise | None:
    """Measure the noise of trial 0; return None if fewer than three runs have ended."""
    rows = study.executions[
        study.executions["final"] & (study.executions["trial"] == 0)
    ]
    if len(rows) < 3:
        return None
    tests = rows["test_accuracy"].to_numpy("float64")
    k, sd = len(tests), float(tests.std(ddof=1))
    quantiles = stats.chi2.ppf([0.975, 0.025], k - 1)
    low, high = sd * np.sqrt((k - 1) / quantiles)
    trainings = [
        study.predictions.right(0, int(execution), "test")
        for execution in rows["execution"]
    ]
    right = [images for images in trainings if images is not None]
    pairs = [float(np.mean(a != b)) for a, b in itertools.combinations(right, 2)]
    return Noise(
        seeds=k,
        mean=float(tests.mean()),
        sd=sd,
        low=float(low),
        high=float(high),
        validation_sd=float(rows["val_accuracy"].std(ddof=1)),
        disagreement=float(np.mean(pairs)) if pairs else float("nan"),
        images=study.images("test"),
    )


@functools.cache
def best_of_nulls(changes: int, freedom: float = np.inf) -> tuple[float, float]:
    """Simulate the gain of the best of several changes without effect over a baseline.

    Each change and the baseline are trained once, and all are normal with one mean.

    Args:
        changes: The number of changes, >= 1.
        freedom: Degrees of freedom of an estimated standard deviation: seeds - 1.

    Returns:
        The mean and the 95 % quantile of max(Z_1..Z_n) - Z_0, in standard deviations,
        over 200,000 simulated studies; the quantile allows for the estimate's error.
    """
    rng = np.random.default_rng(0)
    best = stats.norm.ppf(rng.random(_DRAWS) ** (1 / changes))  # the largest of n
    gains = best - rng.standard_normal(_DRAWS)
    sd = np.sqrt(rng.chisquare(freedom, _DRAWS) / freedom) if freedom < 1e6 else 1.0
    return float(gains.mean()), float(np.quantile(gains / sd, 0.95))


def seeds_needed(effect: float, sd: float, level: float = 0.95) -> float:
    """Return how many runs of each of two configs show a difference.

    By Student's t test on independent seeds at 80 % power, with these test images taken
    as fixed (noncentral t; Cohen 1988, section 2.4).

    Args:
        effect: The difference in mean accuracy, a fraction, > 0.
        sd: Standard deviation of accuracy between seeds, a fraction, > 0.
        level: 1 minus the share of false alarms.

    Returns:
        The number of runs, or infinity over 10,000.
    """
    for k in range(2, 10_000):
        freedom = 2 * k - 2
        shift = effect / sd * np.sqrt(k / 2)
        limit = stats.t.ppf((1 + level) / 2, freedom)
        power = stats.nct.sf(limit, freedom, shift)
        power += stats.nct.cdf(-limit, freedom, shift)
        if power >= _POWER:
            return k
    return math.inf


def floor(noise: Noise) -> float:
    """Return the difference below which no number of seeds helps, a fraction.

    It holds for these test images, and for a change that moves as many images as two
    runs of the baseline disagree on; 95 % intervals, 80 % power.
    """
    return smallest_settled(noise.disagreement / noise.images)


def facts(noise: Noise) -> dict[str, Any]:
    """Return the noise as plain values, with accuracies as fractions."""
    values = {k: v if np.isfinite(v) else None for k, v in noise._asdict().items()}
    return {
        **values,
        "best_of": {
            str(n): {"mean": noise.sd * mean, "high": noise.sd * high}
            for n in CHANGES
            for mean, high in [best_of_nulls(n, noise.seeds - 1)]
        },
        "seeds_needed": {
            str(effect): needed if math.isfinite(needed) else None
            for effect in EFFECTS
            if noise.sd > 0
            for needed in [seeds_needed(effect, noise.sd)]
        },
    }
