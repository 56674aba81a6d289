"""Promises to those who bring KerasTuner code of their own: it runs unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import own_spaces
import pytest

from search_spaces.own import OwnConfig, OwnModel, OwnSpace
from search_spaces.space import SpaceError, load_space
from tuner.settings import SettingsError

slow = pytest.mark.slow


def _space(tmp_path, code):
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    return path


def _own(code):
    return OwnModel("mine.py", code)


@cache
def _discover(code):
    from tasks import digits

    from tuner import own_models

    return own_models.discover(_own(code), digits()).found


def _task(code, config, **changes):
    from tasks import task

    found = _discover(code)
    flags = {name: found[name] for name in ("has_fit", "draws_epochs")}
    own = replace(_own(code), **flags)
    return replace(task(), own=own, config=config, epochs=config["epochs"], **changes)


def _train(task):
    from tasks import digits

    from tuner import worker

    return list(worker.run(task, digits()))


@pytest.mark.parametrize("name", ["FUNCTION", "CLASS", "DRAWS_EPOCHS", "OWN_LOOP"])
def test_a_file_with_a_network_is_a_space_of_its_own(tmp_path, name):
    """The driver reads it, and does not run it."""
    code = "raise SystemExit\n" + getattr(own_spaces, name)
    space = load_space(str(_space(tmp_path, code)))
    assert isinstance(space, OwnSpace)
    assert space.name == "mine"


def test_values_behind_a_condition_are_no_part_of_a_config():
    """As KerasTuner has it; what nothing says is at its default."""
    import keras_tuner as kt

    hp = kt.HyperParameters()
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("momentum", 0.0, 0.9)
    declared = {"space": hp.get_config()["space"], "values": {}}
    space = OwnSpace("mine", _own(""), declared=declared)
    assert space.config({}).values == {"optimizer": "adam"}
    sgd = space.config({"optimizer": "sgd", "momentum": 0.5})
    assert sgd == OwnConfig({"optimizer": "sgd", "momentum": 0.5}, 5)
    assert space.config({"optimizer": "sgd"}).values["momentum"] == 0.0
    assert space.read(json.loads(json.dumps(sgd.to_dict()))) == sgd


def test_options_that_cannot_be_held_are_refused(tmp_path):
    """Arithmetic knows nothing of a user's code."""
    from tuner.planning import plan_space, plan_study
    from tuner.settings import StudySettings

    path = str(_space(tmp_path, own_spaces.CLASS))
    with pytest.raises(SettingsError, match=r"--max-params need a space with sample"):
        plan_study(StudySettings(path, max_params=1000))
    with pytest.raises(SettingsError, match=r"--pixels is for a network of your own"):
        plan_study(StudySettings("architecture", pixels="raw"))
    found = {"declared": None, "has_fit": True, "draws_epochs": True}
    space = load_space(path).known(found)
    with pytest.raises(SettingsError, match=r"Hyperband sets the epochs"):
        plan_space(StudySettings(path, algorithm="hyperband"), space)
    with pytest.raises(SettingsError, match=r"--patience stops a training"):
        plan_space(StudySettings(path, patience=2), space)


@slow
def test_what_a_function_draws_is_discovered():
    """Behind a loop and a condition too."""
    found = _discover(own_spaces.FUNCTION)
    assert {h["config"]["name"] for h in found["declared"]["space"]} == {
        *("num_layers", "units_0", "units_1", "units_2"),
        *("activation", "dropout", "lr"),
    }
    assert not found["has_fit"]
    json.dumps(found)


@slow
@pytest.mark.parametrize(
    ("name", "names", "draws_epochs"),
    [
        ("CLASS", {"units", "normalize", "shuffle"}, False),
        ("DRAWS_EPOCHS", {"units", "normalize", "epochs", "batch_size"}, True),
        ("OWN_LOOP", {"units", "batch_size"}, False),
    ],
)
def test_what_fit_draws_is_discovered(name, names, draws_epochs):
    """And whether it chooses its epochs."""
    found = _discover(getattr(own_spaces, name))
    assert {h["config"]["name"] for h in found["declared"]["space"]} == names
    assert found["has_fit"]
    assert found["draws_epochs"] == draws_epochs


