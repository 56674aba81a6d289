"""Promises of schedules, smoothed labels and augmentation, in Keras itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from search_spaces.config import BASELINE
from search_spaces.layers import Conv2D, MaxPooling2D, layers

pytestmark = pytest.mark.slow


def _rates(config, steps):
    from search_spaces.layers import optimizer
    from search_spaces.model import create

    schedule = create(optimizer(config, steps).arguments["learning_rate"])
    return [float(schedule(step)) for step in range(steps + 1)]


def test_one_cycle_rises_for_a_fifth_and_falls_to_zero():
    """Its highest rate is the config's."""
    config = replace(BASELINE, schedule="one_cycle", learning_rate=0.5)
    rates = _rates(config, 100)
    assert rates[0] == pytest.approx(0.1)
    assert rates.index(max(rates)) == 20
    assert max(rates) == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0, abs=1e-6)
    assert rates[20:] == sorted(rates[20:], reverse=True)


def test_cosine_is_a_half_wave():
    """From the config's rate to zero, as Loshchilov and Hutter have it."""
    config = replace(BASELINE, schedule="cosine", learning_rate=0.2)
    expected = [0.1 * (1 + math.cos(math.pi * step / 40)) for step in range(41)]
    assert _rates(config, 40) == pytest.approx(expected, abs=1e-6)


def test_one_step_has_a_schedule_too():
    """A few images in one large batch."""
    for schedule in ("cosine", "one_cycle"):
        assert _rates(replace(BASELINE, schedule=schedule), 1)[0] > 0


def test_smoothed_labels_are_those_of_one_hot_labels():
    """Class ids give what Keras gives for one-hot labels."""
    import keras

    from search_spaces.model import smoothed_crossentropy

    rng = np.random.default_rng(0)
    logits = rng.normal(size=(16, 7)).astype("float32")
    labels = rng.integers(0, 7, 16)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2)
    expected = float(loss(keras.utils.to_categorical(labels, 7), logits))
    for shape in ((16,), (16, 1)):
        values = smoothed_crossentropy(0.2)(labels.reshape(shape), logits)
        assert float(np.mean(values)) == pytest.approx(expected, rel=1e-5)


def test_augmentation_moves_whole_pixels_and_only_in_training():
    """Evaluation sees the images as they are."""
    from search_spaces.model import build_model

    config = replace(BASELINE, flip=True, shift=0.125)
    model = build_model(config, (32, 32, 1), 10)
    flip, move = model.layers[2:4]
    images = np.random.default_rng(1).uniform(size=(64, 32, 32, 1)).astype("float32")
    assert np.array_equal(flip(images, training=False), images)
    assert np.array_equal(move(images, training=False), images)
    flipped = np.asarray(flip(images, training=True))
    is_flipped = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 16 < sum(is_flipped) < 48
    moved = np.asarray(move(images, training=True))
    shifts = set()
    for after, before in zip(moved, images, strict=True):
        inner = after[4:-4, 4:-4]
        places = [
            (dy, dx)
            for dy in range(9)
            for dx in range(9)
            if np.array_equal(inner, before[dy : dy + 24, dx : dx + 24])
        ]
        assert len(places) == 1
        shifts.add(places[0])
    assert len(shifts) > 20


def test_pooling_first_makes_the_rest_of_a_stage_cheaper():
    """It follows the first convolution of each stage, before what follows that."""
    config = replace(
        BASELINE, filters=(8,) * 4, pooling="max", pool_every=2, batch_norm=True
    )
    first = layers(replace(config, pool_first=True), 10)
    kinds = [type(layer) for layer in first]
    at = [i for i, kind in enumerate(kinds) if kind is MaxPooling2D]
    assert [kinds[i - 1] for i in at] == [Conv2D, Conv2D]
    assert len(at) == 2
    assert kinds[at[0] - 2] is not Conv2D
    assert len(layers(config, 10)) == len(first)


def test_a_hypermodel_gives_the_schedule_its_steps():
    """Under plain KerasTuner `fit` knows the images, and so the steps."""
    import keras_tuner

    from search_spaces.hypermodel import SpaceHyperModel
    from search_spaces.space import Space

    base = replace(BASELINE, schedule="cosine", epochs=3, batch_size=16)
    space = Space("one", lambda hp, base: replace(base, flip=hp.Boolean("flip")), base)
    hypermodel = SpaceHyperModel(space, (8, 8, 1), 10)
    hp = keras_tuner.HyperParameters()
    model = hypermodel.build(hp)
    x, y = np.zeros((50, 8, 8, 1), "uint8"), np.zeros(50, int)
    hypermodel.fit(hp, model, x, y, validation_split=0.2, verbose=0)
    assert int(model.optimizer.iterations) == 9
    assert float(model.optimizer.learning_rate) == pytest.approx(0.0, abs=1e-6)
