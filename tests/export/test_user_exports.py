"""Promises of taking a user's own network out: it is what was searched."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from user_spaces import write_space as _space

from search_spaces.space import load_space
from search_spaces.user_code import UserModel

slow = pytest.mark.slow


_HEADS = {
    "softmax": ("Dense(3, activation='softmax')", "'categorical_crossentropy'", 3),
    "logits": (
        "Dense(3)",
        "keras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        3,
    ),
    "sigmoid": ("Dense(1, activation='sigmoid')", "'binary_crossentropy'", 2),
    "one logit": ("Dense(1)", "keras.losses.BinaryCrossentropy(from_logits=True)", 2),
}
_HEAD = """
import keras


def build_model(hp):
    units = hp.Int("units", 4, 8)
    layers = [keras.layers.Flatten(), keras.layers.Dense(units), keras.layers.{head}]
    model = keras.Sequential(layers)
    model.compile("adam", {loss})
    return model
"""


@slow
@pytest.mark.parametrize(
    ("name", "precision"),
    [*((name, "float32") for name in _HEADS), ("one logit", "bfloat16")],
)
def test_one_snippet_loads_every_kind_of_network(tmp_path, capsys, name, precision):
    """It names the class that the search's own evaluation chose, whatever came out."""
    from types import SimpleNamespace

    from tuner.export import network as export
    from tuner.study.descriptions import DataRecord, SpaceRecord
    from tuner.study.records import Execution, TrialRecord
    from tuner.study.settings import StudySettings
    from tuner.training import loop, user_models
    from tuner.training.networks import computing_in

    head, loss, classes = _HEADS[name]
    path = _space(tmp_path, _HEAD.format(head=head, loss=loss))
    space = load_space(str(path))
    config = {"units": 4, "epochs": 1}
    record = SimpleNamespace(
        data=DataRecord(input_shape=(8, 8, 1), classes=("cat", "dog", "emu")[:classes]),
        settings=StudySettings(str(path), precision=precision),
        space=SpaceRecord(space.name, source=space.source, user_code=space.to_dict()),
    )
    trial = TrialRecord(0, "completed", config, executions=(Execution(0, 1, epochs=1),))
    hp = user_models.hyperparameters(config)
    with computing_in(precision):
        network = user_models.network(space.model, hp, (8, 8, 1), classes)
    network.model.optimizer.build(network.model.trainable_variables)
    bias = network.model.layers[-1].bias
    black = np.zeros((1, 8, 8, 1), np.uint8)
    for right in range(classes):
        one_hot = np.eye(classes)[right]
        bias.assign(one_hot if bias.shape == (classes,) else [2 * right - 1])
        found = network.assess(black, np.zeros(1, int), np.zeros(1, int))
        assert found.predictions == [right]
        state = loop.state_of(network.model, 1)
        study = SimpleNamespace(
            record=record, space_file=path, state=lambda *_, state=state: state
        )
        snippet = export.write_model(study, trial, tmp_path / "m.keras", None)
        exec(snippet, {})  # noqa: S102  as a user types it
        assert capsys.readouterr().out.split()[-1] == record.data.classes[right]


_BESIDE = """
import keras


class Twice(keras.layers.Layer):
    def call(self, x):
        return 2 * x
"""
_WITH_PARTS = """
import keras
from keras import layers
from parts_beside import Twice

print("this file runs")


@keras.saving.register_keras_serializable()
class Thrice(layers.Layer):
    def call(self, x):
        return 3 * x


def squash(x):
    return keras.ops.tanh(x)


def my_loss(y, p):
    return keras.losses.categorical_crossentropy(y, p)


def build_model(hp):
    units = hp.Int("units", 8, 16)
    model = keras.Sequential(
        [
            *(layers.Flatten(), Twice(), Thrice()),
            layers.Dense(units, activation=squash),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", my_loss, metrics=["accuracy"])
    return model
"""


