"""Promises of the finished network: what it trains, what is refused, what is said."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import studies
from arithmetic import Arithmetic, session
from click.testing import CliRunner

from reports.pages.final import read_final
from reports.pages.fresh_seeds import outcome
from reports.pages.study import comparison_html, report_html
from reports.read import labels
from reports.read.study import read_study
from reports.stats.groups import read_studies
from reports.stats.intervals import wilson_interval
from search_spaces.config import BASELINE, CnnConfig
from tuner.cli import fresh_seeds, summary
from tuner.cli.candidates import finalist, settings_for
from tuner.cli.finish import _resumed, _settings, reserved
from tuner.cli.main import cli
from tuner.search import final_epochs
from tuner.search.session import _trainings
from tuner.search.timing import Sizes
from tuner.study.candidates import Candidate
from tuner.study.folder import Study, StudyChangedError
from tuner.study.ranking import best_first
from tuner.study.settings import SettingsError, StudySettings
from tuner.study.tasks import Timing
from tuner.system import locks

NETWORK = Candidate("trial 1", replace(BASELINE, epochs=4).to_dict(), {}, looks=(1,))


def run(*arguments, directory):
    """Run the command in this process."""
    return CliRunner().invoke(cli, [*arguments, "--directory", str(directory)])


def search(runs, name="search", **options):
    """Write a search, and open it."""
    return Study.open(studies.write_study(runs, name, **{"n": 5, **options}))


def finished(study, trial=None, *, accuracy=0.7, **settings):
    """Write the study of a search's finished network."""
    ranked = best_first(study.trials.values(), study.record.settings)
    number = ranked[0].trial if trial is None else trial
    config = CnnConfig.from_dict(study.trials[number].config)
    folder = study.folder / "final"
    studies.write_candidates(folder, {f"trial {number}": (config, 0.7)}, "final", 1)
    final = Study.open(folder)
    data = replace(final.record.data, train=50_000, validation=0)
    final.update(data=data, **settings)
    run = replace(final.trials[0].executions[0], test_accuracy=accuracy)
    final.put(replace(final.trials[0], executions=(run,)))
    return final


def test_a_trial_keeps_the_epochs_that_it_was_chosen_with(tmp_path):
    """Its own; under --patience those that were kept; --epochs overrides both."""
    study = search(tmp_path)
    trial = study.trials[1]
    assert finalist(study, trial, None).config == trial.config
    assert finalist(study, trial, 9).config == {**trial.config, "epochs": 9}

    runs = (replace(trial.executions[0], best_epoch=e) for e in (2, 3, 3))
    stopped = replace(trial, executions=tuple(runs))
    assert finalist(study, stopped, None).config["epochs"] == trial.config["epochs"]
    study.record = replace(
        study.record, settings=replace(study.record.settings, patience=1)
    )
    assert finalist(study, stopped, None).config["epochs"] == 3


def test_an_eliminated_trial_gets_the_epochs_of_a_full_one(tmp_path):
    """Hyperband stopped it early; a network to use is trained to the end."""
    study = Study.open(studies.write_hyperband(tmp_path))
    full = study.record.settings.epochs
    short = min(study.trials.values(), key=lambda t: t.executions[0].epochs)
    assert short.executions[0].epochs < full
    assert finalist(study, short, None).config["epochs"] == full


def test_it_trains_on_every_image_with_the_whole_machine(tmp_path):
    """No limit, no validation, one run; nothing of the search's size remains."""
    searched = {
        **studies.SETTINGS, "limit": 500, "patience": 2, "workers": 2, "in_s": 60.0,
        "validation_split": 0.1, "executions": 3,
    }  # fmt: skip
    study = search(tmp_path, settings=searched)
    candidate = finalist(study, study.trials[1], None)
    settings = _settings(study, candidate, None, {})

    assert settings.limit is settings.workers is settings.in_s is None
    assert settings.patience is None
    assert (settings.validation_split, settings.executions) == (0.0, 1)
    assert _trainings(settings) == 1  # so that one worker gets every core
    assert settings.epochs == candidate.config["epochs"]


