"""Whether one config is more accurate than another, image by image and over runs.

The inputs are arrays of shape (trainings, images) that say whether each run of a config
classified each image correctly. Source of the formulas: the variance of a mean over
images and runs, both drawn at random; runs add the variance of their accuracies beyond
what the choice of images explains.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy import stats

from reports.read.predictions import Right
from reports.stats.intervals import Floats, half_width

MARGIN = 0.005  # differences within half a point are too small to matter
MIN_TRAININGS = 3  # of each config, for a verdict on configs
_FEW_DISCORDANT = 25
_POWER_80 = 0.8416212335729143  # the normal distribution's 80 % quantile

Word = Literal["better", "worse", "too small to matter", "inconclusive", "no verdict"]
WORDS: tuple[Word, ...] = get_args(Word)
INCONCLUSIVE: Word = "inconclusive"  # 0 is in the interval
NO_VERDICT: Word = "no verdict"  # there are only two runs of a config


class Difference(NamedTuple):
    """How much more accurate one config is than another, as a fraction.

    Attributes:
        value: Mean accuracy of the one minus that of the other.
        low: Lower end of its interval, at least -1.
        high: Upper end, at most 1.
        level: The interval's confidence, 0 to 1.
        trainings: Runs of the config that has fewer. With 1 the difference is that of
            two networks, and other runs of the same configs would have another.
        is_paired: Whether run i of the one is paired with run i of the other.
        image_variance: The part of the variance of `value` that comes from the choice
            of images and does not shrink with more runs; nan for one run.
        training_variance: The part that shrinks with more runs, times their number.
    """

    value: float
    low: float
    high: float
    level: float
    trainings: int
    is_paired: bool
    image_variance: float = math.nan
    training_variance: float = math.nan

    def word(self, margin: float = MARGIN) -> Word:
        """Return the verdict of the interval; `margin` is a fraction of the images."""
        if self.trainings == 2:  # such a 95 % interval covers 90 to 98 %
            return NO_VERDICT
        if -margin <= self.low and self.high <= margin:
            return "too small to matter"
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return INCONCLUSIVE

    def trainings_to_settle(self, margin: float = MARGIN, most: int = 200) -> float:
        """Estimate how many runs of each config would settle a difference of this size.

        To settle means that 0 is outside the interval, or that the whole interval is
        within the margin, in four of five tries (80 % power) if this difference is the
        true one.

        Returns:
            Their number, infinity if it is over `most`, or nan if no number would do
            on these images.
        """
        distance = max(abs(self.value), margin - abs(self.value))
        trainings = np.arange(MIN_TRAININGS, most + 1)
        enough = trainings[self._settled_by(trainings) <= distance]
        if len(enough):
            return int(enough[0])
        return math.nan if self.smallest_settled() > distance else math.inf

    def smallest_settled(self) -> float:
        """Return the smallest difference that any number of runs could settle."""
        return smallest_settled(self.image_variance, self.level)

    def _settled_by(self, trainings: npt.NDArray[np.int64]) -> Floats:
        """Return the smallest difference that each number of runs would settle."""
        of_trainings = self.training_variance / trainings
        freedom = (trainings - 1) * (1 if self.is_paired else 2)
        half = half_width(self.image_variance, of_trainings, freedom, self.level)
        power: Floats = _POWER_80 * np.sqrt(self.image_variance + of_trainings)
        return half + power


def smallest_settled(image_variance: float, level: float = 0.95) -> float:
    """Return the smallest difference that these images settle, with any number of runs.

    In four of five tries (80 % power): 2.8 of its standard deviations at 95 %.

    Args:
        image_variance: The variance of a difference that comes from the choice of
            images: the share of images on which the two disagree, divided by their
            number.
        level: The interval's confidence, 0 to 1.
    """
    reach = stats.norm.ppf((1 + level) / 2) + _POWER_80
    return float(reach * math.sqrt(image_variance))


def compare(
    ours: Right, theirs: Right, *, is_paired: bool = False, level: float = 0.95
) -> Difference:
    """Compare two configs on the same images.

    Args:
        ours: Shape (k, n): whether run i classified image j correctly. k >= 1, n >= 2.
        theirs: Shape (m, n); m == k if paired.
        is_paired: Whether runs i share a seed's trajectory or a split.
        level: The interval's confidence, 0 to 1. If m intervals must hold together,
            pass 1 - 0.05 / m.

    Raises:
        ValueError: The shapes do not fit.
    """
    if ours.ndim != 2 or ours.shape[1:] != theirs.shape[1:]:
        raise ValueError(
            "Both configs must have arrays of shape (trainings, images) with the same "
            f"images, got {ours.shape} and {theirs.shape}."
        )
    if is_paired and len(ours) != len(theirs):
        raise ValueError(
            "Paired configs must have equal numbers of runs, "
            f"got {len(ours)} and {len(theirs)}."
        )
    trainings = min(len(ours), len(theirs))
    value = float(ours.mean() - theirs.mean())
    if trainings == 1:
        low, high = _networks(ours[0], theirs[0], level)
        if max(len(ours), len(theirs)) > 1:  # center it on the mean of several runs
            half = max(value - low, high - value)
            low, high = _possible(value - half, value + half)
        return Difference(value, low, high, level, trainings, is_paired)
    of_images, of_trainings, freedom = _variances(ours, theirs, is_paired=is_paired)
    half = float(half_width(of_images, of_trainings, freedom, level))
    return Difference(
        value,
        *_possible(value - half, value + half),
        level,
        trainings,
        is_paired,
        image_variance=of_images,
        training_variance=of_trainings * trainings,
    )


def _variances(
    ours: Right, theirs: Right, *, is_paired: bool
) -> tuple[float, float, int]:
    """Split the variance of the difference of two configs.

    Returns:
        The part that comes from the choice of images and does not shrink with more
        runs: SE_images^2 - SE_independent^2, where the latter is the variance between
        runs if every image were right or wrong independently. The part that comes from
        runs, SE_trainings^2. Its degrees of freedom.
    """
    images = ours.shape[1]
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    between_images = (a.mean(axis=0) - b.mean(axis=0)).var(ddof=1) / images
    parts = [a - b] if is_paired else [a, b]
    between_runs = sum(part.mean(axis=1).var(ddof=1) / len(part) for part in parts)
    independent = sum(
        part.var(axis=0, ddof=1).sum() / len(part) / images**2 for part in parts
    )
    freedom = sum(len(part) - 1 for part in parts)
    of_images = max(0.0, float(between_images - independent))
    return of_images, float(between_runs), freedom


def _networks(ours: Right, theirs: Right, level: float) -> tuple[float, float]:
    """Compute the interval for the difference of two networks from discordant images.

    Bonett and Price (2012): add one discordant image of each kind. Under 25 discordant
    images, widen it to the exact conditional interval, so that it excludes 0 only if
    McNemar's exact test does.
    """
    images = len(ours)
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    p, q = (wins + 1) / (images + 2), (losses + 1) / (images + 2)
    half = stats.norm.ppf((1 + level) / 2) * np.sqrt((p + q - (p - q) ** 2) / images)
    low, high = p - q - half, p - q + half
    discordant = wins + losses
    if 0 < discordant < _FEW_DISCORDANT:
        exact = stats.binomtest(wins, discordant).proportion_ci(level)
        low = min(low, (2 * exact.low - 1) * discordant / images)
        high = max(high, (2 * exact.high - 1) * discordant / images)
    return _possible(float(low), float(high))


def _possible(low: float, high: float) -> tuple[float, float]:
    """Clip an interval to the possible differences, which loses no coverage."""
    return max(low, -1.0), min(high, 1.0)
