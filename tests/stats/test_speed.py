"""Promises of the line that says where a study's time went."""

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
    """Four trials of 2 epochs, 60 s of training and 20 s of the rest each."""

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
    """Of 2 x 400 s, 240 went to training and 80 to the rest of the trials."""
    study = _study(tmp_path)
    trials = len(study.trials)
    found = speed(study)
    assert found.training == pytest.approx(60 * trials / 800)
    assert found.evaluation == pytest.approx(20 * trials / 800)
    assert found.training + found.evaluation + found.waiting == pytest.approx(1)
    assert found.images == pytest.approx(2 * 45_000 / 60)
    (line,) = (text for name, text in about(study) if name == "Speed")
    assert line.startswith("1,500 images a second in training, each of 2 workers; ")


def test_what_passed_before_a_training_could_start_is_told_apart(tmp_path):
    """10 of 400 s; the workers' idle time is the rest."""
    found = speed(_study(tmp_path, start=10.0))
    assert found.starting == pytest.approx(10 / 400)
    shares = found.training + found.evaluation + found.starting + found.waiting
    assert shares == pytest.approx(1)
    assert "2 % starting, " in words(found)


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
    found = speed(_study(tmp_path, workers=1, seconds=1.0))
    assert found.waiting == 0
    assert found.training + found.evaluation == pytest.approx(1)