def test_a_fit_of_the_users_own_keeps_its_validation_images(tmp_path, monkeypatch):
    """It may stop by them; the words then do not say "all images"."""
    study = search(tmp_path)
    space = replace(study.record.space, user_code={"has_fit": True}, source="x")
    study.record = replace(study.record, space=space)
    monkeypatch.setattr("tuner.cli.candidates.user_space", lambda study: None)
    assert _settings(study, NETWORK, None, {}).validation_split == 0.1

    final = finished(search(tmp_path, "other"))
    final.update(data=replace(final.record.data, train=45_000, validation=5_000))
    assert "trained on 45,000 images, " in read_final(tmp_path / "other").how


def test_the_state_of_the_network_is_kept(tmp_path):
    """No validation ranks it, and export needs it all the same."""
    like = StudySettings("combined")
    settings = replace(settings_for("final", [NETWORK], like, {}), keep_models=1)
    session(tmp_path / "final", Arithmetic(), settings)
    assert Study.open(tmp_path / "final").state(0, 0).epoch == 4
    session(tmp_path / "tried", Arithmetic(), replace(settings, keep_models=0))
    assert Study.open(tmp_path / "tried").trials_with_states() == set()


def test_what_exists_is_resumed_only_as_it_began(tmp_path):
    """Another trial or other epochs are refused; without epochs it keeps its own."""
    study = search(tmp_path)
    stored = replace(NETWORK, config={**NETWORK.config, "epochs": 30})
    assert _resumed(study, stored, NETWORK, None, None) is stored
    assert _resumed(study, stored, NETWORK, None, 60.0) is stored
    with pytest.raises(StudyChangedError, match="--epochs: 30 in it, 4 now"):
        _resumed(study, stored, NETWORK, 4, None)
    other = replace(NETWORK, name="trial 2")
    with pytest.raises(StudyChangedError, match="TRIAL: trial 1 in it, trial 2 now"):
        _resumed(study, stored, other, None, None)
    changed = replace(NETWORK, config={**NETWORK.config, "dropout": 0.5})
    with pytest.raises(StudyChangedError, match="the config of trial 1"):
        _resumed(study, stored, changed, None, None)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["search", "99"], "must be a completed trial of search, got 99"),
        (["nothing"], "holds these studies: search"),
        (["search", "--epochs", "0"], "0 is not in the range"),
        (["search", "--epochs", "3", "--in", "1m"], "--epochs and --in cannot be"),
        (["search/final"], "search/final is the finished network of search. Name se"),
        (["search", "1"], "add --overwrite to start again"),
    ],
)
def test_what_cannot_be_finished_says_so(tmp_path, arguments, text):
    """Before anything is trained, with what to do."""
    finished(search(tmp_path, seed=3), trial=2)
    result = run("finish", *arguments, directory=tmp_path)
    assert result.exit_code in (2, 3)
    assert text in result.output


def test_a_running_search_has_no_winner_yet(tmp_path):
    """A trial by its number is another matter."""
    study = search(tmp_path)
    with locks.hold(study.folder):
        result = run("finish", "search", directory=tmp_path)
    assert result.exit_code == 2
    assert "search is running. Wait for its end" in result.output


@pytest.mark.parametrize(("own", "most"), [(1, 10), (5, 50), (12, 60), (100, 100)])
def test_a_time_is_filled_with_a_bounded_number_of_epochs(own, most):
    """Ten times the trial's, at most 60; just the trial's at a constant rate."""
    config = CnnConfig(epochs=own, schedule="one_cycle")
    assert final_epochs.most_epochs(config) == most
    assert final_epochs.most_epochs(CnnConfig(epochs=own)) == own


