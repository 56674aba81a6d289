"""How much choosing the best of several scores inflates it."""

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
_CONTENDERS = 100  # best trials by validation; others are never chosen
_MIN_IMAGES = 100
_MIN_TRAININGS = 3  # runs of a config, to measure their spread
_NOISES = 8
_ERROR = 0.05  # probability of leaving out a trial as good as the first
_DRAWS = 4_000
_SHARE = 1 / 3  # of the noise added to scores that choose: as nine tenths of images do

Floats = npt.NDArray[np.floating[Any]]
Source = Literal["executions", "noise study"]


class Optimism(NamedTuple):
    """How much choosing the first trial inflates its score.

    Attributes:
        value: A fraction of the images, from `optimism`: nearly unbiased, but often far
            off. For near-equal networks its standard deviation is as large as itself.
        most: The inflation if all trials that may be as good as the first are, from
            `if_equal`.
        near: The number of those trials, without the first.
        images: The number of validation images.
        training_sd: Standard deviation of one run's accuracy between seeds, beyond what
            single images explain, a fraction. None if unknown; then all values allow
            for the choice of images only.
        source: What `training_sd` was measured on.
    """

    value: float
    most: float
    near: int
    images: int
    training_sd: float | None = None
    source: Source | None = None


def optimism(right: Floats, score_sd: npt.ArrayLike = 0.0, seed: int = 0) -> float:
    """Estimate how much choosing by the mean score inflates the chosen trial's score.

    Choose the best trial on nine tenths of the images and score it on the other tenth;
    average the difference over all tenths of several random divisions. That covers the
    choice of images. In simulation nine tenths are nearly unbiased; halves choose by
    noisier scores than the search did and overstate by 1.3 to 2 times.

    Another run of the chosen config has no second sample to be scored on, so normal
    noise e of the size of the noise between runs is split the same way: scores + e/3
    choose, and scores - 3e, which are independent of them, measure (the coupled
    bootstrap of Oliveira, Lei and Tibshirani, arXiv 2111.09447). A plain parametric
    bootstrap adds noise to scores that are noisy already and understates by up to
    30 %; this one overstates by 5 to 11 %, as nine tenths of the images do.

    Args:
        right: Share of a trial's runs that classified an image correctly, shape
            (trials, images), at least two trials and ten images.
        score_sd: Standard deviation of each trial's score between runs, a fraction,
            shape (trials,) or one for all; 0 covers the choice of images only.
        seed: Seed of the divisions and the noise.

    Returns:
        A fraction of the images; near 0, and by chance below it, if one trial is far
        ahead.
    """
    rng = np.random.default_rng(seed)
    trials, images = right.shape
    sd = np.broadcast_to(np.asarray(score_sd, np.float64), trials)
    total = right.sum(axis=1, dtype=np.float64)
    differences = []
    for _ in range(_ROUNDS):
        for tenth in np.array_split(rng.permutation(images), _FOLDS):
            outside = right[:, tenth].sum(axis=1, dtype=np.float64)
            inside = (total - outside) / (images - len(tenth))
            outside /= len(tenth)
            noise = rng.standard_normal((_NOISES, trials)) * sd
            noise = np.vstack([noise, -noise])  # so that it averages 0
            choosing = inside + noise * _SHARE
            best = choosing.argmax(axis=1)
            rows = np.arange(len(best))
            measured = outside[best] - noise[rows, best] / _SHARE
            differences.append(np.mean(choosing[rows, best] - measured))
    return float(np.mean(differences))


