"""Promises to those who bring KerasTuner code of their own: it runs unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import user_spaces
from user_spaces import write_space as _space

from search_spaces.space import SpaceError, load_space
from search_spaces.user_code import UserConfig, UserModel, UserSpace
from tuner.study.settings import SettingsError

slow = pytest.mark.slow


def _own(code):
    return UserModel("mine.py", code)


@cache
def _discover(code):
    from tasks import digits

    from tuner.training import discovery

    return discovery.discover(_own(code), digits()).discovered


def _task(code, config, **changes):
    from tasks import task

    found = _discover(code)
    flags = {name: found[name] for name in ("has_fit", "draws_epochs")}
    user_model = replace(_own(code), **flags)
    return replace(
        task(), user_model=user_model, config=config, epochs=config["epochs"], **changes
    )


def _train(task):
    from tasks import digits

    from tuner.training import worker

    return list(worker.run(task, digits()))


@pytest.mark.parametrize("name", ["FUNCTION", "CLASS", "DRAWS_EPOCHS", "OWN_LOOP"])
def test_a_file_with_a_network_is_a_space_of_its_own(tmp_path, name):
    """The driver reads it, and does not run it."""
    code = "raise SystemExit\n" + getattr(user_spaces, name)
    space = load_space(str(_space(tmp_path, code)))
    assert isinstance(space, UserSpace)
    assert space.name == "mine"


def test_values_behind_a_condition_are_no_part_of_a_config():
    """As KerasTuner has it; what nothing says is at its default."""
    import keras_tuner as kt

    hp = kt.HyperParameters()
    hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        hp.Float("momentum", 0.0, 0.9)
    declared = {"space": hp.get_config()["space"], "values": {}}
    space = UserSpace("mine", _own(""), declared=declared)
    assert space.config({}).values == {"optimizer": "adam"}
    sgd = space.config({"optimizer": "sgd", "momentum": 0.5})
    assert sgd == UserConfig({"optimizer": "sgd", "momentum": 0.5}, 5)
    assert space.config({"optimizer": "sgd"}).values["momentum"] == 0.0
    assert space.read(json.loads(json.dumps(sgd.to_dict()))) == sgd


def test_options_that_cannot_be_held_are_refused(tmp_path):
    """Arithmetic knows nothing of a user's code."""
    from tuner.search.planning import plan_space, plan_study
    from tuner.study.settings import StudySettings

    path = str(_space(tmp_path, user_spaces.CLASS))
    with pytest.raises(SettingsError, match=r"--max-params cannot be combined"):
        plan_study(StudySettings(path, max_params=1000))
    with pytest.raises(
        SettingsError, match=r"--pixels applies only to models of your own"
    ):
        plan_study(StudySettings("architecture", pixels="raw"))
    found = {"declared": None, "has_fit": True, "draws_epochs": True}
    space = load_space(path).with_discovery(found)
    with pytest.raises(SettingsError, match=r"Hyperband sets the epochs"):
        plan_space(StudySettings(path, algorithm="hyperband"), space)
    with pytest.raises(SettingsError, match=r"--patience cannot stop fit of"):
        plan_space(StudySettings(path, patience=2), space)


@slow
def test_what_a_function_draws_is_discovered():
    """Behind a loop and a condition too."""
    found = _discover(user_spaces.FUNCTION)
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
    found = _discover(getattr(user_spaces, name))
    assert {h["config"]["name"] for h in found["declared"]["space"]} == names
    assert found["has_fit"]
    assert found["draws_epochs"] == draws_epochs


@slow
def test_a_function_gets_pixels_from_0_to_1_and_labels_that_fit_its_loss():
    """float32; one-hot, or class ids for a sparse loss; raw pixels when asked for."""
    from tasks import digits

    from tuner.training import user_models

    seen = digits().x_train[:50], digits().y_train[:50]
    for loss, shape in (("categorical", (50, 10)), ("sparse_categorical", (50,))):
        code = user_spaces.FUNCTION.replace('"categorical_', f'"{loss}_')
        for pixels, top in (("unit", 1.0), ("raw", 255.0)):
            user_model = replace(_own(code), pixels=pixels)
            hp = user_models.hyperparameters({})
            network = user_models.network(user_model, hp, digits().input_shape, 10)
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
    whole = _task(user_spaces.FUNCTION, config)
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
def test_a_precision_reaches_the_layers_of_a_function():
    """And not those of the next network."""
    from tasks import digits

    from tuner.training import loop

    config = {"num_layers": 1, "units_0": 16, "dropout": True, "lr": 0.01, "epochs": 1}
    for precision in ("bfloat16", "float32"):
        task = _task(user_spaces.FUNCTION, config, precision=precision)
        layers = loop.build(task, digits(), 1).model.layers
        assert {layer.compute_dtype for layer in layers} == {precision}
        *_, result = _train(task)
        assert result.test.accuracy > 0.2