@pytest.mark.parametrize(("seconds", "epochs"), [(65, 4), (45, 2), (10_000, 50)])
def test_the_chosen_epochs_fill_the_time_and_do_not_pass_it(
    monkeypatch, seconds, epochs
):
    """10 s an epoch, 10 s to load, 5 for the page, 5 to build and test."""
    _pretend_speed(monkeypatch)
    notes = []
    now = time.monotonic()
    settings = StudySettings("combined")
    assert final_epochs.epochs_within(settings, seconds, now, notes.append) == epochs
    assert re.match(rf"Plan  {epochs} epochs? of 1,000 images", notes[0])
    with pytest.raises(SettingsError, match="about 40s on this machine, got 20s"):
        final_epochs.epochs_within(settings, 20.0, now, notes.append)


def _pretend_speed(monkeypatch):
    timing = Timing(train_s=0.01, evaluate_s=0.02, start_s=1.0)
    speed = SimpleNamespace(
        timed=((replace(BASELINE, schedule="cosine"), timing),),
        sizes=Sizes(1000, 0, 100),
        data=SimpleNamespace(train=range(1000)),
        load_s=10.0,
    )

    @contextmanager
    def measured(settings, say):
        yield speed

    monkeypatch.setattr(final_epochs, "measure_speed", measured)


def test_the_pages_say_what_it_is_and_what_it_scored(tmp_path):
    """Config, images, epochs, interval; how it was chosen, and that it is one run."""
    study = search(tmp_path)
    final = finished(study, accuracy=0.7)
    low, high = wilson_interval(0.7, study.record.data.test)
    interval = f"70.0 % (95 % interval {labels.interval(low, high)})"
    network = read_final(study.folder)
    pages = [report_html(read_study(f)) for f in (study.folder, final.folder)]
    for page in pages:
        assert "trained on all 50,000 images, 5 epochs in " in page
        assert interval in page
        assert f"Its config: {network.words}." in page
        assert "Validation chose this config" in page
        assert "It is one run." in page
    assert "What is the finished network?" in pages[0]
    assert "tune export search -o model.keras" in pages[0]
    assert interval in comparison_html(read_studies(tmp_path))


def test_a_trial_that_was_named_was_not_chosen_by_validation(tmp_path):
    """The page must not claim it."""
    study = search(tmp_path)
    ranked = best_first(study.trials.values(), study.record.settings)
    finished(study, ranked[-1].trial)
    page = report_html(read_study(study.folder))
    assert "Validation chose" not in page
    assert "does not rank first in the search" in page


@pytest.mark.parametrize("state", ["running", "completed"])
def test_a_network_that_is_not_trained_is_not_shown_as_one(tmp_path, state):
    """It is interrupted or has failed; pages, export and the next step go without."""
    study = search(tmp_path)
    final = finished(study)
    failed = {"status": "failed", "error": "out of memory"}
    trial = {"status": "running"} if state == "running" else failed
    final.put(replace(final.trials[0], **trial, executions=()))
    page = report_html(read_study(study.folder))
    said = "not finished yet." if state == "running" else "failed with out of memory."
    assert said in page
    assert "tune finish search" in summary.next_step(study)
    assert said in run("show", "search", directory=tmp_path).output


def test_every_command_knows_the_network(tmp_path):
    """`show` and `export --script` speak of it; a named trial is as before."""
    study = search(tmp_path)
    assert "tune finish search" in summary.next_step(study)
    final = finished(study, accuracy=0.7)
    assert "tune export search" in summary.next_step(study)
    number = int(final.trials[0].name.split()[1])
    shown = json.loads(run("show", "search", "--json", directory=tmp_path).output)
    assert (shown["final"]["trial"], shown["final"]["test_accuracy"]) == (number, 0.7)
    for name in ("search", "search/final"):
        assert "70.0 % [" in run("show", name, directory=tmp_path).output

    output = tmp_path / "train.py"
    script = ["export", "search", "--script", "-o", str(output)]
    exported = run(*script, "--json", directory=tmp_path)
    assert json.loads(exported.output)["final"]["study"] == "search/final"
    assert "The network search/final, trial" in output.read_text(encoding="utf-8")
    trial = run(*script[:2], "0", *script[2:], directory=tmp_path)
    assert trial.output.startswith("Wrote trial 0 of search to")


