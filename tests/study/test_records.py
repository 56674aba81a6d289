"""Promises of the records: whole, checked, versioned."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.study.record_files import read_trial, trial_path, trial_paths, write_trial
from tuner.study.records import Execution, Rung, TrialRecord, to_json
from tuner.study.schema import RecordError
from tuner.system.files import atomic_file

fractions = st.floats(0, 1)
executions = st.builds(
    lambda i, seed, values, final: Execution(
        execution=i,
        seed=seed,
        epochs=len(values),
        history={"accuracy": values, "loss": values},
        train_accuracy=final,
        test_accuracy=final,
    ),
    st.integers(0, 9),
    st.integers(0, 2**31 - 1),
    st.lists(fractions, max_size=5),
    st.none() | fractions,
)
trials = st.builds(
    TrialRecord,
    trial=st.integers(0, 9999),
    status=st.sampled_from(["running", "completed"]),
    config=st.dictionaries(st.text(), st.integers() | fractions | st.text()),
    name=st.none() | st.text(),
    rungs=st.lists(
        st.builds(Rung, epochs=st.integers(1, 99), told=st.none() | st.integers(0, 9))
    ).map(tuple),
    executions=st.lists(executions, max_size=3).map(tuple),
)
TRIAL = TrialRecord(trial=7, status="completed", config={"filters_1": 32})


@given(trials)
def test_a_record_survives_its_json(trial):
    """Record -> JSON -> record is the identity."""
    assert TrialRecord.from_json(json.loads(json.dumps(to_json(trial)))) == trial


def test_a_record_survives_the_disk(tmp_path):
    """It lies where its number says, under a name that sorts."""
    (tmp_path / "trials").mkdir()
    write_trial(tmp_path, TRIAL)
    write_trial(tmp_path, replace(TRIAL, trial=12_345))

    assert trial_path(tmp_path, 7) == tmp_path / "trials" / "0007.json"
    assert [p.name for p in trial_paths(tmp_path)] == ["0007.json", "12345.json"]
    assert read_trial(trial_path(tmp_path, 7)) == TRIAL


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_record_holds_a_number_that_is_not_finite(value):
    """The error names the place."""
    execution = Execution(0, 1, epochs=1, history={"loss": [value]})
    with pytest.raises(RecordError, match=r"history.loss\[0\] must be a finite number"):
        to_json(replace(TRIAL, executions=(execution,)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"schema": 1, "tri', "cannot be read.*cut off or edited"),
        ("[]", "must contain one JSON object"),
        (
            '{"schema": 1, "trial": 1, "status": "running", "config": {}, '
            '"rungs": null}',
            "rungs must be a list, got None",
        ),
        (
            '{"schema": 1, "trial": 1, "status": "running", "config": {}, '
            '"executions": [{"execution": 0, "seed": 1, "history": null}]}',
            "Execution is incomplete or invalid",
        ),
        (
            '{"schema": 99}',
            "schema must be 1 .* got 99. Read the study with the version",
        ),
        (
            '{"schema": 1, "trial": 1}',
            "TrialRecord is incomplete or invalid: .*missing",
        ),
        (
            '{"schema": 1, "trial": 1, "status": "done", "config": {}}',
            "status must be one of running, completed, failed, got 'done'",
        ),
    ],
)
def test_a_broken_record_says_what_is_wrong(tmp_path, text, message):
    """Cut off, foreign or from another version: never read as something else."""
    path = tmp_path / "0001.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=message):
        read_trial(path)


def test_a_history_has_one_value_an_epoch():
    """A record that contradicts itself is refused when it is made."""
    with pytest.raises(RecordError, match="one value per epoch, 2, got {'loss': 1}"):
        Execution(0, 1, epochs=2, history={"loss": [0.5]})


def test_only_a_failed_trial_has_an_error():
    """A status and its reason go together."""
    with pytest.raises(RecordError, match="must have an error"):
        replace(TRIAL, status="failed")
    with pytest.raises(RecordError, match="must have an error"):
        replace(TRIAL, error="out of memory")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    """A full disk or a kill in mid-write costs the new text, never the old."""
    path = tmp_path / "study.json"
    path.write_text("old", encoding="utf-8")
    with (
        pytest.raises(OSError, match="disk full") as failed,
        atomic_file(path) as file,
    ):
        file.write("half of the ne")
        raise OSError("disk full")
    assert failed.value.__notes__ == [str(path)]

    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["study.json"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX modes")
def test_a_file_can_be_read_by_whom_the_umask_lets(tmp_path):
    """Studies are shared: a record is as readable as any file of its user."""
    before = os.umask(0o022)
    try:
        with atomic_file(tmp_path / "a.json") as file:
            file.write("{}")
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644