@slow
def test_a_function_gets_pixels_from_0_to_1_and_labels_that_fit_its_loss():
    """float32; one-hot, or class ids for a sparse loss; raw pixels when asked for."""
    from tasks import digits

    from tuner import own_models

    seen = digits().x_train[:50], digits().y_train[:50]
    for loss, shape in (("categorical", (50, 10)), ("sparse_categorical", (50,))):
        code = own_spaces.FUNCTION.replace('"categorical_', f'"{loss}_')
        for pixels, top in (("unit", 1.0), ("raw", 255.0)):
            own = replace(_own(code), pixels=pixels)
            hp = own_models.hyperparameters({})
            network = own_models.network(own, hp, digits().input_shape, 10)
            images, labels = network.arrays(*seen)
            assert images.dtype == np.float32
            assert 0.9 * top < images.max() <= top
            assert labels.shape == shape
            same = [np.asarray(part) for part in network.tensors(*seen)]
            np.testing.assert_allclose(same[0], images, rtol=1e-6)
            np.testing.assert_array_equal(same[1], labels)


@slow
def test_a_functions_training_goes_on_where_it_was_cut_off():
    """2 epochs and 3 more are 5, to the last bit."""
    config = {"num_layers": 1, "units_0": 16, "dropout": True, "lr": 0.01, "epochs": 5}
    whole = _task(own_spaces.FUNCTION, config)
    *epochs, result = _train(whole)
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5]
    assert set(epochs[0].metrics) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    *_, part = _train(replace(whole, epochs=2))
    *_, rest = _train(replace(whole, state=part.state))
    assert rest.continued_from == 2
    for a, b in zip(result.state.arrays, rest.state.arrays, strict=True):
        np.testing.assert_array_equal(a, b)
    assert result.drawn == ("num_layers", "units_0", "activation", "dropout", "lr")


@slow
@pytest.mark.parametrize("name", ["CLASS", "DRAWS_EPOCHS", "OWN_LOOP"])
def test_a_users_fit_trains_and_says_when_epochs_end(name):
    """Judged as every network is, whatever it returns; the same seed, the same bits."""
    config = {"units": 16, "batch_size": 32, "epochs": 2}
    task = _task(getattr(own_spaces, name), config)
    *epochs, result = _train(task)
    assert [e.epoch for e in epochs] == [1, 2]
    assert result.epochs == 2
    assert result.best_epoch is None
    assert result.test.accuracy > 0.2
    assert "units" in result.drawn
    if name == "OWN_LOOP":
        assert set(epochs[0].metrics) == {"my_loss"}
    *_, again = _train(task)
    assert again.test.loss == result.test.loss


@slow
def test_a_fit_that_trains_for_other_epochs_is_taken_at_its_word():
    """What it trained is what is recorded."""
    config = {"units": 8, "batch_size": 32, "epochs": 7}
    *epochs, result = _train(_task(own_spaces.OWN_LOOP, config))
    assert len(epochs) == 2
    assert (result.epochs, result.best_epoch) == (2, 2)


@slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("import keras\n", "import nothing_here\n"), "at line 2: ModuleNotFound"),
        (("units=hp.Int", "units=1 / 0 + hp.Int"), "at line 13: ZeroDivisionError"),
        (("return model\n", "return 7\n"), "must return a compiled keras.Model, got"),
        (("Dense(10, act", "Dense(7, act"), r"one score a class, shape \(images, 10\)"),
        (("return model.fit", "return model.fitt"), "fit must run .*at line 26: Attr"),
    ],
)
def test_code_that_fails_says_where(change, message):
    """Before a trial is spent on it, with the line of the user's file."""
    code = own_spaces.CLASS.replace(*change)
    assert code != own_spaces.CLASS
    with pytest.raises(SpaceError, match=message):
        _discover(code)


_BOTH = own_spaces.FUNCTION + own_spaces.CLASS  # as both guides have them
_HELPED = own_spaces.CLASS + "def helper(hp): ...\ndef other(hp): ...\n"


@slow
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (_BOTH, None),
        (_BOTH + "hypermodel = MyHyperModel()", "hypermodel"),
        (_BOTH + "hypermodel = build_model", "hypermodel"),
        (_HELPED, "MyHyperModel()"),
        (_HELPED + "mine = MyHyperModel()", "mine"),
    ],
)
def test_of_several_networks_the_file_says_which(code, expected):
    """Not the first that is found, whose `fit` may be another's."""
    from tuner import own_models

    if expected:
        assert own_models.expression(_own(code)) == expected
        return
    with pytest.raises(
        SpaceError,
        match=r"mine.py must say which .* it defines build_model and MyHyperModel. Add "
        r"a line to it: `hypermodel = build_model` or `hypermodel = MyHyperModel\(\)`.",
    ):
        own_models.expression(_own(code))


