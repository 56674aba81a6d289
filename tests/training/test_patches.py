"""Promises of what replaces parts of Keras: one list, one switch, and a way back."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tuner.system import patches

slow = pytest.mark.slow
ROOT = Path(__file__).parents[2]
# What is assigned to objects of our own, and of Python's.
_OURS = {
    *("has_fit", "__file__", "values", "recorded", "status", "history"),
    *("enabled", "apply_default_optimizations"),  # options of `tf.data`, by its API
    "jit_compile",  # Keras's own setting, as the record of a trial has it
}


def _assigned(path):
    """List the attributes that a file assigns on anything but `self`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            named = isinstance(target, ast.Attribute)
            if named and getattr(target.value, "id", "") not in {"self", "copied"}:
                yield target.attr


def test_all_that_is_replaced_is_in_the_list():
    """By its name, and with the module that does it."""
    for room in ("training", "algorithms"):
        for path in sorted((ROOT / "tuner" / room).glob("*.py")):
            module = f"tuner.{room}.{path.stem}"
            listed = " ".join(
                p.replaces for p in patches.PATCHES.values() if p.module == module
            )
            assigned = {n for n in _assigned(path) if f".{n}" not in listed}
            assert assigned <= _OURS, module


@pytest.mark.parametrize("name", patches.PATCHES)
def test_each_is_where_the_list_says(name):
    """Its module names what it replaces."""
    *folders, module = patches.PATCHES[name].module.split(".")
    code = ROOT.joinpath(*folders, f"{module}.py").read_text(encoding="utf-8")
    listed = patches.PATCHES[name].replaces.split(",")
    last_names = [re.findall(r"\w+", each)[-1] for each in listed]
    assert all(last in code for last in last_names)


@pytest.mark.parametrize(("value", "on"), [("", True), ("0", True), ("1", False)])
def test_one_variable_is_the_switch(monkeypatch, value, on):
    monkeypatch.setenv(patches.PLAIN, value)
    assert patches.are_on() is on


def test_a_fast_function_that_fails_is_left_for_good(capsys):
    """And what it failed with is said once."""
    calls = []

    def fast(x):
        calls.append(x)
        raise AttributeError("no attribute _momentums")

    call = patches.guarded(patches.OPTIMIZER, fast, lambda x: 2 * x)
    assert [call(x) for x in (1, 2)] == [2, 4]
    assert calls == [1]
    said = capsys.readouterr().err
    assert said == (
        "Patch skipped: the optimizer's update_step "
        "(AttributeError: no attribute _momentums)\n"
    )


def test_another_error_is_raised():
    """A user's own layer fails as it would in Keras."""

    def fails():
        raise ValueError("theirs")

    with pytest.raises(ValueError, match="theirs"):
        patches.guarded(patches.LAYERS, fails, lambda: None)()


def _trained():
    """Train a network that every patch on TensorFlow changes, and give its losses."""
    from tasks import SMALL, digits, task, train

    from tuner.training import loop

    config = replace(
        SMALL, units=(2000,), batch_norm=True, dropout=0.0, optimizer="adam"
    )
    job = replace(task(config), epochs=1)
    losses = []
    result = train(job, digits(), lambda e: losses.append(e.metrics["loss"]))
    return np.array([*losses, result.test.loss]), loop.build(job, digits(), 1).model


def _changed(model):
    calls = sum("call" in vars(layer) for layer in model.layers)
    return calls, "update_step" in vars(model.optimizer), model.steps_per_execution


@slow
def test_the_switch_trains_by_keras_alone(monkeypatch):
    """The same numbers, to rounding; the model is as it was compiled."""
    fast, model = _trained()
    assert _changed(model) == (2, True, 16)
    monkeypatch.setenv(patches.PLAIN, "1")
    plain, model = _trained()
    assert _changed(model) == (0, False, 1)
    np.testing.assert_allclose(fast, plain, rtol=0.02)


@slow
@pytest.mark.parametrize(
    ("patch", "name"),
    [
        (patches.OPTIMIZER, "raw_ops.ResourceApplyAdam"),
        (patches.LAYERS, "raw_ops.FusedBatchNormV3"),
        (patches.LAYERS, "custom_gradient"),
    ],
)
def test_a_release_without_a_name_costs_speed_alone(monkeypatch, capfd, patch, name):
    """It trains to the same numbers, and the log says what is left to Keras."""
    tf = pytest.importorskip("tensorflow")
    whole, _ = _trained()
    assert "Patch skipped" not in capfd.readouterr().err
    *holders, last = name.split(".")
    monkeypatch.delattr(getattr(tf, *holders) if holders else tf, last)
    left, _ = _trained()
    np.testing.assert_allclose(left, whole, rtol=0.02)
    assert f"Patch skipped: {patch} (AttributeError" in capfd.readouterr().err


def _run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr


_JAX = """
import sys
sys.path.insert(0, "tests")
import keras
from dataclasses import replace
from tasks import SMALL, digits, task, train
from tuner.training import feeding, jax_loop

jax_loop.fits = lambda network, data: True
job = replace(task(SMALL), epochs=1)
given = []
feeder = feeding._Arrays.batches
feeding._Arrays.batches = lambda *a: given.append(1) or feeder(*a)


def loss():
    given.clear()
    return train(job, digits()).test.loss, bool(given)


fast = loss()
plain = keras.Model._symbolic_build
keras.Model._symbolic_build = lambda self, iterator=None: plain(self, iterator)
left = loss()
assert not fast[1] and left[1], (fast, left)
assert abs(fast[0] - left[0]) < 1e-3 * abs(fast[0]), (fast, left)
"""


@slow
def test_a_release_of_jax_loops_without_a_name_trains_by_keras():
    """Its argument has another name; arrays are fed instead."""
    _, said = _run(_JAX, KERAS_BACKEND="jax")
    assert f"Patch skipped: {patches.JAX_LOOP} (TypeError" in said


_LOADED = """
from tuner.training import loading
loading.load_keras_tuner()
import keras, keras_tuner, sys
print(keras.backend.backend(), "sklearn" in sys.modules, "matplotlib" in sys.modules)
keras_tuner.oracles.BayesianOptimizationOracle("loss", max_trials=1)
"""


def test_the_switch_loads_keras_and_kerastuner_whole():
    """With the user's backend, and all that they load by the way."""
    found, _ = _run(_LOADED, KERAS_BACKEND="tensorflow", **{patches.PLAIN: "1"})
    assert found.split() == ["tensorflow", "True", "True"]
