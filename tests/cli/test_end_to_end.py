"""The whole way, as a user walks it: the command, real trainings, a real disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from studies import write_study

pytestmark = pytest.mark.slow

# Small and quick, and still three trials with three epochs each.
SMALL_SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE

def sample(hp, base=BASELINE):
    width = hp.Choice("width", [2, 4, 6, 8])
    return replace(base, filters=(width,), units=(16,))
"""


def tune(folder, *arguments, check=0):
    """Run the command in a folder and wait for it."""
    done = subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == check, done.stderr[-3000:]
    return done


@pytest.fixture
def folder(tmp_path):
    """A user's folder with a space file in it."""
    (tmp_path / "space.py").write_text(SMALL_SPACE, encoding="utf-8")
    return tmp_path


# One worker: each loads TensorFlow, which takes longer than these trainings.
SEARCH = [
    "--space",
    "space.py",
    "--dataset",
    "digits",
    "--workers",
    "1",
    "--epochs",
    "3",
    "-n",
    "3",
]


def _records(folder, study="space-digits"):
    paths = sorted((folder / "runs" / study / "trials").glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _facts(records):
    """What a trial is and how it was trained, without how long it took."""
    return [
        (r["trial"], r["status"], r["config"], [e["seed"] for e in r["executions"]])
        for r in records
    ]


def test_a_search_leaves_what_others_rely_on(folder):
    """Records, predictions, pages and one JSON object, with the promised names."""
    done = tune(folder, *SEARCH, "--workers", "auto", "--json")
    result = json.loads(done.stdout)
    assert (result["schema"], result["study"]) == (1, "space-digits")
    assert result["status"] == "completed"
    assert len(result["trials"]) == 4
    assert result["best"] in result["trials"]
    assert (
        "Study space-digits   random search, up to 3 trials of 3 epochs" in done.stderr
    )
    assert "I0000" not in done.stderr  # TensorFlow's chatter is in search.log

    study = folder / "runs" / "space-digits"
    assert (study / "report.html").is_file()
    assert (study.parent / "comparison.html").is_file()
    assert not (study / ".data").exists()
    labels = np.load(study / "labels.npz")
    for record in _records(folder):
        (execution,) = record["executions"]
        assert {len(v) for v in execution["history"].values()} == {3}
        stored = np.load(study / f"trials/{record['trial']:04d}/predictions-0.npz")
        for split in ("validation", "test"):
            name = {"validation": "val_accuracy", "test": "test_accuracy"}[split]
            assert stored[split].dtype == np.uint8
            right = np.mean(stored[split] == labels[split])
            assert execution[name] == pytest.approx(right)
    assert len(list(study.glob("trials/*/state-0.npz"))) == 3  # --keep-models 3

    again = tune(folder, *SEARCH)
    assert "Resuming after 4 finished trials" in again.stderr
    assert len(_records(folder)) == 4


def test_changed_settings_are_refused_and_listed(folder):
    """Exit 3 names what differs; --overwrite keeps the old study aside."""
    tune(folder, *SEARCH, "-n", "1", "--no-report")
    refused = tune(folder, *SEARCH, "--epochs", "4", "--seed", "2", check=3)
    assert "--epochs: 3 in the study, 4 now" in refused.stderr
    assert "--seed: 0 in the study, 2 now" in refused.stderr

    (folder / "space.py").write_text(SMALL_SPACE.replace("8]", "9]"), encoding="utf-8")
    refused = tune(folder, *SEARCH, "-n", "1", check=3)
    assert "the space: its hyperparameters, ranges or file changed" in refused.stderr

    tune(folder, *SEARCH, "-n", "1", "--overwrite", "--no-report")
    (aside,) = (folder / "runs" / ".replaced").iterdir()
    assert (aside / "trials" / "0001.json").is_file()
    assert tune(folder, *SEARCH, "-n", "2", "--no-report").returncode == 0
    assert len(_records(folder)) == 3


def _start(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(condition, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _in_mid_trial(folder, trial):
    """Whether a trial has trained some of its epochs, and not all."""
    path = folder / f"runs/space-digits/trials/{trial:04d}.json"
    if not path.exists():
        return False
    record = json.loads(path.read_text(encoding="utf-8"))
    return record["status"] == "running" and record["executions"][0]["epochs"] > 0


LONGER = [*SEARCH[:-4], "--epochs", "12", "-n", "3", "--no-report"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(folder):
    """Exit 130, whole pages, and a resume command that works."""
    # Where the tests run in the background, Ctrl-C is ignored, and children inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [*LONGER[:-1], "--workers", "1"]
    process = _start(folder, *command)
    _wait_for(lambda: _in_mid_trial(folder, 1), process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()

    assert process.returncode == 130
    assert "Traceback" not in stderr
    resume = stderr.strip().splitlines()[-1].split()
    assert resume == ["tune", *command]
    page = folder / "runs/space-digits/report.html"
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert _records(folder)[0]["status"] == "completed"
    tune(folder, *resume[1:])
    assert [r["status"] for r in _records(folder)] == ["completed"] * 4


def test_a_folder_that_is_no_study_is_left_alone(folder):
    """A name that is taken by something else is refused, and nothing is deleted."""
    photos = folder / "runs" / "photos"
    photos.mkdir(parents=True)
    (photos / "mine.txt").write_text("mine", encoding="utf-8")
    refused = tune(folder, *SEARCH, "--name", "photos", check=2)
    assert "contains mine.txt. Use another --name" in refused.stderr
    assert [p.name for p in photos.iterdir()] == ["mine.txt"]


def test_a_broken_study_does_not_hide_the_others(folder):
    """It is named, the rest is listed and reported, and the exit code tells."""
    write_study(folder / "runs", "good", n=3)
    bad = write_study(folder / "runs", "bad", n=3)
    (bad / "study.json").write_text('{"schema": 9}', encoding="utf-8")
    listed = tune(folder, "list", check=1)
    assert "good" in listed.stdout
    assert "Skipped bad" in listed.stderr
    reported = tune(folder, "report", check=1)
    assert "comparison.html" in reported.stdout
    assert "Skipped bad" in reported.stderr


def test_two_searches_on_one_study_are_refused(folder):
    """The second is told which process holds the study."""
    process = _start(folder, *LONGER)
    try:
        study = folder / "runs/space-digits/study.json"
        _wait_for(study.exists, process)
        second = tune(folder, *LONGER, check=1)
        assert f"process {process.pid}" in second.stderr
    finally:
        process.kill()
        process.communicate()


def test_a_record_that_was_cut_off_is_set_aside_and_run_again(folder):
    """No bad file blocks a study; the user hears of it."""
    tune(folder, *SEARCH, "--no-report")
    before = _facts(_records(folder))
    broken = folder / "runs/space-digits/trials/0002.json"
    broken.write_text(broken.read_text(encoding="utf-8")[:100], encoding="utf-8")

    done = tune(folder, *SEARCH, "--no-report")
    assert "0002.json could not be read" in done.stderr
    assert _facts(_records(folder)) == before
    assert broken.with_suffix(".broken").exists()


def test_failures_are_results_and_too_many_end_the_search(folder):
    """A config that cannot train is a failed trial with its reason, in words."""
    (folder / "space.py").write_text(
        "from search_spaces.config import CnnConfig\n"
        "def sample(hp):\n"
        "    rate = hp.Choice('rate', [10.0, 9.0, 8.0, 7.0])\n"
        "    return CnnConfig(optimizer='sgd', learning_rate=rate,"
        " weight_decay=1.0, epochs=40, filters=(2,), units=(4,))\n",
        encoding="utf-8",
    )
    done = tune(folder, *SEARCH, "-n", "4", "--no-baseline", "--workers", "1", check=1)
    assert "3 trials failed in a row" in done.stderr
    assert "--max-consecutive-failed-trials" in done.stderr
    records = _records(folder)
    assert [r["status"] for r in records] == ["failed"] * 3
    assert "loss became" in records[0]["error"]


def test_published_runs_in_order_without_a_choice(folder):
    """Nine experiments, no validation, no best; what the images forbid is skipped."""
    done = tune(
        folder,
        "--space",
        "published",
        "--dataset",
        "digits",
        "--limit",
        "300",
        "--json",
    )
    result = json.loads(done.stdout)
    names = [t["name"] for t in result["trials"]]
    assert names[:4] == ["baseline", "filters-48", "two-conv", "three-conv"]
    assert "four-conv" not in names  # four 3x3 convolutions leave nothing of 8 pixels
    assert any("four-conv, is skipped" in note for note in result["notes"])
    assert result["best"] is None
    assert all(t["val_accuracy"] is None for t in result["trials"])
    assert (folder / "runs/published-digits/report.html").is_file()
    shown = tune(folder, "show", "published-digits").stdout
    assert "Without validation images, no trial is ranked or chosen." in shown
    named = tune(folder, "export", "published-digits", check=2)
    assert "choose a trial yourself: tune show published-digits" in named.stderr


def test_an_exported_model_gives_the_recorded_test_accuracy(folder):
    """In a process that knows Keras alone; trained again where it was not kept."""
    tune(folder, *SEARCH, "--keep-models", "1", "--no-report")
    records = {r["trial"]: r for r in _records(folder)}
    kept = json.loads(tune(folder, "export", "space-digits", "--json").stdout)["trial"]
    other = next(t for t in records if t != kept)
    for trial, is_kept in ((kept, True), (other, False)):
        done = tune(folder, "export", "space-digits", str(trial), "-o", "m.keras")
        assert ("trained again from the seed" in done.stderr) != is_kept
        assert ("Trained again, its test accuracy" in done.stderr) != is_kept
        code = (
            "import sys; sys.path = [p for p in sys.path if 'tune' not in p]\n"
            "import keras, numpy as np, json\n"
            "from sklearn.datasets import load_digits\n"
            "model = keras.saving.load_model('m.keras')\n"
            "data = np.load('test.npz')\n"
            "p = model.predict(data['x'], verbose=0)\n"
            "assert np.allclose(p.sum(axis=1), 1, atol=1e-5)\n"
            "print((p.argmax(1) == data['y']).mean())\n"
        )
        _save_test_images(folder / "test.npz")
        script = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        accuracy = float(script.stdout.split()[-1])
        recorded = records[trial]["executions"][0]["test_accuracy"]
        assert accuracy == pytest.approx(recorded, abs=2 / 359)
        snippet = done.stdout.partition("\n\n")[2]
        subprocess.run([sys.executable, "-c", snippet], cwd=folder, check=True)


def _save_test_images(path: Path):
    from tuner.data.dataset import load_dataset

    data = load_dataset(
        "digits", None, limit=None, validation_split=0.1, seed=0, say=lambda _: None
    )
    np.savez(path, x=data.x_test, y=data.y_test)


def test_a_baseline_that_is_too_large_is_skipped_and_said(folder):
    """The search goes on without trial 0; the record keeps the reason."""
    search = ["--space", "architecture", "--dataset", "digits", "--epochs", "1"]
    done = tune(folder, *search, "-n", "1", "--max-params", "60000", "--json")
    result = json.loads(done.stdout)
    assert [t["trial"] for t in result["trials"]] == [1]
    assert result["trials"][0]["params"] <= 60_000
    reason = "baseline, is skipped: too large (over 60,000 parameters)"
    assert reason in done.stderr
    assert reason in result["notes"][0]


def test_another_backend_searches_as_well(folder):
    """KERAS_BACKEND=jax: same command, same seeds, the record names the backend."""
    done = subprocess.run(
        [sys.executable, "-m", "tuner", *SEARCH, "-n", "1", "--json", "--no-report"],
        cwd=folder,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert [t["status"] for t in result["trials"]] == ["completed"] * 2
    study = json.loads((folder / "runs/space-digits/study.json").read_text())
    assert study["versions"]["backend"] == "jax"
    assert "jax" in study["versions"]


def test_a_dry_run_plans_and_stores_nothing(folder):
    """The plan, the space's size and an estimate; no study comes of it."""
    done = tune(folder, *SEARCH, "--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert (plan["trials"], plan["points"]) == (3, 4)
    assert plan["seconds"] > 0
    assert not (folder / "runs").exists()


def test_a_time_limit_starts_no_more_trials(folder):
    """It ends well, says it is interrupted, and goes on without the limit."""
    done = tune(
        folder,
        *SEARCH,
        "--time-limit",
        "0.1s",
        "--json",
        "--no-report",
        "--workers",
        "1",
    )
    result = json.loads(done.stdout)
    assert result["status"] == "interrupted"
    assert len(result["trials"]) == 1
    tune(folder, *SEARCH, "--no-report")
    assert len(_records(folder)) == 4


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_deterministic_histories_are_the_same_with_any_workers(tmp_path, backend):
    """One thread a training: the same bits from one worker and from two."""
    search = [*SEARCH, "--deterministic", "--no-report", "--executions", "2"]
    found = []
    for workers in ("1", "2"):
        folder = tmp_path / workers
        folder.mkdir()
        (folder / "space.py").write_text(SMALL_SPACE, encoding="utf-8")
        subprocess.run(
            [sys.executable, "-m", "tuner", *search, "--workers", workers],
            cwd=folder,
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            check=True,
        )
        records = _records(folder)
        found.append([[e["history"] for e in r["executions"]] for r in records])
        assert {e["device"] for r in records for e in r["executions"]} == {
            "CPU, 1 thread"
        }
    assert found[0] == found[1]
    study = json.loads((tmp_path / "2/runs/space-digits/study.json").read_text())
    assert study["settings"]["deterministic"] is True


def test_published_goes_on_where_a_shorter_experiment_ended(folder):
    """epochs-10 continues the baseline, combined-7 wide-output; results stay theirs."""
    search = ["--space", "published", "--dataset", "digits", "--limit", "300"]
    search += ["--workers", "1"]  # so that the shorter one has ended
    tune(folder, *search, "--deterministic", "--keep-models", "0", "--no-report")
    records = {r["name"]: r for r in _records(folder, "published-digits")}
    for name, shorter in (("epochs-10", "baseline"), ("combined-7", "wide-output")):
        (execution,) = records[name]["executions"]
        (first,) = records[shorter]["executions"]
        assert execution["continued_from"] == 5
        assert execution["continued_trial"] == records[shorter]["trial"]
        assert execution["seed"] == first["seed"]
        for metric, values in first["history"].items():
            assert execution["history"][metric][:5] == values
    kept = list((folder / "runs/published-digits/trials").glob("*/state-*.npz"))
    assert kept == []

    # Its record lost and no state kept, it trains from new weights to the same bits.
    number = records["epochs-10"]["trial"]
    (folder / f"runs/published-digits/trials/{number:04d}.json").unlink()
    done = tune(folder, *search, "--deterministic", "--keep-models", "0", "--no-report")
    assert f"Trial {number} has no record; it runs again." in done.stderr
    again = _records(folder, "published-digits")[number - 1]
    assert again["name"] == "epochs-10"
    assert again["executions"][0]["continued_from"] == 0
    assert (
        again["executions"][0]["history"]
        == (records["epochs-10"]["executions"][0]["history"])
    )
    assert (
        again["executions"][0]["test_loss"]
        == (records["epochs-10"]["executions"][0]["test_loss"])
    )


def test_patience_keeps_the_epoch_of_lowest_validation_loss(folder):
    """The record says which, the curve goes on past it, and the page names it."""
    search = [*SEARCH[:-4], "--epochs", "30", "-n", "2", "--patience", "2"]
    done = tune(folder, *search, "--no-baseline")
    assert "patience 2" in done.stderr
    for record in _records(folder):
        (execution,) = record["executions"]
        losses = execution["history"]["val_loss"]
        best = losses.index(min(losses)) + 1
        assert execution["best_epoch"] == best
        assert execution["val_loss"] == pytest.approx(min(losses), rel=1e-5)
        assert len(losses) in (best + 2, 30)
    page = (folder / "runs/space-digits/report.html").read_text(encoding="utf-8")
    assert "without a lower validation loss" in page
    exported = tune(folder, "export", "space-digits", "1")
    assert "trained again" not in exported.stderr  # the kept state is that epoch's
    for state in (folder / "runs/space-digits/trials/0001").glob("state-*"):
        state.unlink()
    best = _records(folder)[0]["executions"][0]["best_epoch"]
    again = tune(folder, "export", "space-digits", "1")
    assert f"its {best} epochs are trained again" in again.stderr


def test_a_base_and_an_audit_are_said_and_kept(folder):
    """Trial 0 is the other study's best; the audit's outcome stands everywhere."""
    tune(folder, *SEARCH, "--no-report")
    best = json.loads(tune(folder, "show", "space-digits", "--json").stdout)["best"]
    done = tune(
        folder,
        *["--space", "space.py", "--dataset", "digits", "--base", "space-digits"],
        *["--algorithm", "hyperband", "--epochs", "3", "--audit", "2", "--json"],
    )
    study = json.loads(done.stdout)
    assert study["study"] == "space-digits-on-space-digits"
    assert study["trials"][0]["config"] == {**best["config"], "epochs": 3}
    assert len(study["audit"]["audited"]) in (1, 2)
    assert "Audit: " in tune(folder, "show", study["study"]).stdout
    page = (folder / "runs" / study["study"] / "report.html").read_text()
    assert "Audit: " in page
    assert "the best trial of space-digits" in page


def test_a_search_is_confirmed_and_changes_are_tried(folder):
    """Fresh seeds, their own splits; the verdict is on the page and in JSON alike."""
    tune(folder, *SEARCH, "--no-report")
    few = ["--seeds", "3", "--workers", "2", "--json"]
    done = tune(folder, "confirm", "space-digits", "--top", "1", *few)
    candidates = json.loads(done.stdout)["candidates"]
    assert [(a["seeds"], a["status"]) for a in candidates] == [(3, "completed")] * 2
    searched = {e["seed"] for r in _records(folder) for e in r["executions"]}
    again = _records(folder, "space-digits/confirm")
    fresh = [e["seed"] for r in again for e in r["executions"]]
    assert not searched & set(fresh)
    assert len(set(fresh)) == 6
    page = (folder / "runs/space-digits/report.html").read_text(encoding="utf-8")
    points = f"{100 * candidates[1]['difference']:+.1f}".replace("-", "\u2212")
    shown = json.loads(tune(folder, "show", "space-digits", "--json").stdout)
    assert shown["confirmed"]["candidates"] == candidates
    assert "Was it confirmed on fresh seeds?" in page
    assert f"{points} points of test accuracy" in page

    small = ["--dataset", "digits", "--limit", "300", "--epochs", "2"]
    tried = tune(folder, "try", "filters=4", "units=8", *small, "--seeds", "3")
    assert "filters=4 units=8" in tried.stdout.splitlines()[0]
    assert "runs/tried-digits/report.html" in tried.stdout
    noisy = tune(folder, "noise", *small, "--seeds", "3", "--no-report")
    assert noisy.stdout.startswith("A change without effect, trained once, gains up to")
    listed = json.loads(tune(folder, "list", "--json").stdout)["studies"]
    names = [s["study"] for s in listed]
    assert names == ["noise-digits", "space-digits", "tried-digits"]


def test_finalists_of_a_part_of_the_images_are_trained_on_all(folder):
    """The search took 300 of them; the verdict is on the search's page."""
    tune(folder, *SEARCH, "--limit", "300", "-n", "1", "--no-report")
    last = ["--all-images", "--top", "1", "--seeds", "2", "--workers", "2"]
    done = tune(folder, "confirm", "space-digits", *last)
    again = folder / "runs/space-digits/confirm-all-images"
    study = json.loads((again / "study.json").read_text(encoding="utf-8"))
    assert study["data"]["train"] > 1000
    assert "confirm-all-images/report.html" in done.stdout
    page = (folder / "runs/space-digits/report.html").read_text(encoding="utf-8")
    assert "Trained again on fresh seeds and all images:" in page


def test_what_cannot_be_confirmed_or_tried_says_so(folder):
    """Before anything is trained, with what to do."""
    assert "Did you mean filters?" in tune(folder, "try", "filtres=4", check=2).stderr
    assert "must read like" in tune(folder, "try", "filters", check=2).stderr
    assert "is not a study" in tune(folder, "confirm", "none", check=2).stderr
    assert (
        "one folder name" in tune(folder, "noise", "--name", "../evil", check=2).stderr
    )
    large = ["--dataset", "digits", "--limit", "300", "--seeds", "3", "--epochs", "1"]
    failed = tune(folder, "try", "kernel_size=9", "conv_layers=2", *large, check=1)
    assert "was not trained" in failed.stderr or "is skipped" in failed.stderr
    again = tune(folder, "confirm", "tried-digits", check=2).stderr
    assert "Name another study" in again
    said = tune(folder, "noise", "--seeds", "auto", check=2).stderr
    assert "--seeds must be a number" in said
