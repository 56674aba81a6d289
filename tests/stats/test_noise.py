"""Gains of changes without effect, against simulation and statsmodels."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from reports.stats import noise


@pytest.mark.parametrize("changes", [1, 3, 6, 30])
def test_the_best_of_nulls_is_that_of_a_simulation(changes):
    """Mean and 95 % quantile of the best change over one run of the baseline."""
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(200_000, changes + 1))
    gains = draws[:, 1:].max(axis=1) - draws[:, 0]
    mean, high = noise.best_of_nulls(changes)
    assert mean == pytest.approx(gains.mean(), abs=0.02)
    assert high == pytest.approx(np.quantile(gains, 0.95), abs=0.03)


@pytest.mark.parametrize(
    ("points", "seeds"), [(1.0, 3), (0.8, 4), (0.5, 7), (0.3, 17), (0.2, 37)]
)
def test_the_seeds_needed_are_those_of_a_t_test(points, seeds):
    """For a standard deviation of 0.3 points, 80 % power, as statsmodels has it."""
    assert noise.seeds_needed(points / 100, 0.003) == seeds
    power = TTestIndPower().power(points / 0.3, seeds, 0.05)
    one_less = TTestIndPower().power(points / 0.3, seeds - 1, 0.05)
    assert one_less < 0.8 <= power


def test_few_seeds_make_wider_limits():
    """A limit from few seeds covers 19 of 20, since it allows for estimation error."""
    rng = np.random.default_rng(0)
    for seeds in (3, 5, 10):
        draws = rng.normal(size=(20_000, seeds + 7))
        sd = draws[:, :seeds].std(axis=1, ddof=1)
        gains = draws[:, seeds + 1 :].max(axis=1) - draws[:, seeds]
        _, high = noise.best_of_nulls(6, seeds - 1)
        assert np.mean(gains > high * sd) == pytest.approx(0.05, abs=0.006)


def test_what_no_number_of_seeds_shows_is_infinite():
    """A tiny effect of a noisy config would need more than 10,000 seeds."""
    assert noise.seeds_needed(1e-9, 0.3) == np.inf


def test_the_floor_is_a_bound_on_what_images_hide():
    """Changes that move fewer images can be told apart by less."""
    measured = noise.Noise(5, 0.7, 0.003, 0.002, 0.008, 0.004, 0.2, 10_000)
    floor = noise.floor(measured)
    assert floor == pytest.approx(2.8016 * np.sqrt(0.2 / 10_000), rel=1e-3)
    assert noise.floor(measured._replace(disagreement=0.05)) < floor
