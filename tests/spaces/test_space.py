"""Promises of the spaces, ours and a user's."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.space import (
    NAMES,
    SpaceError,
    count_points,
    describe,
    enumerate_points,
    load_space,
)


def _values(declared, seed):
    """Draw active values as KerasTuner's oracles do."""
    hp = type(declared)()
    for number, h in enumerate(declared.space):
        hp.merge([h])
        if hp.is_active(h):
            hp.values[h.name] = h.random_sample(seed * 100 + number)
    return hp.values


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_the_baseline(name):
    """A space with nothing chosen means the config it starts from."""
    assert load_space(name).config({}) == BASELINE


@pytest.mark.parametrize("name", ["architecture", "hyperparams", "combined"])
@given(seed=st.integers(0, 10_000))
def test_values_keep_their_names_in_the_config(name, seed):
    """One word from the space to the record: what was chosen is in the config."""
    space = load_space(name)
    values = _values(space.declare(), seed)
    flat = space.config(values).to_dict()

    assert {key: flat[key] for key in values} == values


@given(seed=st.integers(0, 10_000))
def test_what_is_switched_off_is_not_drawn(seed):
    """The units of a layer that is not there are conditional, as KerasTuner says."""
    declared = load_space("architecture").declare()
    values = _values(declared, seed)

    layers = {int(k[8:]) for k in values if k.startswith("filters_")}
    assert layers == set(range(1, values["conv_layers"] + 1))
    assert ("pool_size" in values) == (values["pooling"] != "none")
    assert ("units_1" in values) == (values["dense_layers"] >= 1)


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
