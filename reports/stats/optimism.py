"""By how much the best of several scores is too good, by its images and trainings."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from reports.read.predictions import Right
from reports.read.study import StudyFrames, read_study
from reports.stats.ranking import Ranking
from tuner.study.schema import RecordError

_FOLDS = 10
_ROUNDS = 8
_CONTENDERS = 100  # by validation; those below are never chosen
_FEWEST_IMAGES = 100
_FEWEST_TRAININGS = 3  # of a config, to tell how far they lie apart
_NOISES = 8
_ERROR = 0.05  # of leaving out one that is as good as the first
_DRAWS = 4_000
_HELD = 1 / 3  # of the noise's standard deviation: nine tenths, as of the images

Floats = npt.NDArray[np.floating[Any]]
Source = Literal["executions", "noise study"]


class Optimism(NamedTuple):
    """How much too good the first trial's score is.

    Attributes:
        value: A fraction of the images, by `optimism`: nearly unbiased, and often far
            off. Of near-equal networks its standard deviation is as large as itself.
        most: What it is if those that may be as good as the first are, by `if_equal`.
        near: How many those are, without the first.
        images: Validation images.
        training_sd: Standard deviation of one training's accuracy between seeds,
            beyond what single images explain, as a fraction; missing where it is
            not known, and all is then for the choice of images alone.
        source: What it was measured on.
    """

    value: float
    most: float
    near: int
    images: int
    training_sd: float | None = None
    source: Source | None = None


def optimism(right: Floats, score_sd: npt.ArrayLike = 0.0, seed: int = 0) -> float:
    """Estimate what choosing by the mean score adds to the chosen one's score.

    The best on nine tenths of the images is scored on the other tenth; the mean
    difference over all tenths of some random divisions. That covers the choice of
    images. In simulation nine tenths are nearly unbiased, where halves, which choose
    by noisier scores than the search did, overstate by 1.3 to 2 times.

    What another training of the chosen config would have given has no second sample
    to be scored on, so normal noise e of its size is split the same way: scores + e/3
    choose, and scores - 3e, which are independent of those, tell (the coupled
    bootstrap of Oliveira, Lei and Tibshirani, arXiv 2111.09447). A plain parametric
    bootstrap, which adds noise to scores that have theirs already, understates by up
    to 30 %; this one overstates by 5 to 11 %, as nine tenths of the images do.

    Args:
        right: Share of a trial's trainings that were right on an image, shape
            (trials, images), at least two trials and ten images.
        score_sd: Standard deviation of each trial's score between trainings, a
            fraction, shape (trials,) or one for all; 0 covers the images alone.
        seed: Draws the divisions and the noise.

    Returns:
        A fraction of the images; near 0, and by chance below it, where one trial is
        far ahead.
    """
    rng = np.random.default_rng(seed)
    trials, images = right.shape
    sd = np.broadcast_to(np.asarray(score_sd, np.float64), trials)
    total = right.sum(axis=1, dtype=np.float64)
    differences = []
    for _ in range(_ROUNDS):
        for held in np.array_split(rng.permutation(images), _FOLDS):
            outside = right[:, held].sum(axis=1, dtype=np.float64)
            inside = (total - outside) / (images - len(held))
            outside /= len(held)
            noise = rng.standard_normal((_NOISES, trials)) * sd
            noise = np.vstack([noise, -noise])  # so that it averages 0
            chosen = inside + noise * _HELD
            best = chosen.argmax(axis=1)
            rows = np.arange(len(best))
            told = outside[best] - noise[rows, best] / _HELD
            differences.append(np.mean(chosen[rows, best] - told))
    return float(np.mean(differences))


def if_equal(
    right: Floats, score_sd: npt.ArrayLike = 0.0, seed: int = 0
) -> tuple[float, int]:
    """Give what choosing adds on average if all that may be as good as the first are.

    May be as good: the difference of scores is within its own noise, one-sided, at
    5 % for all together (a subset that holds the best; Gupta, Technometrics 7, 1965).
    Equal networks have the most luck, so that it about bounds `optimism`. It has
    less noise: how scores vary about each other by their images is known well.

    Args:
        right: As in `optimism`.
        score_sd: As in `optimism`.
        seed: Draws the noise.

    Returns:
        A fraction of the images, and how many may be as good, without the first.
    """
    trials, images = right.shape
    sd = np.broadcast_to(np.asarray(score_sd, np.float64), trials)
    scores = right.mean(axis=1, dtype=np.float64)
    noise = np.cov(right - right.mean(axis=0)) / images + np.diag(sd**2)
    first = int(scores.argmax())
    apart = noise[first, first] + noise.diagonal() - 2 * noise[first]
    reach = stats.norm.ppf(1 - _ERROR / trials) * np.sqrt(np.maximum(apart, 0))
    near = scores >= scores[first] - reach
    some = noise[np.ix_(near, near)]
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_normal(np.zeros(len(some)), some, _DRAWS, method="eigh")
    drawn = np.vstack([drawn, -drawn])  # so that it averages 0
    return float(drawn.max(axis=1).mean()), len(some) - 1


def training_variance(right: Right) -> float:
    """Estimate the variance of one training's accuracy beyond that of single images.

    The variance between trainings minus what it would be if every image were right or
    wrong on its own, which the images' own noise holds already (`differences`). What
    is left does not depend on how many images there are.

    Args:
        right: Whether training i was right on image j, shape (trainings, images), at
            least two trainings.

    Returns:
        In squared fractions; by chance below 0 where trainings differ in little else.
    """
    each = right.astype(np.float64)
    alone = each.var(axis=0, ddof=1).sum() / each.shape[1] ** 2
    return float(each.mean(axis=1).var(ddof=1) - alone)


def of_study(study: StudyFrames, ranking: Ranking) -> Optimism | None:
    """Estimate it for a study's first trial; None where that cannot be.

    That needs a validation accuracy to choose by, stored predictions of at least two
    trials, and 100 images. It covers trainings where they were measured.
    """
    if not study.objective.is_accuracy or len(ranking.ranked) < 2 or study.candidates:
        return None
    labels = study.predictions.labels("validation")
    if labels is None or len(labels) < _FEWEST_IMAGES:
        return None
    first = [int(trial) for trial in ranking.ranked["trial"].head(_CONTENDERS)]
    trained = [r for t in first if (r := _right(study, t, "validation")) is not None]
    if len(trained) < 2:
        return None
    shares = np.asarray([right.mean(axis=0) for right in trained], np.float32)
    source: Source = "executions"
    variance = _between_trainings(trained)
    if variance is None:
        source = "noise study"
        variance = _of_noise_study(study)
    training_sd = None if variance is None else math.sqrt(max(0.0, variance))
    score_sd = (training_sd or 0.0) / np.sqrt([len(right) for right in trained])
    return Optimism(
        optimism(shares, score_sd),
        *if_equal(shares, score_sd),
        len(labels),
        training_sd,
        None if training_sd is None else source,
    )


def _between_trainings(trained: list[Right]) -> float | None:
    """Pool the trials' variances between trainings, where there are three of each.

    Over the better half of them, which the first is chosen from: one that diverges
    now and then would otherwise stand for all.
    """
    better = trained[: -(-len(trained) // 2)]
    several = [right for right in better if len(right) >= _FEWEST_TRAININGS]
    if not several:
        return None
    freedom = [len(right) - 1 for right in several]
    variances = [training_variance(right) for right in several]
    return float(np.average(variances, weights=freedom))


def _of_noise_study(study: StudyFrames) -> float | None:
    """Take it from the study's own `tune noise`, if that has ended.

    It is measured on test images and holds for validation images as it is: what
    depends on their number is left out of it. Its seeds draw their own splits, so it
    has that luck too, and is if anything a little large. One config stands for all.
    """
    folder = study.folder / "noise"
    try:
        noise = read_study(folder) if (folder / "study.json").exists() else None
    except RecordError:
        return None
    if noise is None or noise.kind != "noise" or noise.state != "completed":
        return None
    right = _right(noise, 0, "test")
    if right is None or len(right) < _FEWEST_TRAININGS:
        return None
    return training_variance(right)


def _right(study: StudyFrames, trial: int, split: str) -> Right | None:
    """Find which images each training got right; None where any is not known."""
    mine = study.executions[study.executions["trial"] == trial]
    trainings = [
        study.predictions.right(trial, int(execution), split)
        for execution in mine.loc[mine["final"], "execution"]
    ]
    known = [right for right in trainings if right is not None]
    if not known or len(known) < len(trainings):
        return None
    return np.asarray(known)