def test_confirm_names_the_next_step(tmp_path):
    """The config that it shows to be better, unless that network exists already."""
    study = search(tmp_path)
    two = {str(n): CnnConfig.from_dict(study.trials[n].config) for n in (0, 1)}
    accuracies = {"0": (two["0"], 0.5), "1": (two["1"], 0.7)}
    folder = studies.write_candidates(
        study.folder / "confirm", accuracies, "confirm", 5
    )

    def step():
        return fresh_seeds._next(folder, outcome(folder))

    assert step() == f"{study.command('finish', 1)} (train it on all images)"
    final = finished(study, trial=2)
    assert "--overwrite" in step()
    shutil.rmtree(final.folder)
    finished(study, trial=1)
    assert step() == f"{study.command('export')} (the finished network)"


SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE

def sample(hp, base=BASELINE):
    width = hp.Choice("width", [2, 4])
    return replace(base, filters=(width,), units=(16,), dropout=0.2)
"""


def _tune(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tuner", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_search_hands_over_its_winner_trained_on_all_images(tmp_path):
    """Killed and resumed, on every image; export gives that network. --in fills."""
    (tmp_path / "space.py").write_text(SPACE, encoding="utf-8")
    search = ["--space", "space.py", "--dataset", "digits", "--limit", "300", "-n", "1"]
    small = ["--workers", "1", "--epochs", "2", "--no-report"]
    done = _tune(tmp_path, *search, *small)
    assert "tune finish space-digits" in done.stdout
    finish = ["finish", "space-digits", "--epochs", "40", "--no-report"]

    process = subprocess.Popen(
        [sys.executable, "-m", "tuner", *finish],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    record = tmp_path / "runs/space-digits/final/trials/0000.json"
    deadline = time.monotonic() + 120
    while not (record.exists() and _epochs(record)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert 0 < _epochs(record) < 40
    resumed = json.loads(_tune(tmp_path, *finish, "--json").stdout)
    assert _epochs(record) == resumed["epochs"] == 40
    assert (resumed["images"], resumed["validation"]) == (1438, 0)
    assert resumed["low"] < resumed["test_accuracy"] < resumed["high"]

    exported = _tune(tmp_path, "export", "space-digits", "--json")
    assert exported.stderr == ""  # its state was kept
    assert json.loads(exported.stdout)["final"]["epochs"] == 40
    filled = _tune(
        tmp_path, "finish", "space-digits", "--in", "5m", "--overwrite", "--json"
    )
    assert json.loads(filled.stdout)["epochs"] == 2  # more may harm: a constant rate
    assert "Plan  2 epochs of 1,438 images" in filled.stderr
    page = (tmp_path / "runs/space-digits/report.html").read_text(encoding="utf-8")
    assert "trained on all 1,438 images, 2 epochs" in page


def _epochs(record):
    return json.loads(record.read_text(encoding="utf-8"))["executions"][0]["epochs"]


@pytest.mark.parametrize(("within", "kept"), [(60, 0), (100, 0), (600, 270)])
def test_half_of_the_time_is_kept_for_the_winner(within, kept):
    """After the first minute, which starting takes; nothing of a short time."""
    assert reserved(within) == kept


@pytest.mark.slow
def test_a_search_for_a_time_ends_with_the_winner_trained_on_all_images(
    tmp_path, monkeypatch
):
    """After successive halving from the recipe; the same command keeps both."""
    monkeypatch.chdir(tmp_path)
    options = ["--space", "combined", "--dataset", "digits", "--in", "5m"]
    options += ["-n", "5", "--epochs", "2"]  # so few that they take a minute
    done = CliRunner().invoke(cli, [*options, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    study = Study.open(tmp_path / "runs/combined-digits")
    assert study.record.settings.algorithm == "halving"
    assert study.trials[1].name == "recipe"
    assert result["final"]["images"] == 1438
    assert result["final"]["trial"] == result["best"]["trial"]
    config = CnnConfig.from_dict(result["best"]["config"])
    most = final_epochs.most_epochs(replace(config, epochs=2))
    assert result["final"]["epochs"] == most  # as many as ever help

    again = CliRunner().invoke(cli, [*options, "--json"])
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["final"] == result["final"]
