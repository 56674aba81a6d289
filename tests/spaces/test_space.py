"""Promises of the spaces, ours and a user's."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.nearest import nearest_point
from search_spaces.recipe import recipe
from search_spaces.space import (
    NAMES,
    SpaceError,
    count_points,
    describe,
    enumerate_points,
    load_space,
)

DRAWN = (  # by the architecture space, which has no network as poor as the baseline
    "filters", "padding", "batch_norm_momentum", "pooling",
)  # fmt: skip


def _values(declared, seed):
    """Draw active values as KerasTuner's oracles do."""
    hp = type(declared)()
    for number, h in enumerate(declared.space):
        hp.merge([h])
        if hp.is_active(h):
            hp.values[h.name] = h.random_sample(seed * 100 + number)
    return hp.values


@pytest.mark.parametrize("name", NAMES)
def test_a_space_starts_from_the_baseline(name):
    """And its defaults keep all that it does not draw."""
    space = load_space(name)
    assert space.base == BASELINE
    config = space.config({})
    assert replace(config, **{n: getattr(BASELINE, n) for n in DRAWN}) == BASELINE
    if name in {"hyperparams", "published"}:
        assert config == BASELINE


@pytest.mark.parametrize("name", ["architecture", "hyperparams", "combined"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)])
def test_the_recipe_is_a_point_of_every_space(name, shape):
    """Its nearest point is the recipe in all that the space draws."""
    wanted = recipe(BASELINE, shape)
    assert wanted.is_feasible(shape)
    space = load_space(name)
    point = nearest_point(space, space.declare(), wanted)
    drawn = space.config(point)
    expected = wanted if name == "combined" else _mixed(name, wanted)
    assert drawn == expected


def _mixed(name, config):
    """Return the baseline with the fields of a config that a space draws."""
    training = {
        "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "dropout",
        "weight_decay", "flip", "shift", "label_smoothing",
    }  # fmt: skip
    names = {n for n in vars(config) if (n in training) == (name == "hyperparams")}
    return replace(BASELINE, **{n: getattr(config, n) for n in names})


@pytest.mark.parametrize("name", ["architecture", "hyperparams", "combined"])
@given(seed=st.integers(0, 10_000))
def test_values_keep_their_names_in_the_config(name, seed):
    """One word from the space to the record, where the config has that word."""
    space = load_space(name)
    values = _values(space.declare(), seed)
    flat = space.config(values).to_dict()

    assert {key: flat.get(key, value) for key, value in values.items()} == values
    by_optimizer = f"{flat['optimizer']}_learning_rate"
    assert values.get(by_optimizer, flat["learning_rate"]) == flat["learning_rate"]


@given(seed=st.integers(0, 10_000))
def test_what_is_switched_off_is_not_drawn(seed):
    """The units of a layer that is not there are conditional, as KerasTuner says."""
    declared = load_space("architecture").declare()
    values = _values(declared, seed)

    layers = {int(k[6:]) for k in values if k.startswith("units_")}
    assert layers == set(range(1, values["dense_layers"] + 1))


@given(seed=st.integers(0, 10_000))
def test_filters_grow_from_stage_to_stage(seed):
    """And every stage halves the image, so that no draw is a bottleneck."""
    space = load_space("architecture")
    values = _values(space.declare(), seed)
    config = space.config(values)
    assert list(config.filters) == sorted(config.filters)
    assert len(config.filters) == values["stages"] * config.pool_every
    assert config.filters[0] == values["filters_1"]


def test_each_optimizer_has_learning_rates_of_its_own():
    """SGD learns at rates at which Adam diverges."""
    rows = {row["name"]: row for row in describe(load_space("hyperparams").declare())}
    assert rows["sgd_learning_rate"]["conditions"] == {"optimizer": ["sgd"]}
    assert rows["sgd_learning_rate"]["max"] > 10 * rows["adam_learning_rate"]["max"]


def test_epochs_range_to_twice_the_baselines():
    """`--epochs 8` makes the range 1 to 16, and the default 8."""
    space = load_space("hyperparams", CnnConfig(epochs=8))
    row = next(r for r in describe(space.declare()) if r["name"] == "epochs")
    assert (row["min"], row["max"], row["default"]) == (1, 16, 8)


def test_hyperband_leaves_epochs_out():
    """As the fidelity, epochs are no choice; the config keeps the base's."""
    space = load_space("hyperparams", CnnConfig(epochs=9))
    declared = space.declare(tune_epochs=False)

    assert "epochs" not in {h.name for h in declared.space}
    assert space.config(_values(declared, 3)).epochs == 9


