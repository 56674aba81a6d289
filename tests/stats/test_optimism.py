"""How much choosing the best of several inflates it, against a known truth."""

import dataclasses

import numpy as np
import pytest
import studies

from reports.pages.findings import luck
from reports.read.study import read_study
from reports.stats.differences import MARGIN
from reports.stats.optimism import (
    Optimism,
    if_equal,
    optimism,
    study_optimism,
    training_variance,
)
from reports.stats.ranking import rank
from search_spaces.config import CnnConfig
from tuner.study import record_files


def _draw(rng, trials, images, spread, *, k=1, seeds_sd=0.0):
    """Draw which images each of k runs gets right, and each trial's accuracy.

    Standard deviations are of the log-odds; shapes (trials, k, images), (trials,).
    """
    shared = rng.normal(0.9, 2.0, images)
    ability = rng.normal(0, spread, (trials, 1, 1))
    own = rng.normal(0, 1.0, (trials, 1, images))  # of each trial and image
    luck = rng.normal(0, seeds_sd, (trials, k, 1))
    p = 1 / (1 + np.exp(-(shared + own + ability + luck)))
    right = rng.random((trials, k, images)) < p
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    logits = 0.9 + np.sqrt(2.0**2 + 1 + seeds_sd**2) * nodes + ability[:, 0]
    truth = (1 / (1 + np.exp(-logits)) * weights).sum(axis=1) / weights.sum()
    return right, truth


def _lost(right, truth):
    """Give what the first by score loses on new images, with new trainings."""
    scores = right.mean(axis=(1, 2))
    # What all trials gain or lose by these images together is no luck of choosing.
    common = scores.mean() - truth.mean()
    best = int(scores.argmax())
    return scores[best] - truth[best] - common


def _assert_estimates(estimated, lost):
    """On average over studies, within the simulation's error and a fifth."""
    error = 2 * np.hypot(np.std(lost), np.std(estimated)) / np.sqrt(len(lost))
    assert np.mean(estimated) == pytest.approx(
        np.mean(lost), abs=error + 0.2 * np.mean(lost)
    )


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("trials", [5, 30])
def test_it_is_what_the_chosen_one_loses_on_new_images(trials, spread):
    """Where trainings of a config do not differ."""
    rng = np.random.default_rng(0)
    lost, estimated = [], []
    for _ in range(120):
        right, truth = _draw(rng, trials, 1000, spread)
        lost.append(_lost(right, truth))
        estimated.append(optimism(right[:, 0].astype(np.float32)))
    _assert_estimates(estimated, lost)


@pytest.mark.parametrize("seeds_sd", [0.05, 0.2])
@pytest.mark.parametrize("spread", [0.0, 0.3])
@pytest.mark.parametrize("k", [1, 3])
def test_it_is_what_new_trainings_lose_too(k, spread, seeds_sd):
    """The noise is measured on the trials, or on ten trainings of one config."""
    rng = np.random.default_rng(1)
    lost, estimated, of_images = [], [], []
    for _ in range(120):
        right, truth = _draw(rng, 12, 1000, spread, k=k, seeds_sd=seeds_sd)
        lost.append(_lost(right, truth))
        measured = right
        if k == 1:
            measured, _ = _draw(rng, 1, 2000, 0.0, k=10, seeds_sd=seeds_sd)
        variance = np.mean([training_variance(trial) for trial in measured])
        share = right.mean(axis=1).astype(np.float32)
        sd = np.sqrt(max(0, variance) / k)
        estimated.append(optimism(share, sd))
        of_images.append(optimism(share))
    _assert_estimates(estimated, lost)
    if seeds_sd > 0.1:
        assert np.mean(of_images) < 0.7 * np.mean(lost), "images are not all of it"


def test_one_that_is_far_ahead_is_no_luck():
    """Nothing else is ever chosen, so nothing is added."""
    rng = np.random.default_rng(0)
    right = (
        rng.random((5, 2000)) < np.array([[0.9], [0.5], [0.5], [0.5], [0.5]])
    ) * 1.0
    assert abs(optimism(right)) < 1e-3
    assert abs(optimism(right, 0.01)) < 1e-3


def test_the_variance_between_trainings_leaves_single_images_out():
    """It is that of the accuracies, on few images as on many."""
    rng = np.random.default_rng(2)
    for images in (500, 5000):
        variances = []
        for _ in range(300):
            p = 0.7 + rng.normal(0, 0.01, (5, 1))
            variances.append(training_variance(rng.random((5, images)) < p))
        error = 3 * np.std(variances) / np.sqrt(300)
        assert np.mean(variances) == pytest.approx(0.01**2, abs=error)