@slow
@pytest.mark.parametrize("name", ["CLASS", "DRAWS_EPOCHS", "OWN_LOOP"])
def test_a_users_fit_trains_and_says_when_epochs_end(name):
    """Judged as every network is, whatever it returns; the same seed, the same bits."""
    config = {"units": 16, "batch_size": 32, "epochs": 2}
    task = _task(getattr(user_spaces, name), config)
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
    *epochs, result = _train(_task(user_spaces.OWN_LOOP, config))
    assert len(epochs) == 2
    assert (result.epochs, result.best_epoch) == (2, 2)


@slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("import keras\n", "import nothing_here\n"), "at line 2: ModuleNotFound"),
        (("units=hp.Int", "units=1 / 0 + hp.Int"), "at line 13: ZeroDivisionError"),
        (("return model\n", "return 7\n"), "must return a compiled keras.Model, got"),
        (
            ("Dense(10, act", "Dense(7, act"),
            r"one score per class, shape \(images, 10\)",
        ),
        (("return model.fit", "return model.fitt"), "fit must run .*at line 26: Attr"),
    ],
)
def test_code_that_fails_says_where(change, message):
    """Before a trial is spent on it, with the line of the user's file."""
    code = user_spaces.CLASS.replace(*change)
    assert code != user_spaces.CLASS
    with pytest.raises(SpaceError, match=message):
        _discover(code)


_BOTH = user_spaces.FUNCTION + user_spaces.CLASS  # as both guides have them
_HELPED = user_spaces.CLASS + "def helper(hp): ...\ndef other(hp): ...\n"


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
    from tuner.training import user_models

    if expected:
        assert user_models.expression(_own(code)) == expected
        return
    with pytest.raises(
        SpaceError,
        match=r"mine.py must choose one .* got build_model and MyHyperModel. Add "
        r"a line to it: `hypermodel = build_model` or `hypermodel = MyHyperModel\(\)`.",
    ):
        user_models.expression(_own(code))


@slow
def test_a_study_of_a_users_code(tmp_path):
    """Searched, resumed, confirmed and exported, and its page is there."""
    _space(tmp_path, user_spaces.FUNCTION)

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
from tuner.data.dataset import load_dataset
data = load_dataset("digits", None, limit=None, validation_split=0.2, seed=0)
model = keras.saving.load_model("{model}")
print((model.predict(data.x_test, verbose=0).argmax(1) == data.y_test).mean())
"""


@slow
def test_a_fit_is_refused_images_that_memory_cannot_hold(monkeypatch):
    """It is given them as one array; `build_model` alone is not."""
    from tasks import digits

    from tuner.training import discovery

    monkeypatch.setattr(discovery, "memory_bytes", lambda: 100_000)
    with pytest.raises(SpaceError, match=r"400 images as float32 take 0.0 GB, this"):
        discovery.discover(_own(user_spaces.CLASS), digits())


_F1 = user_spaces.FUNCTION.replace(
    'metrics=["accuracy"]',
    'metrics=["accuracy", keras.metrics.AUC(), keras.metrics.F1Score("macro"), '
    "keras.metrics.F1Score(name='each')]",
)


@slow
def test_metrics_are_as_keras_measures_them_over_the_whole_split():
    """Not averaged over batches; one that is no single number is left out."""
    from tasks import digits

    from tuner.training import user_models
    from tuner.training.networks import fresh

    assert _discover(_F1)["metrics"] == ["auc", "f1_score"]
    data = digits()
    hp = user_models.hyperparameters({"units_0": 16})
    network = fresh(
        lambda: user_models.network(_own(_F1), hp, data.input_shape, 10), seed=1
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
    assert "val_accuracy, val_loss, val_auc, val_f1_score" in refused.stderr
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
