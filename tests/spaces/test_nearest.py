"""Promises of the nearest point of a space: legal, and as close as can be."""

from __future__ import annotations

import keras_tuner as kt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config import configs

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.nearest import nearest_point, nearest_value
from search_spaces.space import load_space, random_point
from search_spaces.user_code import UserConfig, UserModel, UserSpace

NAMES = ["architecture", "hyperparams", "combined"]
SPACES = {name: load_space(name, CnnConfig(epochs=25)) for name in NAMES}
DECLARED = {name: space.declare() for name, space in SPACES.items()}


def _hyperparameter(kind, *values, **options):
    hp = kt.HyperParameters()
    getattr(hp, kind)("h", *values, **options)
    return hp.space[0]


@pytest.mark.parametrize(
    ("hyperparameter", "value", "expected"),
    [
        (_hyperparameter("Int", 8, 64, step=8), 21, 24),
        (_hyperparameter("Int", 8, 64, step=8), 500, 64),
        (_hyperparameter("Int", 8, 64, step=8), "many", 8),
        (_hyperparameter("Int", 1, 16, step=2, sampling="log"), 7, 8),
        (_hyperparameter("Int", 3, 900, sampling="log"), 1, 3),
        (_hyperparameter("Float", 1e-4, 1e-2, sampling="log"), 0.5, 1e-2),
        (_hyperparameter("Float", 0.0, 0.5, step=0.1), 0.3, 0.3),
        (_hyperparameter("Float", 0.0, 0.5, step=0.1), 0.26, 0.1 * 3),
        (_hyperparameter("Choice", [16, 32, 64]), 50, 64),
        (_hyperparameter("Choice", [0.0, 1e-4, 1e-2]), 3e-4, 1e-4),
        (_hyperparameter("Choice", ["adam", "sgd"], default="sgd"), "lion", "sgd"),
        (_hyperparameter("Choice", ["adam", "sgd"]), "sgd", "sgd"),
        (_hyperparameter("Boolean", default=True), None, True),
        (_hyperparameter("Fixed", 7), 8, 7),
        (_hyperparameter("Int", 1, 3, default=9), None, 3),
    ],
    ids=repr,
)
def test_a_value_moves_to_the_nearest_legal_one(hyperparameter, value, expected):
    """Numbers are cut off or rounded; what is not comparable becomes the default."""
    found = nearest_value(hyperparameter, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
def test_a_config_of_the_space_is_its_own_nearest(name, seed):
    """Nothing changes that need not."""
    space, declared = SPACES[name], DECLARED[name]
    point = random_point(declared, seed)
    assert nearest_point(space, declared, space.config(point)) == point


@pytest.mark.parametrize("name", NAMES)
@given(config=configs)
def test_the_nearest_point_of_any_config_is_legal(name, config):
    """KerasTuner's own search could have drawn it."""
    space, declared = SPACES[name], DECLARED[name]
    point = nearest_point(space, declared, config)
    active = [
        h for h in declared.space if all(c.is_active(point) for c in h.conditions)
    ]
    assert list(point) == [h.name for h in active]
    for h in active:
        assert nearest_value(h, point[h.name]) == point[h.name]
    assert space.config(point)


def test_a_config_outside_of_the_space_keeps_what_it_can():
    """KerasTuner alone would raise an error for this base."""
    config = CnnConfig(filters=(30,) * 9, kernel_size=9, batch_size=50, dropout=0.3)
    space, declared = SPACES["combined"], DECLARED["combined"]
    found = space.config(nearest_point(space, declared, config))
    assert found.filters == (32,) * 4
    assert (found.kernel_size, found.batch_size, found.dropout) == (5, 64, 0.3)


@pytest.mark.parametrize("signature", ["hp", "hp, base"])
def test_a_space_that_ignores_its_base_is_read_by_names(tmp_path, signature):
    """Its own defaults stand where the config has no value of that name."""
    path = tmp_path / "own.py"
    path.write_text(
        "from search_spaces.config import CnnConfig\n"
        f"def sample({signature}):\n"
        "    return CnnConfig(\n"
        '        filters=(hp.Int("width", 4, 64, default=16),),\n'
        '        batch_size=hp.Choice("batch_size", [16, 32, 64]),\n'
        "    )\n",
        encoding="utf-8",
    )
    space = load_space(str(path))
    point = nearest_point(space, space.declare(), CnnConfig(batch_size=64))
    assert point == {"width": 16, "batch_size": 64}


def test_a_config_that_says_nothing_about_the_space_has_no_point(tmp_path):
    """No name is known."""
    path = tmp_path / "own.py"
    path.write_text(
        "from search_spaces.config import CnnConfig\n"
        'def sample(hp): return CnnConfig(filters=(hp.Int("width", 4, 64),))\n',
        encoding="utf-8",
    )
    space = load_space(str(path))
    assert nearest_point(space, space.declare(), BASELINE) is None


def test_a_users_own_model_is_read_by_names():
    """Its configs are values by name."""
    hp = kt.HyperParameters()
    hp.Int("units", 32, 128, step=32)
    hp.Boolean("wide")
    space = UserSpace("own", UserModel("own.py", ""), declared=hp.get_config())
    config = UserConfig({"units": 90, "wide": True}, epochs=3)
    point = nearest_point(space, space.declare(), config)
    assert point == {"units": 96, "wide": True}
