"""Promises of the layers' arithmetic."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from search_spaces.config import HYPERPARAMETERS, CnnConfig
from search_spaces.fields import Choice, Flag, Number, Sizes
from search_spaces.layers import (
    count_multiply_adds,
    count_params,
    infeasibility,
    layers,
    network_key,
)

CIFAR = (32, 32, 3)


def test_the_baseline_counts_as_by_hand():
    """3x3x3 filters on 30x30 pixels, then 28,800 inputs to 128 units, then 10."""
    conv, dense, out = 32 * 28, 128 * 28_801, 10 * 129
    assert count_params(CnnConfig(), CIFAR, 10) == conv + dense + out == 3_688_714

    macs = 30 * 30 * 27 * 32 + 28_800 * 128 + 128 * 10
    assert count_multiply_adds(CnnConfig(), CIFAR, 10) == macs


@pytest.mark.parametrize(
    ("config", "shape", "text"),
    [
        (CnnConfig(), (2, 2, 1), "leaves nothing of a 2x2 image"),
        (CnnConfig(filters=(8,) * 4), (8, 8, 1), "leaves nothing of a 8x8 image"),
        (
            CnnConfig(pooling="max", pool_size=8),
            (6, 6, 1),
            "MaxPooling2D.*leaves nothing",
        ),
        (CnnConfig(pooling="max", pool_every=2), CIFAR, "pool_every=2 .* nothing"),
    ],
)
def test_a_network_that_cannot_be_says_why(config, shape, text):
    """A config without a network is known before anything is built."""
    assert re.search(text, infeasibility(config, shape) or "")
    assert not config.is_feasible(shape)


def test_padding_keeps_small_images_feasible():
    """Same padding takes nothing from the border."""
    assert CnnConfig(filters=(8,) * 6, padding="same").is_feasible((3, 3, 1))


def test_configs_that_build_one_network_have_one_key():
    """Dead values and a 1-pixel kernel's padding do not make a new config."""
    same = [
        (CnnConfig(), CnnConfig(pool_size=3, pool_every=2)),
        (CnnConfig(kernel_size=1), CnnConfig(kernel_size=1, padding="same")),
        (CnnConfig(), CnnConfig(outputs=10)),
    ]
    for a, b in same:
        assert network_key(a, 10) == network_key(b, 10)
    assert network_key(CnnConfig(), 10) != network_key(CnnConfig(epochs=6), 10)
    assert network_key(CnnConfig(), 10) != network_key(CnnConfig(dropout=0.1), 10)


POOLED = CnnConfig(filters=(8, 8), pooling="max", pool_every=2, batch_norm=True)


def _others(name, value):
    """Give some legal values of a hyperparameter that are not the given one."""
    match HYPERPARAMETERS[name]:
        case Choice(choices=choices):
            return [choice for choice in choices if choice != value]
        case Flag():
            return [not value]
        case Sizes():
            return [(*value, 5), (*value[1:], 5)]
        case Number(low=low, high=high):
            return [other for other in (low, high) if other != value]


@pytest.mark.parametrize("name", HYPERPARAMETERS)
def test_every_hyperparameter_makes_another_network_or_training(name):
    """One that claims to be in the layers is, and no other is forgotten."""
    for other in _others(name, getattr(POOLED, name)):
        config = replace(POOLED, **{name: other})
        assert network_key(config, 10) != network_key(POOLED, 10), config
        if HYPERPARAMETERS[name].architecture:
            assert layers(config, 10) != layers(POOLED, 10)
