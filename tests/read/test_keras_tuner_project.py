"""Promises to those who come with a KerasTuner project: our page, and what it lacks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache

import pytest

from reports.pages.study import report_html
from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.study.schema import RecordError

pytestmark = pytest.mark.slow

# A real search by the real KerasTuner, in a process of its own.
SEARCH = """
import sys
import keras, keras_tuner as kt, numpy as np

def build_model(hp):
    model = keras.Sequential([keras.layers.Flatten()])
    for i in range(hp.Int("layers", 1, 2)):
        model.add(keras.layers.Dense(hp.Int(f"units_{i}", 4, 16, step=4)))
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    if hp.Boolean("fails") and hp.Choice("kind", ["<b>a</b>", "b"]) == "b":
        raise ValueError("not this one")
    model.add(keras.layers.Dense(3, activation="softmax"))
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model

rng = np.random.default_rng(0)
x, y = rng.random((90, 4, 4, 1)).astype("float32"), np.arange(90) % 3
x[:, 0, 0, 0] = y
common = {"directory": sys.argv[1], "max_consecutive_failed_trials": 99}
for tuner in (
    kt.RandomSearch(build_model, "val_accuracy", 8, seed=3, project_name="random",
                    executions_per_trial=2, **common),
    kt.Hyperband(build_model, "val_loss", max_epochs=4, factor=2, seed=3,
                 project_name="hyperband", **common),
):
    tuner.search(x[:60], y[:60], epochs=2, validation_data=(x[60:], y[60:]), verbose=0)
"""


@pytest.fixture(scope="module")
def projects(tmp_path_factory):
    """Search with KerasTuner alone, randomly and by Hyperband."""
    folder = tmp_path_factory.mktemp("projects")
    done = subprocess.run(
        [sys.executable, "-c", SEARCH, str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@cache
def _raw(folder):
    paths = folder.glob("trial_*/trial.json")
    trials = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {f"trial_{trial['trial_id']}": trial for trial in trials}


def test_a_random_search_is_ranked_as_kerastuner_scored_it(projects):
    """Every trial, its values and score; nothing is made up."""
    study = read_study(projects / "random")
    raw = _raw(projects / "random")
    assert study.objective.name == "val_accuracy"
    assert list(study.trials["name"]) == [f"trial_{i}" for i in range(8)]
    assert 0 not in set(study.trials["trial"]), "trial 0 is the baseline's number"
    for _, row in study.trials.iterrows():
        theirs = raw[row["name"]]
        failed = theirs["status"] != "COMPLETED"
        assert (row["status"] == "failed") == failed
        if failed:
            assert row["error"] == "ValueError: not this one"
        else:
            assert row["objective"] == theirs["score"]
    for column in ("test_accuracy", "train_accuracy", "gap", "seconds", "epochs"):
        assert study.trials[column].isna().all()
    ranked = rank(study).ranked
    assert ranked["objective"].is_monotonic_decreasing
    assert ranked["objective_low"].isna().all()
    assert {h.name for h in study.hyperparameters} >= {"layers", "rate"}


def test_hyperbands_promotions_are_one_trial(projects):
    """Only those of the last rung are ranked."""
    study = read_study(projects / "hyperband")
    raw = _raw(projects / "hyperband")
    parents = [
        values["tuner/trial_id"]
        for trial in raw.values()
        if "tuner/trial_id" in (values := trial["hyperparameters"]["values"])
    ]
    assert parents, "this search promoted some"
    assert len(study.trials) == len(raw) - len(parents)
    assert (study.objective.name, study.objective.higher_is_better) == (
        "val_loss",
        False,
    )
    ranked = rank(study).ranked
    assert set(ranked["epochs"]) == {4}
    assert not [name for name in study.configs.columns if name.startswith("tuner/")]


@pytest.mark.parametrize("name", ["random", "hyperband"])
def test_its_page_says_what_is_missing(projects, name):
    """And offers nothing that cannot be done with it."""
    html = report_html(read_study(projects / name))
    assert "which does not hold learning curves" in html
    assert "optimistic" in html
    for wrong in ("Wilson", "trained once", "tune export", "0 validation", "<b>a"):
        assert wrong not in html


def test_the_command_writes_the_page_into_the_project(projects, tmp_path):
    """Given its path, from anywhere."""
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "report", str(projects / "random")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = projects / "random" / "report.html"
    assert done.stdout == f"Report   {page}\n"
    assert page.exists()
    assert not list(tmp_path.iterdir())


def test_the_folder_that_keras_tuner_was_given_names_the_project_in_it(projects):
    """KerasTuner's `directory` holds the project; the page has no command of ours."""
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "report", str(projects)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"is no KerasTuner project, but {projects}/" in done.stderr
    assert "resumes it" not in report_html(read_study(projects / "random"))


def test_a_damaged_project_says_so(projects, tmp_path):
    """A trial that is cut off is left out and named; without the oracle nothing is."""
    folder = tmp_path / "random"
    shutil.copytree(projects / "random", folder)
    (folder / "trial_3/trial.json").write_text('{"trial_id": "3', encoding="utf-8")
    study = read_study(folder)
    assert len(study.trials) == 7
    assert study.unread == ("trial_3/trial.json was left out: it is cut off.",)
    (folder / "oracle.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecordError, match="must be a project of KerasTuner 1.4"):
        read_study(folder)
    (folder / "oracle.json").write_text("{", encoding="utf-8")
    with pytest.raises(RecordError, match="must be whole JSON"):
        read_study(folder)
