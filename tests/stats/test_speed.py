"""The line that says how a study spent its time."""

from __future__ import annotations

import dataclasses

import pytest
from studies import write_study

from reports.pages.facts import about
from reports.read.study import read_study
from reports.stats.speed import speed, words
from tuner.study import record_files


def _study(
    folder, *, workers=2, seconds=400.0, start=None, change=lambda execution: execution
):
    """Four trials of 2 epochs, each with 60 s of training and 20 s of other work."""

    def timed(trial):
        executions = tuple(
            change(
                dataclasses.replace(
                    e,
                    epochs=2,
                    history={name: values[:2] for name, values in e.history.items()},
                    seconds=80.0,
                    train_seconds=60.0,
                )
            )
            for e in trial.executions
        )
        return dataclasses.replace(trial, executions=executions)

    path = write_study(folder, "timed", n=3, change=timed)
    record = record_files.read_study(path)
    hardware = {**record.hardware, "workers": workers}
    record_files.write_study(
        path,
        dataclasses.replace(
            record, seconds=seconds, start_seconds=start, hardware=hardware
        ),
    )
    return read_study(path)


def test_shares_are_of_all_workers_time(tmp_path):
    """Of 2 x 400 s, 240 s are training and 80 s other work of the trials."""
    study = _study(tmp_path)
    trials = len(study.trials)
    measured = speed(study)
    assert measured.training == pytest.approx(60 * trials / 800)
    assert measured.evaluation == pytest.approx(20 * trials / 800)
    assert measured.training + measured.evaluation + measured.waiting == pytest.approx(
        1
    )
    assert measured.images == pytest.approx(2 * 45_000 / 60)
    (line,) = (text for name, text in about(study) if name == "Speed")
    assert line.startswith("1,500 images per second in training on each of 2 workers; ")


def test_what_passed_before_a_training_could_start_is_told_apart(tmp_path):
    """It is 10 of 400 s here; the workers' idle time is the remainder."""
    measured = speed(_study(tmp_path, start=10.0))
    assert measured.starting == pytest.approx(10 / 400)
    shares = (
        measured.training + measured.evaluation + measured.starting + measured.waiting
    )
    assert shares == pytest.approx(1)
    assert "2 % starting, " in words(measured)


def test_epochs_of_another_trials_state_were_not_trained(tmp_path):
    study = _study(
        tmp_path,
        change=lambda e: dataclasses.replace(e, continued_from=1, continued_trial=0),
    )
    assert speed(study).images == pytest.approx(45_000 / 60)


def test_nothing_is_said_before_anything_trained(tmp_path):
    study = read_study(write_study(tmp_path, "none", n=0, failures=1.0))
    if not study.executions["train_seconds"].sum():
        assert speed(study) is None
    empty = dataclasses.replace(study, executions=study.executions.iloc[:0])
    assert speed(empty) is None
    assert "Speed" not in dict(about(empty))


def test_shares_stay_shares_where_the_clock_says_less_than_the_trials(tmp_path):
    measured = speed(_study(tmp_path, workers=1, seconds=1.0))
    assert measured.waiting == 0
    assert measured.training + measured.evaluation == pytest.approx(1)