def _write(folder, split, trials, seeds_sd):
    """Write predictions of trainings that differ by so much, as a fraction."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 10, 2000).astype(np.uint8)
    np.savez(record_files.labels_path(folder), **{split: labels})
    for trial, trainings in enumerate(trials):
        for i in range(trainings):
            right = rng.random(2000) < 0.6 + rng.normal(0, seeds_sd)
            path = record_files.predictions_path(folder, trial, i)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **{split: np.where(right, labels, (labels + 1) % 10)})


def _optimism(folder):
    study = read_study(folder)
    return study_optimism(study, rank(study))


@pytest.mark.parametrize(("executions", "covers"), [(1, False), (2, False), (3, True)])
def test_a_study_covers_what_it_measured(tmp_path, executions, covers):
    """Three trainings of each trial tell how far they lie apart; fewer do not."""
    folder = studies.write_study(tmp_path, n=8, executions=executions)
    _write(folder, "validation", [executions] * 8, 0.03)
    measured = _optimism(folder)
    assert (measured.training_sd is not None) == covers
    if covers:
        assert measured.source == "executions"
        assert 0.01 < measured.training_sd < 0.06


def test_a_noise_study_within_covers_trainings(tmp_path):
    """Once it has ended, and not while it runs."""
    folder = studies.write_study(tmp_path, n=8)
    _write(folder, "validation", [1] * 8, 0.03)
    alone = _optimism(folder)
    inner = studies.write_candidates(
        folder / "noise", {"baseline": (CnnConfig(), 0.6)}, "noise", 5
    )
    _write(inner, "test", [5], 0.03)
    record = record_files.read_study(inner)
    measured = _optimism(folder)
    assert alone.training_sd is None
    assert measured.source == "noise study"
    assert measured.value > alone.value
    record_files.write_study(inner, dataclasses.replace(record, state="interrupted"))
    assert _optimism(folder) == alone


IMAGES = Optimism(0.004, 0.006, 7, 5000)
NONE = IMAGES._replace(value=-0.001, most=0.003)


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (None, ""),
        (IMAGES, "Picking the best of 8 inflates its validation accuracy by about 0.4"),
        (IMAGES, "on top), or by 0.6 points if the 7 other trials that may be as good"),
        (IMAGES._replace(value=0.02), "accuracy by about 0.6 points"),
        (NONE, "accuracy by less than 0.1 points (cross-validated"),
        (
            NONE,
            "or by 0.3 points if the 7 other trials that may be as good really are.",
        ),
        (NONE._replace(near=0, most=0.0), "luck in training comes on top)."),
        (NONE._replace(most=0.03, images=130), ". 130 images cannot tell which."),
        (
            NONE._replace(most=0.03, near=1),
            "or by up to 3.0 points if the one other",
        ),
        (NONE._replace(most=0.03, near=1), "that may be as good really is."),
        (NONE._replace(most=0.03, value=0.01), "by about 1.0 points (cross-validated"),
        (IMAGES._replace(near=0, most=0.0), "accuracy by about 0.4 points"),
        (
            NONE._replace(training_sd=0.003, source="executions"),
            "0.30 points between runs",
        ),
        (
            IMAGES._replace(training_sd=0.003, source="noise study"),
            "measured by this study's tune noise",
        ),
    ],
)
def test_the_sentence_says_which_luck_it_covers(measured, expected):
    """Of the images, or of images and trainings, and how far it can be trusted."""
    text = luck(measured, 8)
    assert expected in text
    if measured and measured.training_sd:
        assert "on top" not in text


@pytest.mark.parametrize("images", [130, 1000])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_what_is_said_of_luck_holds(images, spread):
    """Next to nothing is rarely said of what is more, and the bound is one."""
    rng = np.random.default_rng(4)
    lost, most, said = [], [], []
    for _ in range(80):
        right, truth = _draw(rng, 12, images, spread)
        lost.append(_lost(right, truth))
        share = right[:, 0].astype(np.float32)
        measured = Optimism(optimism(share), *if_equal(share), images)
        most.append(measured.most)
        text = luck(measured, 12)
        said.append("by less than 0.1" in text and "cannot tell" not in text)
    error = 2 * np.hypot(np.std(lost), np.std(most)) / np.sqrt(80)
    assert np.mean(most) >= np.mean(lost) - error
    if not spread:  # the bound is then what it is
        assert np.mean(most) == pytest.approx(np.mean(lost), abs=error)
        assert not any(said)
    if any(said):
        little = np.asarray(lost)[said]
        assert np.mean(little) < MARGIN + 2 * np.std(lost) / np.sqrt(len(little))
