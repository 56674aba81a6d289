"""Promises of the hypermodel: ordinary KerasTuner, and true to the arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from search_spaces.config import CnnConfig
from search_spaces.layers import count_params

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "config",
    [
        CnnConfig(),
        CnnConfig(filters=(8, 16, 24), padding="same", batch_norm=True),
        CnnConfig(filters=(8,) * 3, pooling="average", pool_size=3, pool_every=2),
        CnnConfig(filters=(4, 4), kernel_size=5, pooling="max", units=(), outputs=64),
        CnnConfig(
            filters=(8, 8, 16, 16),
            padding="same",
            batch_norm=True,
            pooling="max",
            pool_every=2,
            pool_first=True,
            head="average",
            flip=True,
            shift=0.1,
        ),
        CnnConfig(filters=(4, 4), head="max", activation="gelu", units=(8,)),
    ],
)
def test_the_arithmetic_counts_what_keras_builds(config):
    """Parameters, output shape and pooled sizes agree with the built model."""
    from search_spaces.model import build_model

    model = build_model(config, (32, 28, 3), 10)
    assert count_params(config, (32, 28, 3), 10) == model.count_params()
    assert model.output_shape == (None, config.outputs or 10)


def test_a_wide_output_can_still_be_trained_and_is_never_right_beyond():
    """128 outputs over ten classes: the loss takes integer labels all the same."""
    from search_spaces.model import build_model

    model = build_model(CnnConfig(outputs=128, filters=(4,)), (8, 8, 1), 10)
    x = np.zeros((4, 8, 8, 1), "uint8")
    assert np.isfinite(model.evaluate(x, np.arange(4), verbose=0)[0])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras_tuner, tensorboard
def test_points_without_a_network_do_not_end_a_search(tmp_path):
    """KerasTuner gives up after three failures; here most points are impossible."""
    import keras_tuner as kt
    from tasks import digits

    from search_spaces.hypermodel import hypermodel

    data = digits()
    tuner = kt.RandomSearch(
        hypermodel("architecture", (4, 4, 1), 10),
        objective="val_accuracy",
        max_trials=8,
        seed=3,
        directory=tmp_path,
    )
    x, y = data.x_train[:, 2:6, 2:6], data.y_train
    tuner.search(x, y, epochs=1, validation_split=0.2, verbose=0)
    scores = [trial.score for trial in tuner.oracle.trials.values()]
    assert len(scores) == 8
    assert 0.0 in scores
    assert tuner.oracle.get_best_trials()[0].score > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras_tuner, tensorboard
@pytest.mark.parametrize("name", ["architecture", "hyperparams"])
def test_an_unmodified_random_search_searches_it(name, tmp_path):
    """KerasTuner's own tuner builds, trains and ranks our hypermodel."""
    import keras_tuner as kt
    from tasks import digits

    from search_spaces.hypermodel import hypermodel

    data = digits()
    tuner = kt.RandomSearch(
        hypermodel(name, data.input_shape, 10),
        objective="val_accuracy",
        max_trials=3,
        seed=3,
        directory=tmp_path,
        project_name=name,
    )
    x, y = data.x_train, data.y_train
    tuner.search(x, y, epochs=2, validation_split=0.2, verbose=0)

    trials = tuner.oracle.trials.values()
    completed = [t for t in trials if t.status == "COMPLETED"]
    assert completed, [t.message for t in trials]
    best = tuner.oracle.get_best_trials()[0]
    assert 0.0 < best.score <= 1.0
    declared = {"stages", "filters_1"} if name == "architecture" else {"epochs"}
    assert declared <= set(best.hyperparameters.values)
