"""Differences of accuracy: against references, and against a known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from reports.stats.differences import MARGIN, Difference, compare
from reports.stats.intervals import half_width

# Difficulty of images and luck of trainings, as standard deviations of the log-odds.
SETTINGS = [
    pytest.param(images, seeds, id=f"images {images}, trainings {seeds}")
    for images in (0.8, 2.5)
    for seeds in (0.0, 0.02, 0.1)
]


def _simulate(rng, k, n, images_sd, seeds_sd, *, shift=0.0, share=0.0):
    """Draw two configs' trainings; `share` of their luck is the same for both."""
    difficulty = rng.normal(0.9, images_sd, n)
    common = rng.normal(0, seeds_sd * np.sqrt(share), (k, 1))
    right = []
    same = rng.random((k, n))
    for offset in (shift, 0.0):
        own = rng.normal(0, seeds_sd * np.sqrt(1 - share), (k, 1))
        p = 1 / (1 + np.exp(-(difficulty + offset + common + own)))
        shared = rng.random((k, n)) < share
        right.append(np.where(shared, same, rng.random((k, n))) < p)
    return right


def _truth(images_sd, seeds_sd, shift):
    """Integrate over images and trainings: the expected difference."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    spread = np.hypot(images_sd, seeds_sd)

    def mean(offset):
        values = 1 / (1 + np.exp(-(0.9 + offset + spread * nodes)))
        return (weights * values).sum() / weights.sum()

    return mean(shift) - mean(0.0)


@pytest.mark.parametrize("is_paired", [False, True], ids=["apart", "paired"])
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("images_sd", "seeds_sd"), SETTINGS)
def test_intervals_cover_a_known_truth(is_paired, k, images_sd, seeds_sd):
    """95 % intervals cover at least 93 %, within the simulation's own error."""
    rng = np.random.default_rng(0)
    truth = _truth(images_sd, seeds_sd, 0.1)
    runs, share = 600, 0.5 if is_paired else 0.0
    covered = 0
    for _ in range(runs):
        ours, theirs = _simulate(
            rng, k, 1000, images_sd, seeds_sd, shift=0.1, share=share
        )
        seen = compare(ours, theirs, is_paired=is_paired)
        covered += seen.low <= truth <= seen.high
    # Three Monte-Carlo standard errors of 93 % at 600 runs are 3.1 points.
    assert covered / runs >= 0.93 - 0.031


def test_a_pair_is_compared_more_sharply_than_strangers():
    """Luck that both share cancels, and the interval knows."""
    rng = np.random.default_rng(1)
    widths = {True: [], False: []}
    for _ in range(100):
        ours, theirs = _simulate(rng, 5, 1000, 0.8, 0.3, share=0.95)
        for is_paired, seen in widths.items():
            found = compare(ours, theirs, is_paired=is_paired)
            seen.append(found.high - found.low)
    assert np.median(widths[True]) < 0.6 * np.median(widths[False])


def test_configs_that_are_equal_are_rarely_called_different():
    """Eight comparisons of nothing with simultaneous intervals: under 5 % a page."""
    rng = np.random.default_rng(2)
    pages, wrong = 300, 0
    for _ in range(pages):
        words = set()
        theirs = _simulate(rng, 3, 1000, 1.5, 0.05)[0]
        for _ in range(8):
            ours = _simulate(rng, 3, 1000, 1.5, 0.05)[0]
            # Images are drawn anew: far noisier than a page's, which share them.
            words.add(compare(ours, theirs, level=1 - 0.05 / 8).word())
        wrong += bool(words & {"better", "worse"})
    assert wrong / pages < 0.05


def test_one_training_each_covers_the_two_networks():
    """For fixed networks and random images, also where they hardly differ."""
    rng = np.random.default_rng(3)
    for n, p_win, p_loss in [(100, 0.02, 0.01), (1000, 0.15, 0.12), (200, 0.001, 0)]:
        covered, runs = 0, 2000
        for _ in range(runs):
            draw = rng.random(n)
            ours = draw < p_win
            theirs = (draw >= p_win) & (draw < p_win + p_loss)
            seen = compare(ours[None], theirs[None])
            covered += seen.low <= p_win - p_loss <= seen.high
        assert covered / runs >= 0.94, (n, p_win, p_loss)


@given(st.integers(0, 24), st.integers(0, 24))
def test_few_discordant_images_agree_with_mcnemars_exact_test(wins, losses):
    """Whoever is called different is different by McNemar's exact test."""
    if not 0 < wins + losses < 25:
        return
    ours = np.array([True] * wins + [False] * losses + [True] * 500)[None]
    theirs = np.array([False] * wins + [True] * losses + [True] * 500)[None]

    seen = compare(ours, theirs)

    p = mcnemar([[500, wins], [losses, 0]], exact=True).pvalue
    if seen.low > 0 or seen.high < 0:
        assert p <= 0.05
    if p < 0.01:
        assert seen.low > 0 or seen.high < 0


def test_many_discordant_images_agree_with_mcnemars_test():
    """At a usual size the interval leaves 0 out where McNemar's p is under 5 %."""
    n = 10_000
    for extra in range(0, 200, 5):
        wins, losses = 900 + extra, 900
        ours = np.zeros((1, n), bool)
        theirs = np.zeros((1, n), bool)
        ours[0, :wins] = True
        theirs[0, wins : wins + losses] = True
        p = mcnemar([[0, wins], [losses, 0]], exact=False, correction=False).pvalue
        if abs(p - 0.05) > 0.005:
            assert (compare(ours, theirs).low > 0) == (p < 0.05)