def test_published_are_the_nine_as_they_were_run():
    """Their networks, in order, without the pooling that was never called."""
    space = load_space("published")
    (row,) = describe(space.declare())
    configs = {n: space.config({"experiment": n}) for n in row["values"]}

    assert count_points(space.declare()) == 9
    assert next(iter(configs)) == "baseline"
    assert configs["three-conv"] == CnnConfig(filters=(32, 24, 12), units=(128, 64))
    assert configs["combined-7"] == CnnConfig(outputs=128, epochs=7)
    assert all(c.pooling == "none" for c in configs.values())


def test_points_are_counted_over_conditions():
    """Depth 1 or 2 of two sizes each is 2 + 4 points; a continuous space has none."""

    def draw(hp, _):
        depth = hp.Int("conv_layers", 1, 2)
        first = hp.Choice("filters_1", [8, 16])
        with hp.conditional_scope("conv_layers", [2]):
            second = hp.Choice("filters_2", [8, 16])
        return CnnConfig(filters=(first, second)[:depth])

    space = load_space("architecture")
    small = type(space)("small", draw)
    assert count_points(small.declare()) == 6
    assert count_points(load_space("hyperparams").declare()) is None


def _file(tmp_path, text):
    path = tmp_path / "my_space.py"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_users_file_is_a_space(tmp_path):
    """One file with sample(hp) -> CnnConfig is enough, plain `if` included."""
    path = _file(
        tmp_path,
        "from search_spaces.config import CnnConfig\n"
        "def sample(hp):\n"
        "    if hp.Boolean('deep'):\n"
        "        return CnnConfig(filters=(hp.Int('width', 8, 16),) * 3)\n"
        "    return CnnConfig()\n",
    )
    space = load_space(path)

    assert space.name == "my_space"
    assert {h.name for h in space.declare().space} == {"deep", "width"}
    assert space.config({"deep": True, "width": 9}).filters == (9, 9, 9)
    assert space.source is not None


def test_a_users_file_may_import_what_lies_beside_it(tmp_path, monkeypatch):
    """As a script may."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "widths_beside.py").write_text("WIDTHS = [4, 8]\n")
    path = tmp_path / "space.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from widths_beside import WIDTHS\n"
        "def sample(hp, base):\n"
        "    return replace(base, filters=(hp.Choice('width', WIDTHS),))\n"
    )
    assert load_space(str(path)).config({"width": 8}).filters == (8,)


def test_what_hides_behind_two_ifs_is_found(tmp_path):
    """Every hyperparameter is drawn on its own when a space is discovered."""
    path = _file(
        tmp_path,
        "from search_spaces.config import CnnConfig\n"
        "def sample(hp):\n"
        "    if hp.Boolean('a') and not hp.Boolean('b'):\n"
        "        return CnnConfig(filters=(hp.Int('c', 8, 16),))\n"
        "    return CnnConfig()\n",
    )
    assert {h.name for h in load_space(path).declare().space} == {"a", "b", "c"}


def test_points_are_enumerated_as_they_are_counted():
    """Each once, active values only."""
    declared = load_space("published").declare()
    points = list(enumerate_points(declared))
    assert len(points) == count_points(declared)
    assert len({tuple(p.items()) for p in points}) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\n",
            r"must define sample\(hp\) -> CnnConfig, build_model\(hp\) .* none",
        ),
        ("import nothing_here\n", r"raised at line 1: ModuleNotFoundError"),
        ("x = 1\ndef sample(hp:\n", r"at line 2: SyntaxError: .\(. was never closed\."),
        ("def sample(hp):\n\n    return 1 / 0\n", r"at line 3: ZeroDivisionError"),
        ("def sample(hp):\n    return 7\n", r"must return a .*CnnConfig, got int"),
        (
            "from search_spaces.config import CnnConfig\n"
            "def sample(hp):\n    return CnnConfig(filters=(hp.Int('f', 0, 4),))\n",
            r"at line 3: ValueError: filters must be a whole number from 1",
        ),
    ],
)
def test_a_file_that_is_no_space_says_where(tmp_path, text, message):
    """The error names the line of the user's own file."""
    with pytest.raises(SpaceError, match=message):
        load_space(_file(tmp_path, text)).declare()


@pytest.mark.parametrize("name", ["architectur", "missing.py"])
def test_a_space_that_is_not_there_says_what_is(name):
    """A misspelt name lists the names."""
    with pytest.raises(SpaceError, match="must (be one of architecture|name a file)"):
        load_space(name)
