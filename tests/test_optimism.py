"""How much the best of several is too good: against a known truth."""

import numpy as np
import pytest

from reports.optimism import optimism


def _draw(rng, trials, images, spread):
    """Draw which images each trial has right, and each trial's true accuracy."""
    shared = rng.normal(0.9, 2.0, images)
    ability = rng.normal(0, spread, (trials, 1))
    own = rng.normal(0, 1.0, (trials, images))
    right = rng.random((trials, images)) < 1 / (1 + np.exp(-(shared + own + ability)))
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    logits = 0.9 + np.hypot(2.0, 1.0) * nodes + ability
    truth = (1 / (1 + np.exp(-logits)) * weights).sum(axis=1) / weights.sum()
    return right.astype(np.float32), truth


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("trials", [5, 30])
def test_it_is_what_the_chosen_one_loses_on_new_images(trials, spread):
    """On average over studies, within the simulation's error and a fifth."""
    rng = np.random.default_rng(0)
    lost, estimated = [], []
    for _ in range(120):
        right, truth = _draw(rng, trials, 1000, spread)
        # What all trials gain or lose by these images together is no luck of choosing.
        common = right.mean() - truth.mean()
        best = int(right.mean(axis=1).argmax())
        lost.append(right[best].mean() - truth[best] - common)
        estimated.append(optimism(right))
    error = 2 * np.hypot(np.std(lost), np.std(estimated)) / np.sqrt(len(lost))
    assert np.mean(estimated) == pytest.approx(
        np.mean(lost), abs=error + 0.2 * np.mean(lost)
    )


def test_one_that_is_far_ahead_is_no_luck():
    """Nothing else is ever chosen, so nothing is added."""
    rng = np.random.default_rng(0)
    right = (
        rng.random((5, 2000)) < np.array([[0.9], [0.5], [0.5], [0.5], [0.5]])
    ) * 1.0
    assert abs(optimism(right)) < 1e-3