def test_paired_trainings_agree_with_a_t_test_where_images_are_many():
    """Without image noise it is the t interval of the per-training differences."""
    rng = np.random.default_rng(4)
    accuracies = rng.normal(0.70, 0.02, 5), rng.normal(0.71, 0.02, 5)
    n = 20_000
    right = [np.array([np.arange(n) < round(a * n) for a in arm]) for arm in accuracies]

    seen = compare(*right, is_paired=True)

    expected = stats.ttest_rel(*(arm.mean(axis=1) for arm in right))
    low, high = expected.confidence_interval()
    assert seen.low == pytest.approx(low, abs=0.05 * (high - low))
    assert seen.high == pytest.approx(high, abs=0.05 * (high - low))


@pytest.mark.parametrize(
    ("low", "high", "trainings", "word"),
    [
        (0.001, 0.004, 3, "too small to matter"),
        (-0.004, 0.004, 1, "too small to matter"),
        (0.001, 0.02, 3, "better"),
        (-0.03, -0.002, 5, "worse"),
        (-0.01, 0.02, 5, "inconclusive"),
        (0.01, 0.02, 2, "no verdict"),
    ],
)
def test_the_word_follows_from_the_interval(low, high, trainings, word):
    """Too small comes first, and two trainings get no verdict."""
    found = Difference((low + high) / 2, low, high, 0.95, trainings, is_paired=False)

    assert found.word() == word
    assert MARGIN == 0.005


def test_shapes_that_do_not_fit_are_refused():
    """The message has both shapes."""
    a, b = np.ones((2, 10), bool), np.ones((2, 11), bool)
    with pytest.raises(ValueError, match=r"\(2, 10\) and \(2, 11\)"):
        compare(a, b)
    with pytest.raises(ValueError, match="equal numbers, got 2 and 1"):
        compare(a, a[:1], is_paired=True)


@pytest.mark.parametrize("shift", [0.12, 0.2])
def test_the_seeds_that_would_settle_it_do(shift):
    """With so many trainings, about four of five comparisons exclude 0."""
    rng = np.random.default_rng(1)
    n, images_sd, seeds_sd = 4000, 1.0, 0.05
    wanted = []
    for _ in range(60):
        ours, theirs = _simulate(rng, 5, n, images_sd, seeds_sd, shift=shift)
        seen = compare(ours, theirs)
        truth = seen._replace(value=_truth(images_sd, seeds_sd, shift))
        wanted.append(truth.trainings_to_settle())
    k = int(np.median(wanted))
    assert 3 <= k <= 60
    found = 0
    for _ in range(200):
        ours, theirs = _simulate(rng, k, n, images_sd, seeds_sd, shift=shift)
        seen = compare(ours, theirs)
        found += seen.low > 0
    assert 0.65 <= found / 200 <= 0.97


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_seeds_settle_what_is_as_large_as_is_said(share):
    """Of what is inconclusive: four in five where the truth is so large, not of all."""
    rng = np.random.default_rng(2)
    images_sd, seeds_sd, k = 0.002, 0.012, 3
    runs, settled = 1500, {True: [], False: []}
    truth = rng.normal(0, 0.015, runs)
    drawn = (truth + rng.normal(0, images_sd, runs))[:, None]
    drawn = drawn + rng.normal(0, seeds_sd, (runs, 200))

    def seen(values):
        spread = values.var(ddof=1)
        half = half_width(images_sd**2, spread / len(values), len(values) - 1)
        mean = values.mean()
        return Difference(
            mean, mean - half, mean + half, 0.95, len(values), True, images_sd**2,
            spread,
        )  # fmt: skip

    for true, values in zip(truth, drawn, strict=True):
        now = seen(values[:k])
        wanted = now._replace(value=share * now.value).trainings_to_settle(margin=-1)
        if now.word() != "inconclusive" or not np.isfinite(wanted):
            continue
        then = seen(values[: max(k + 2, int(wanted))])
        is_so_large = true * np.sign(now.value) >= share * abs(now.value)
        settled[is_so_large].append(then.word() in ("better", "worse"))
    assert min(map(len, settled.values())) >= 20
    assert np.mean(settled[True]) >= 0.8
    assert np.mean(settled[False]) < 0.7


def test_image_noise_is_a_floor_that_no_seed_lowers():
    """A difference below it is said to be beyond any number of seeds."""
    small = Difference(0.006, -0.01, 0.02, 0.95, 3, False, 0.004**2, 0.003**2)
    assert np.isnan(small.trainings_to_settle())
    assert small.smallest_settled() == pytest.approx((1.96 + 0.8416) * 0.004, rel=1e-3)
    large = small._replace(value=0.013)
    assert 2 <= large.trainings_to_settle() < 20
    assert large._replace(training_variance=0.08**2).trainings_to_settle() > 200


def test_an_interval_ends_where_differences_end():
    """Two trainings leave one degree of freedom, and still no more than 100 points."""
    rng = np.random.default_rng(0)
    ours = np.stack([rng.random(500) < p for p in (0.9, 0.4)])
    theirs = np.stack([rng.random(500) < p for p in (0.3, 0.6)])
    found = compare(ours, theirs, is_paired=True, level=0.99)

    assert (found.low, found.high) == (-1.0, 1.0)
    assert found.word() == "no verdict"