@slow
def test_a_study_of_a_users_code(tmp_path):
    """Searched, resumed, confirmed and exported, and its page is there."""
    _space(tmp_path, own_spaces.FUNCTION)

    def tune(*arguments):
        command = [sys.executable, "-m", "tuner", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done

    search = ["--space", "mine.py", "--dataset", "digits", "--limit", "400"]
    search += ["--algorithm", "hyperband", "--epochs", "4", "-n", "4"]
    tune(*search, "--time-limit", "1s")
    folder = tmp_path / "runs/mine-digits"
    declared = json.loads((folder / "study.json").read_text())["space"]
    tune(*search)
    assert json.loads((folder / "study.json").read_text())["space"] == declared
    records = [json.loads(p.read_text()) for p in sorted(folder.glob("trials/*.json"))]
    assert {r["status"] for r in records} == {"completed"}
    assert {e["epochs"] for r in records for e in r["executions"]} == {2, 4}
    for config in (r["config"] for r in records):  # what was asked for, and no more
        assert ("units_1" in config) == (config["num_layers"] > 1)
    assert "units_0" in (folder / "report.html").read_text()

    said = tune("confirm", "mine-digits", "--top", "1", "--seeds", "3").stdout
    assert "than the baseline" in said or "from the baseline" in said

    tune("export", "mine-digits", "-o", "mine.keras")
    full = [r["executions"][0] for r in records if r["executions"][0]["epochs"] == 4]
    best = max(full, key=lambda execution: execution["val_accuracy"])
    used = subprocess.run(
        [sys.executable, "-c", _USE.format(model=tmp_path / "mine.keras")],
        env={**os.environ, "PYTHONPATH": "tests"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(used.stdout) == pytest.approx(best["test_accuracy"], abs=0.003)

    tune("export", "mine-digits", "--script")
    again = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "'accuracy': 0." in again.stdout, again.stderr[-2000:]


_USE = """
import keras
from tuner.datasets import load_dataset
data = load_dataset("digits", None, limit=None, validation_split=0.2, seed=0)
model = keras.saving.load_model("{model}")
print((model.predict(data.x_test, verbose=0).argmax(1) == data.y_test).mean())
"""


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
@pytest.mark.parametrize("name", _HEADS)
def test_one_snippet_loads_every_kind_of_network(tmp_path, capsys, name):
    """It names the class that the search's own evaluation chose, whatever came out."""
    from types import SimpleNamespace

    from tuner import export, own_models, training
    from tuner.records import Execution, TrialRecord

    head, loss, classes = _HEADS[name]
    path = _space(tmp_path, _HEAD.format(head=head, loss=loss))
    space = load_space(str(path))
    config = {"units": 4, "epochs": 1}
    record = SimpleNamespace(
        data={"input_shape": [8, 8, 1], "classes": ["cat", "dog", "emu"][:classes]},
        settings={"space": str(path), "pixels": "unit"},
        space={"source": space.source, "own": space.to_dict()},
    )
    trial = TrialRecord(0, "completed", config, executions=(Execution(0, 1, epochs=1),))
    hp = own_models.hyperparameters(config)
    network = own_models.network(space.model, hp, (8, 8, 1), classes)
    network.model.optimizer.build(network.model.trainable_variables)
    bias = network.model.layers[-1].bias
    black = np.zeros((1, 8, 8, 1), np.uint8)
    for right in range(classes):
        one_hot = np.eye(classes)[right]
        bias.assign(one_hot if bias.shape == (classes,) else [2 * right - 1])
        found = network.assess(black, np.zeros(1, int), np.zeros(1, int))
        assert found.predictions == [right]
        state = training.state_of(network.model, 1)
        study = SimpleNamespace(
            record=record, space_file=path, state=lambda *_, state=state: state
        )
        snippet = export.write_model(study, trial, tmp_path / "m.keras", None)
        exec(snippet, {})  # noqa: S102  as a user types it
        assert capsys.readouterr().out.split()[-1] == record.data["classes"][right]


@slow
def test_a_fit_is_refused_images_that_memory_cannot_hold(monkeypatch):
    """It is given them as one array; `build_model` alone is not."""
    from tasks import digits

    from tuner import own_models

    monkeypatch.setattr(own_models, "memory_bytes", lambda: 100_000)
    with pytest.raises(SpaceError, match=r"400 of them as float32 take 0.0 GB of this"):
        own_models.discover(_own(own_spaces.CLASS), digits())


_F1 = own_spaces.FUNCTION.replace(
    'metrics=["accuracy"]',
    'metrics=["accuracy", keras.metrics.AUC(), keras.metrics.F1Score("macro"), '
    "keras.metrics.F1Score(name='each')]",
)


@slow
def test_metrics_are_as_keras_measures_them_over_the_whole_split():
    """Not averaged over batches; one that is no single number is left out."""
    from tasks import digits

    from tuner import own_models
    from tuner.networks import fresh

    assert _discover(_F1)["metrics"] == ["auc", "f1_score"]
    data = digits()
    hp = own_models.hyperparameters({"units_0": 16})
    network = fresh(
        lambda: own_models.network(_own(_F1), hp, data.input_shape, 10), seed=1
    )
    found = network.assess(data.x_train, data.y_train, data.train)
    images, labels = network.arrays(data.x_train[data.train], data.y_train[data.train])
    theirs = network.model.evaluate(images, labels, verbose=0, return_dict=True)
    assert found.metrics == pytest.approx(
        {"auc": theirs["auc"], "f1_score": theirs["f1_score"]}, rel=1e-4
    )
    assert found.loss == pytest.approx(theirs["loss"], rel=1e-4)
    assert found.accuracy == pytest.approx(theirs["accuracy"])


@slow
def test_a_search_by_a_metric_of_ones_own(tmp_path):
    """Hyperband, the ranking, the terminal, JSON, the table and the page follow it."""
    import csv

    _space(tmp_path, _F1)

    def tune(*arguments):
        command = [sys.executable, "-m", "tuner", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    search = ["--space", "mine.py", "--dataset", "digits", "--limit", "400", "-n", "4"]
    search += ["--algorithm", "hyperband", "--epochs", "4"]
    refused = tune(*search, "--objective", "val_recall")
    assert refused.returncode == 2
    assert "They have val_accuracy, val_loss, val_auc, val_f1_score" in refused.stderr
    done = tune(*search, "--objective", "val_f1_score:min", "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    study = json.loads(done.stdout)
    assert study["objective"] == {"name": "val_f1_score", "direction": "min"}
    whole = [t for t in study["trials"] if t["epochs"] == 4]
    assert len(whole) > 1
    best = min(whole, key=lambda t: t["val_f1_score"])
    assert study["best"] == best

    folder = tmp_path / "runs/mine-digits"
    for path in folder.glob("trials/*.json"):
        record = json.loads(path.read_text())
        (execution,) = record["executions"]
        assert set(execution["metrics"]) == {
            f"{split}_{name}"
            for split in ("train", "val", "test")
            for name in ("auc", "f1_score")
        }
        last = execution["history"]["val_f1_score"][-1]
        assert record["rungs"][-1]["score"] == last
        assert execution["metrics"]["val_f1_score"] == last
    rows = tune("show", "mine-digits").stdout.splitlines()
    assert rows[1].split()[:3] == ["trial", "val_f1_score", "val"]
    assert rows[2].split()[1] == f"{best['val_f1_score']:.4f}"
    tune("export", "mine-digits", "--to", "csv")
    with (tmp_path / "trials.csv").open() as file:
        first = next(csv.DictReader(file))
    assert int(first["trial"]) == best["trial"]
    assert float(first["val_f1_score"]) == pytest.approx(best["val_f1_score"], rel=1e-4)
    page = (folder / "report.html").read_text()
    assert "Validation f1 score" in page
    assert "lowest validation f1 score" in page


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
    assert "file changed\n  (cp runs/mine-digits/space.py mine.py brings" in refused
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
    assert "cp runs/mine-digits/space.py mine.py brings it back" in gone
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
    assert f"Modules of its own must lie in {tmp_path.resolve()}." in refused


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
        ("Local()", "at the top of its file, and Local has none"),
        (
            "keras.layers.Dense(4, activation=lambda x: -x)",
            "must be able to store and load a network, and this one it cannot: TypeErr",
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
    from tuner import own_models, own_objects
    from tuner.study import StudyError

    code = _UNNAMED.format(layer=layer)
    own = OwnModel(str(_space(tmp_path, code)), code)
    hp = own_models.hyperparameters({})
    model = own_models.network(own, hp, (8, 8, 1), 10).model
    model.compiled, model.optimizer = False, None
    model.save(tmp_path / "mine.keras")
    if not said or said.startswith(", "):
        assert own_objects.needs(tmp_path / "mine.keras", model).options == said
        return
    with pytest.raises(StudyError, match=said):
        own_objects.needs(tmp_path / "mine.keras", model)


@slow
def test_a_file_that_would_predict_something_else_is_not_exported(tmp_path):
    """Keras stores of a function its name alone."""
    from tuner import own_models, own_objects
    from tuner.study import StudyError

    code = _UNNAMED.format(layer="keras.layers.Dense(4, activation=registered)")
    own = OwnModel(str(_space(tmp_path, code)), code)
    hp = own_models.hyperparameters({})
    model = own_models.network(own, hp, (8, 8, 1), 10).model
    model.compiled, model.optimizer = False, None
    model.save(tmp_path / "mine.keras")
    other = own_models.network(own, hp, (8, 8, 1), 10).model  # other weights
    with pytest.raises(StudyError, match="registered is stored by a name that several"):
        own_objects.needs(tmp_path / "mine.keras", other)
