"""Promises of CnnConfig."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import (
    BASELINE,
    HYPERPARAMETERS,
    CnnConfig,
    completed,
    config_key,
    unlike_baseline,
)
from tuner.system.seeds import execution_seed

configs = st.builds(
    CnnConfig,
    filters=st.lists(st.integers(1, 64), min_size=1, max_size=6).map(tuple),
    kernel_size=st.integers(1, 5),
    padding=st.sampled_from(["valid", "same"]),
    activation=st.sampled_from(["relu", "gelu", "silu"]),
    batch_norm=st.booleans(),
    batch_norm_momentum=st.floats(0.5, 0.99),
    pooling=st.sampled_from(["none", "max", "average"]),
    pool_size=st.integers(2, 3),
    pool_every=st.integers(1, 3),
    pool_first=st.booleans(),
    head=st.sampled_from(["flatten", "average", "max"]),
    units=st.lists(st.integers(1, 256), max_size=3).map(tuple),
    outputs=st.none() | st.integers(10, 256),
    dropout=st.floats(0, 0.9),
    flip=st.booleans(),
    shift=st.floats(0, 0.5),
    label_smoothing=st.floats(0, 0.5),
    schedule=st.sampled_from(["constant", "cosine", "one_cycle"]),
    epochs=st.integers(1, 50),
)


@given(configs)
def test_a_config_survives_its_dict(config):
    """What does not apply is dropped, and nothing else."""
    back = CnnConfig.from_dict(config.to_dict())

    assert back.to_dict() == config.to_dict()
    if config.pooled and config.batch_norm:
        assert back == config


@given(configs, st.sampled_from(sorted(HYPERPARAMETERS)))
def test_a_younger_hyperparameter_changes_no_seed_and_no_comparison(config, name):
    """A version that lacked one wrote configs without it, all at its default."""
    config = replace(config, **{name: getattr(BASELINE, name)})
    now = config.to_dict()
    its = HYPERPARAMETERS[name].flat(name, getattr(config, name))
    then = {entry: value for entry, value in now.items() if entry not in its}
    assert config_key(then) == config_key(now)
    assert completed(then) == now
    seeds = [execution_seed(7, unlike_baseline(flat), 0) for flat in (then, now)]
    assert seeds[0] == seeds[1]


@given(configs)
def test_the_key_of_a_config_gives_the_config_back(config):
    """Nothing is lost where values of the baseline are left out."""
    sparse = unlike_baseline(config.to_dict())
    assert CnnConfig.from_dict(completed(sparse)).to_dict() == config.to_dict()


def test_the_baseline_is_the_published_one():
    """32 filters of 3x3, 128 units, Adam at 0.001, batches of 32, 5 epochs."""
    assert BASELINE.to_dict() == {
        "conv_layers": 1,
        "filters_1": 32,
        "kernel_size": 3,
        "padding": "valid",
        "activation": "relu",
        "batch_norm": False,
        "pooling": "none",
        "head": "flatten",
        "dense_layers": 1,
        "units_1": 128,
        "dropout": 0.0,
        "flip": False,
        "shift": 0.0,
        "label_smoothing": 0.0,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "schedule": "constant",
        "weight_decay": 0.0,
        "batch_size": 32,
        "epochs": 5,
    }


def test_what_a_value_switches_off_is_absent():
    """A pooling that is not there has no size."""
    assert "pool_size" not in CnnConfig().to_dict()
    assert CnnConfig(pooling="max").to_dict()["pool_size"] == 2
    assert "units_1" not in CnnConfig(units=()).to_dict()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"filters": (0,)}, "filters must be a whole number from 1 to 1024, got"),
        ({"filters": 48}, r"must be a tuple .* got filters=48. Write filters=\(48,\)"),
        ({"batch_size": float("inf")}, "batch_size must be a whole number from 1"),
        ({"filters": ()}, "filters must have 1 to 16 layers, got 0"),
        ({"padding": "full"}, "padding must be one of valid, same, got padding='full'"),
        ({"dropout": 1.5}, "dropout must be a number from 0 to 0.95, got dropout=1.5"),
        ({"epochs": 1.5}, "epochs must be a whole number from 1 to 100000, got"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"batch_norm": 2}, "batch_norm must be True or False, got batch_norm=2"),
        ({"learning_rate": "fast"}, "learning_rate must be a number from"),
    ],
)
def test_a_value_out_of_range_says_the_range(values, text):
    """An error states the rule and what arrived."""
    with pytest.raises(ValueError, match=text):
        CnnConfig(**values)


@pytest.mark.parametrize(
    ("flat", "text"),
    [
        ({"conv_layers": 2, "filters_1": 8}, "conv_layers=2 needs filters_1 to"),
        ({"filter": 8}, r"Unknown hyperparameters \['filter'\]. Known: conv_layers"),
        ({"filters": (8,)}, r"Unknown hyperparameters \['filters'\]"),
    ],
)
def test_a_dict_that_means_no_config_says_why(flat, text):
    """A misspelt or missing hyperparameter is never read as the baseline's."""
    with pytest.raises(ValueError, match=text):
        CnnConfig.from_dict(flat)