def if_equal(
    right: Floats, score_sd: npt.ArrayLike = 0.0, seed: int = 0
) -> tuple[float, int]:
    """Estimate the inflation if all trials that may be as good as the first are.

    A trial may be as good if its difference from the first is within its own noise,
    one-sided, at 5 % for all trials together (a subset that holds the best; Gupta,
    Technometrics 7, 1965). Luck is largest among equal networks, so the result roughly
    bounds `optimism`. It has less noise, since the covariance of scores over images is
    known well.

    Args:
        right: As in `optimism`.
        score_sd: As in `optimism`.
        seed: Seed of the noise.

    Returns:
        A fraction of the images, and the number of trials that may be as good, without
        the first.
    """
    trials, images = right.shape
    sd = np.broadcast_to(np.asarray(score_sd, np.float64), trials)
    scores = right.mean(axis=1, dtype=np.float64)
    noise = np.cov(right - right.mean(axis=0)) / images + np.diag(sd**2)
    first = int(scores.argmax())
    variance = noise[first, first] + noise.diagonal() - 2 * noise[first]
    reach = stats.norm.ppf(1 - _ERROR / trials) * np.sqrt(np.maximum(variance, 0))
    near = scores >= scores[first] - reach
    covariance = noise[np.ix_(near, near)]
    size = len(covariance)
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_normal(np.zeros(size), covariance, _DRAWS, method="eigh")
    drawn = np.vstack([drawn, -drawn])  # so that it averages 0
    return float(drawn.max(axis=1).mean()), size - 1


def training_variance(right: Right) -> float:
    """Estimate the variance of one run's accuracy beyond that of single images.

    The variance between runs minus the variance if every image were right or wrong
    independently, which the images' own noise already includes (`differences`). The
    remainder does not depend on the number of images.

    Args:
        right: Whether run i classified image j correctly, shape (trainings, images), at
            least two runs.

    Returns:
        Squared fractions; by chance below 0 if runs differ in little else.
    """
    values = right.astype(np.float64)
    independent = values.var(axis=0, ddof=1).sum() / values.shape[1] ** 2
    return float(values.mean(axis=1).var(ddof=1) - independent)


def study_optimism(study: StudyFrames, ranking: Ranking) -> Optimism | None:
    """Estimate the optimism of a study's first trial, or return None.

    It needs a validation accuracy to choose by, stored predictions of at least two
    trials, and 100 images. It allows for the choice of seeds if that was measured.
    """
    if not study.objective.is_accuracy or len(ranking.ranked) < 2 or study.candidates:
        return None
    labels = study.predictions.labels("validation")
    if labels is None or len(labels) < _MIN_IMAGES:
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
        variance = _from_noise_study(study)
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
    """Pool the variances between runs of the trials that have at least three.

    Use the better half of the trials, from which the first is chosen: otherwise one
    trial that sometimes diverges would dominate.
    """
    better = trained[: -(-len(trained) // 2)]
    several = [right for right in better if len(right) >= _MIN_TRAININGS]
    if not several:
        return None
    freedom = [len(right) - 1 for right in several]
    variances = [training_variance(right) for right in several]
    return float(np.average(variances, weights=freedom))


def _from_noise_study(study: StudyFrames) -> float | None:
    """Estimate the variance between runs from the study's own `tune noise`, if ended.

    It is measured on test images and holds for validation images unchanged, since it
    excludes the part that depends on their number. Its seeds draw their own splits, so
    it includes that luck too and may be a little large. One config represents all.
    """
    folder = study.folder / "noise"
    try:
        noise = read_study(folder) if (folder / "study.json").exists() else None
    except RecordError:
        return None
    if noise is None or noise.kind != "noise" or noise.state != "completed":
        return None
    right = _right(noise, 0, "test")
    if right is None or len(right) < _MIN_TRAININGS:
        return None
    return training_variance(right)


def _right(study: StudyFrames, trial: int, split: str) -> Right | None:
    """Read which images each run classified correctly; None if any run is missing."""
    runs = study.executions[study.executions["trial"] == trial]
    trainings = [
        study.predictions.right(trial, int(execution), split)
        for execution in runs.loc[runs["final"], "execution"]
    ]
    stored = [right for right in trainings if right is not None]
    if not stored or len(stored) < len(trainings):
        return None
    return np.asarray(stored)