@slow
def test_a_study_outlives_the_file_that_it_searched(tmp_path):
    """Edited or gone: what reads the study has its own copy, a resume is refused."""
    path = _space(tmp_path, _WITH_PARTS)
    beside = tmp_path / "parts_beside.py"
    beside.write_text(_BESIDE, encoding="utf-8")

    def tune(*arguments, code=0):
        command = [sys.executable, "-m", "tuner", *arguments]
        loud = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
        done = subprocess.run(
            command, cwd=tmp_path, env=loud, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr[-2000:]
        return done

    search = ["--space", "mine.py", "--dataset", "digits", "--limit", "300"]
    search += ["--epochs", "1", "-n", "2", "--no-report", "--deterministic"]
    tune(*search)
    kept = tmp_path / "runs/mine-digits/space.py"
    assert kept.read_text(encoding="utf-8") == _WITH_PARTS

    path.write_text(_WITH_PARTS.replace("8, 16", "8, 32"), encoding="utf-8")
    refused = tune(*search, code=3).stderr
    assert (
        "(to restore the study's space: cp runs/mine-digits/space.py mine.py)"
        in refused
    )
    few = ["--seeds", "2", "--no-report"]
    tune("try", "units=12", "--base", "mine-digits", *few)
    exported = tune("export", "mine-digits", "0").stdout
    assert "from space import Thrice, squash" in exported
    assert "from parts_beside import Twice" in exported
    assert "my_loss" not in exported  # a network predicts without it
    recipe = exported.partition("\n\n")[2].replace("'model.keras'", "'../model.keras'")
    (tmp_path / "elsewhere").mkdir()
    command = [sys.executable, "-c", recipe]
    subprocess.run(command, cwd=tmp_path / "elsewhere", check=True)

    path.unlink()
    gone = tune(*search, code=2).stderr
    assert "To restore it: cp runs/mine-digits/space.py mine.py" in gone
    tune("confirm", "mine-digits", "--top", "1", *few)
    again = tune("export", "mine-digits/confirm", "0", "-o", "again.keras")
    assert "as recorded." in again.stderr  # on that seed's own split
    script = tune("export", "mine-digits", "--script", "--json")
    assert script.stderr == ""
    assert json.loads(script.stdout)["script"] == "train.py"
    again = (tmp_path / "train.py").read_text(encoding="utf-8")
    assert '"units", 8, 16' in again
    assert f"sys.path.insert(0, {str(tmp_path.resolve())!r})" in again

    beside.unlink()
    refused = tune("export", "mine-digits", "0", code=2).stderr
    assert f"Put the modules that it imports into {tmp_path.resolve()}." in refused


_UNNAMED = """
import keras
import numpy as np


@keras.saving.register_keras_serializable(package="mine", name="other")
def registered(x):
    return 2 * x


def build_model(hp):
    class Local(keras.layers.Layer):
        def call(self, x):
            return x

    hp.Int("units", 4, 8)
    layers = [keras.layers.Flatten(), {layer}, keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    return model
"""


@slow
@pytest.mark.filterwarnings("ignore:The object being serialized includes a .lambda")
@pytest.mark.parametrize(
    ("layer", "said"),
    [
        ("Local()", "at the top level of a file, but Local is not"),
        (
            "keras.layers.Dense(4, activation=lambda x: -x)",
            "Keras cannot store and load this model: TypeError",
        ),
        ("keras.layers.Lambda(lambda x: 2 * x)", ", safe_mode=False"),
        (
            "keras.layers.Dense(4, activation=keras.ops.sin)",  # NumPy has one too
            ", custom_objects={'sin': sin}",
        ),
        (
            "keras.layers.Dense(4, activation=registered)",
            ", custom_objects={'registered': registered}",
        ),
        ("keras.layers.Dense(4, activation=keras.activations.get('relu'))", ""),
    ],
)
def test_what_loads_a_file_is_said_or_no_file_exported(tmp_path, layer, said):
    """At once, and not where the network is to be used."""
    from tuner.export import custom_objects
    from tuner.study.folder import StudyError
    from tuner.training import user_models

    code = _UNNAMED.format(layer=layer)
    user_model = UserModel(str(_space(tmp_path, code)), code)
    hp = user_models.hyperparameters({})
    model = user_models.network(user_model, hp, (8, 8, 1), 10).model
    model.compiled, model.optimizer = False, None
    model.save(tmp_path / "mine.keras")
    if not said or said.startswith(", "):
        assert (
            custom_objects.check_needs(tmp_path / "mine.keras", model).options == said
        )
        return
    with pytest.raises(StudyError, match=said):
        custom_objects.check_needs(tmp_path / "mine.keras", model)


@slow
def test_a_file_that_would_predict_something_else_is_not_exported(tmp_path):
    """Keras stores of a function its name alone."""
    from tuner.export import custom_objects
    from tuner.study.folder import StudyError
    from tuner.training import user_models

    code = _UNNAMED.format(layer="keras.layers.Dense(4, activation=registered)")
    user_model = UserModel(str(_space(tmp_path, code)), code)
    hp = user_models.hyperparameters({})
    model = user_models.network(user_model, hp, (8, 8, 1), 10).model
    model.compiled, model.optimizer = False, None
    model.save(tmp_path / "mine.keras")
    other = user_models.network(user_model, hp, (8, 8, 1), 10).model  # other weights
    with pytest.raises(StudyError, match="registered is stored by a name that several"):
        custom_objects.check_needs(tmp_path / "mine.keras", other)
