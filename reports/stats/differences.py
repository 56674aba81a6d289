"""Is one config more accurate than another? Image by image, and over trainings.

Arrays in, numbers out: whether each image was classified rightly by each training
of two configs, shape (trainings, images). Source of the formulas: the variance of
a mean over images and trainings, both drawn at random; the share that trainings
add is what their accuracies vary beyond what the choice of images explains.
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
NO_VERDICT: Word = "no verdict"  # of two trainings


class Difference(NamedTuple):
    """How much more accurate one config is than another, as a fraction.

    Attributes:
        value: Mean accuracy of the one minus that of the other.
        low: Lower end of its interval, from -1.
        high: Upper end, to 1.
        level: The interval's confidence, 0 to 1.
        trainings: Of the config that has fewer. With 1 the difference is that of
            two networks, and another training of the same configs has another.
        is_paired: Whether training i of the one belongs to training i of the other.
        image_variance: What the choice of images adds to the variance of `value`
            however many trainings there are; nan where there was one.
        training_variance: What goes with more trainings: divided by their number it
            is the rest of the variance.
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
        """Say what the interval shows; `margin` is a fraction of the images."""
        if self.trainings == 2:  # such an interval covers 90 to 98 %
            return NO_VERDICT
        if -margin <= self.low and self.high <= margin:
            return "too small to matter"
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return INCONCLUSIVE

    def trainings_to_settle(self, margin: float = MARGIN, most: int = 200) -> float:
        """Estimate how many trainings of each would settle a difference of this size.

        In four of five tries (80 % power), were it the true one: 0 is then outside
        the interval, or all of it within the margin.

        Returns:
            Their number, infinity where it is over `most`, or nan where no number
            would do on these images.
        """
        distance = max(abs(self.value), margin - abs(self.value))
        trainings = np.arange(MIN_TRAININGS, most + 1)
        enough = trainings[self._settled_by(trainings) <= distance]
        if len(enough):
            return int(enough[0])
        return math.nan if self.smallest_settled() > distance else math.inf

    def smallest_settled(self) -> float:
        """Give the smallest difference that any number of trainings could settle."""
        return smallest_settled(self.image_variance, self.level)

    def _settled_by(self, trainings: npt.NDArray[np.int64]) -> Floats:
        """Give the smallest differences that so many trainings would settle."""
        of_trainings = self.training_variance / trainings
        freedom = (trainings - 1) * (1 if self.is_paired else 2)
        half = half_width(self.image_variance, of_trainings, freedom, self.level)
        power: Floats = _POWER_80 * np.sqrt(self.image_variance + of_trainings)
        return half + power


def smallest_settled(image_variance: float, level: float = 0.95) -> float:
    """Give the smallest difference that images settle, however many trainings.

    In four of five tries (80 % power): 2.8 of its standard deviations at 95 %.

    Args:
        image_variance: What the choice of images adds to the variance of a
            difference: the share on which the two disagree, over their number.
        level: The interval's confidence, 0 to 1.
    """
    reach = stats.norm.ppf((1 + level) / 2) + _POWER_80
    return float(reach * math.sqrt(image_variance))


def compare(
    ours: Right, theirs: Right, *, is_paired: bool = False, level: float = 0.95
) -> Difference:
    """Compare two configs on the same images.

    Args:
        ours: Shape (k, n): training i was right on image j. k >= 1, n >= 2.
        theirs: Shape (m, n); m == k where paired.
        is_paired: Whether trainings i share a seed's trajectory or a split.
        level: The interval's confidence, 0 to 1. Of m intervals that are to hold
            together each gets 1 - 0.05 / m.

    Raises:
        ValueError: The shapes do not fit.
    """
    if ours.ndim != 2 or ours.shape[1:] != theirs.shape[1:]:
        raise ValueError(
            "Two configs are compared on the same images, arrays of shape "
            f"(trainings, images), got {ours.shape} and {theirs.shape}."
        )
    if is_paired and len(ours) != len(theirs):
        raise ValueError(
            "Paired trainings come in equal numbers, "
            f"got {len(ours)} and {len(theirs)}."
        )
    trainings = min(len(ours), len(theirs))
    value = float(ours.mean() - theirs.mean())
    if trainings == 1:
        low, high = _networks(ours[0], theirs[0], level)
        if max(len(ours), len(theirs)) > 1:  # one of them stands for its mean
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
    """Split the variance of a difference of two configs.

    Returns:
        What the choice of images adds however many trainings there are: SE_images^2 -
        SE_independent^2, the latter what trainings would vary by if every image were
        right or wrong on its own. What trainings add, SE_trainings^2. Its degrees of
        freedom.
    """
    images = ours.shape[1]
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    between_images = (a.mean(axis=0) - b.mean(axis=0)).var(ddof=1) / images
    parts = [a - b] if is_paired else [a, b]
    each = [part.mean(axis=1).var(ddof=1) / len(part) for part in parts]
    alone = [part.var(axis=0, ddof=1).sum() / len(part) / images**2 for part in parts]
    freedom = sum(len(part) - 1 for part in parts)
    return max(0.0, float(between_images - sum(alone))), float(sum(each)), freedom


def _networks(ours: Right, theirs: Right, level: float) -> tuple[float, float]:
    """Find the interval for the difference of two networks, from discordant images.

    Bonett and Price (2012): one more discordant image of each kind. Under 25
    discordant images it is widened to the exact conditional one, so that it leaves
    0 out only where McNemar's exact test does.
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
    """End an interval where differences of accuracies end, which loses no coverage."""
    return max(low, -1.0), min(high, 1.0)
