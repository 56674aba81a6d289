"""Promises of the short words for a config."""

from __future__ import annotations

import pytest

from search_spaces.config import CnnConfig
from search_spaces.space import load_space, random_point
from tuner.study.words import config

ARCHITECTURE = {"filters_1", "conv_layers"}


@pytest.mark.parametrize(
    ("values", "names", "text"),
    [
        ({}, ARCHITECTURE, "32 k3 fc 128"),
        ({"filters": (32, 64), "units": ()}, ARCHITECTURE, "32-64 k3 fc none"),
        (
            {"padding": "same", "batch_norm": True, "pooling": "average"},
            ARCHITECTURE,
            "32 k3 same bn avg2/1 fc 128",
        ),
        ({"outputs": 128}, {"units_1"}, "32 k3 fc 128 out 128"),
        ({"epochs": 7}, {"epochs"}, "7ep"),
        ({"dropout": 0.3}, {"units_1", "dropout"}, "32 k3 fc 128  drop0.3"),
        ({"learning_rate": 0.00032}, {"learning_rate"}, "lr0.00032"),
    ],
)
def test_a_config_is_told_by_what_its_space_varies(values, names, text):
    """An architecture is shown whole; of the training what varies."""
    assert config(CnnConfig(**values).to_dict(), names) == text


@pytest.mark.parametrize(("name", "most"), [("architecture", 64), ("hyperparams", 72)])
def test_words_fit_a_line(name, most):
    """Whatever is drawn leaves room for a trial's number and accuracy."""
    space = load_space(name)
    declared = space.declare()
    names = {h.name for h in declared.space}
    for draw in range(200):
        flat = space.config(random_point(declared, draw)).to_dict()
        assert len(config(flat, names)) <= most
