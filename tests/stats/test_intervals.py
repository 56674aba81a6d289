import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from reports.stats import intervals


@given(st.integers(1, 20_000), st.floats(0, 1))
def test_wilson_agrees_with_statsmodels(n, share):
    """The interval is the one that statsmodels computes."""
    right = round(share * n)
    expected = proportion_confint(right, n, alpha=0.05, method="wilson")

    low, high = intervals.wilson_interval([right / n], n)

    assert low[0] == pytest.approx(expected[0], abs=1e-9)
    assert high[0] == pytest.approx(expected[1], abs=1e-9)


def test_wilson_covers_as_often_as_it_says():
    """About 95 % of many samples' intervals cover a known accuracy."""
    rng = np.random.default_rng(0)
    truth, n = 0.7, 1000
    seen = rng.binomial(n, truth, 20_000) / n

    low, high = intervals.wilson_interval(seen, n)

    assert np.mean((low <= truth) & (truth <= high)) == pytest.approx(0.95, abs=0.01)


def test_wilson_stays_inside_at_the_ends():
    """All right or all wrong still gives an interval with a width."""
    low, high = intervals.wilson_interval([0.0, 1.0], 100)

    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (high - low > 0.01).all()


def test_wilson_keeps_missing_missing():
    """A trial without a score has no interval."""
    low, high = intervals.wilson_interval([np.nan, 0.5], 100)

    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()


def test_no_images_is_an_error_that_says_so():
    """There is no interval for an empty split."""
    with pytest.raises(ValueError, match="at least one image, got images=0"):
        intervals.wilson_interval([0.5], 0)


def _simulate_gaps(rng, k, runs, images_sd, seeds_sd):
    """Draw gaps of k trainings on 1,000 train and 1,000 test images, run by run.

    An image is equally difficult for every run; how much a run overfits is its own
    luck. Standard deviations are of the log-odds.
    """
    accuracies, truth = [], []
    for level in (2.0, 0.9):  # train, test
        difficulty = rng.normal(level, images_sd, (runs, 1, 1000)).astype("float32")
        luck = rng.normal(0, seeds_sd, (runs, k, 1)).astype("float32")
        p = 1 / (1 + np.exp(-(difficulty + luck)))
        right = rng.random(p.shape, dtype="float32") < p
        accuracies.append(right.mean(axis=2))
        truth.append(_mean_accuracy(level, np.hypot(images_sd, seeds_sd)))
    return (*accuracies, truth[0] - truth[1])


def _mean_accuracy(level, spread):
    """Integrate over images and trainings."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = 1 / (1 + np.exp(-(level + spread * nodes)))
    return (weights * values).sum() / weights.sum()


def _gap_halves(train, test):
    gaps = train - test
    return intervals.gap_half_width(
        train.mean(axis=1), test.mean(axis=1), 1000, 1000,
        seed_variance=gaps.var(axis=1, ddof=1) if gaps.shape[1] > 1 else np.nan,
        executions=gaps.shape[1],
    )  # fmt: skip


@pytest.mark.parametrize("seeds_sd", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("images_sd", [0.8, 2.5])
@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_gap_intervals_cover_a_known_truth(k, images_sd, seeds_sd):
    """95 % intervals cover at least 93 %, within the simulation's own error."""
    rng = np.random.default_rng(1)
    runs = 600
    train, test, truth = _simulate_gaps(rng, k, runs, images_sd, seeds_sd)

    half = _gap_halves(train, test)

    covered = np.abs((train - test).mean(axis=1) - truth) <= half
    # Three Monte-Carlo standard errors of 93 % at 600 runs are 3.1 points.
    assert covered.mean() >= 0.93 - 0.031


def test_one_training_has_the_gap_interval_of_one_network():
    """It covers the choice of images, and not another training's luck."""
    rng = np.random.default_rng(2)
    train, test, truth = _simulate_gaps(rng, 1, 2000, 0.8, 0.0)
    covered = np.abs((train - test)[:, 0] - truth) <= _gap_halves(train, test)
    assert covered.mean() == pytest.approx(0.95, abs=0.015)
    train, test, truth = _simulate_gaps(rng, 1, 2000, 0.8, 0.3)
    covered = np.abs((train - test)[:, 0] - truth) <= _gap_halves(train, test)
    assert covered.mean() < 0.7


def test_gap_half_width_by_hand():
    """0.8 and 0.7 on 10,000 images each: the root of 0.16 + 0.21 over 10,000."""
    half = intervals.gap_half_width([0.8], [0.7], 10_000, 10_000)

    assert half[0] == pytest.approx(intervals.Z_95 * np.sqrt(0.37 / 10_000))


def test_gap_interval_is_a_t_interval_where_images_are_many():
    """Without image noise it is Student's interval of the gaps."""
    gaps = np.array([0.10, 0.14, 0.11])

    half = intervals.gap_half_width(
        0.8, 0.8 - gaps.mean(), 10**12, 10**12,
        seed_variance=gaps.var(ddof=1), executions=3,
    )  # fmt: skip

    low, high = stats.ttest_1samp(gaps, 0).confidence_interval()
    assert half == pytest.approx((high - low) / 2, rel=1e-5)


def test_seeds_that_disagree_widen_the_gap_interval():
    """The variance between executions adds to that of the images."""
    frame = pd.DataFrame({
        "train_accuracy": [0.8, 0.8, 0.8, 0.8],
        "test_accuracy": [0.7, 0.7, 0.7, 0.7],
        "gap_variance": [np.nan, 1e-4, 1e-4, 1e-4],
        "executions": [1, 2, 3, 8],
    })  # fmt: skip

    half = intervals.with_gap_interval(frame, 10_000, 10_000)["gap_half"]

    assert half[1] > half[2] > half[3] > half[0]
    assert half[1] < 1, "wide, and still within what a gap can be"
