"""Promises to studies of earlier versions: what they recorded stays, and goes on."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest
from arithmetic import HYPERBAND, RANDOM, Arithmetic, Interrupt, facts_of, session
from studies import DATA, write_study

from search_spaces.config import unlike_baseline
from search_spaces.space import describe, load_space
from tuner.search import loop, opening
from tuner.study.descriptions import Hyperparameter, SpaceRecord
from tuner.study.folder import Study, StudyChangedError
from tuner.study.settings import StudySettings
from tuner.system.seeds import execution_seed

PUBLISHED = StudySettings("published")  # one of them goes on from another's state
ASKED = {"random": RANDOM, "hyperband": HYPERBAND, "published": PUBLISHED}


@pytest.fixture(autouse=True)
def _a_disk_that_does_not_wait(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)


def _seeds(folder):
    trials = Study.open(folder).trials
    return {n: [e.seed for e in trial.executions] for n, trial in trials.items()}


@pytest.mark.parametrize("name", ["random", "hyperband"])
@pytest.mark.parametrize("dies", [4, 15])
def test_seeds_of_the_old_hash_stay_and_new_trials_get_new_ones(
    tmp_path, monkeypatch, name, dies
):
    """Seeds were once hashed from whole configs; promotions keep the recorded one."""
    folder, asked = tmp_path / "a", ASKED[name]
    with monkeypatch.context() as patched, pytest.raises(Interrupt):
        patched.setattr(loop, "unlike_baseline", dict)
        session(folder, Arithmetic(dies_after=dies), asked)
    before = _seeds(folder)
    assert session(folder, Arithmetic(), asked).is_finished
    after = _seeds(folder)
    assert {n: after[n] for n in before} == before
    for number, trial in Study.open(folder).trials.items():
        assert trial.status == "completed"
        seeds = [
            execution_seed(asked.seed, unlike_baseline(trial.config), i)
            for i in range(asked.executions)
        ]
        if number in before:
            assert set(after[number]).isdisjoint(seeds)
        else:
            assert after[number] == seeds
    assert len(after) > len(before)


@pytest.mark.parametrize("name", ASKED)
def test_a_study_of_fewer_hyperparameters_goes_on_as_one_of_all(tmp_path, name):
    """Stored configs lack what is younger, and are at its baseline value."""
    folder, asked = tmp_path / "a", ASKED[name]
    workers = Arithmetic()
    session(folder, workers, asked)
    whole, trained = facts_of(folder), len(workers.trained)
    for dies in itertools.count(3, 16):
        workers = Arithmetic(dies_after=dies)
        other = tmp_path / str(dies)
        try:
            session(other, workers, asked)
            break
        except Interrupt:
            for path in (other / "trials").glob("*.json"):
                record = json.loads(path.read_text(encoding="utf-8"))
                del record["config"]["weight_decay"], record["config"]["optimizer"]
                path.write_text(json.dumps(record), encoding="utf-8")
        rest = Arithmetic()
        session(other, rest, asked)
        found = facts_of(other)
        assert len(workers.trained) + len(rest.trained) <= trained + asked.executions
        for number, (status, config, *others) in found.items():
            assert unlike_baseline(config) == unlike_baseline(whole[number][1])
            assert (status, *others) == (whole[number][0], *whole[number][2:])
        assert found.keys() == whole.keys()


def test_a_space_that_gained_a_hyperparameter_is_refused_by_its_name(tmp_path):
    """Another space is another study, and the user sees why."""
    rows = describe(load_space("architecture").declare())
    declared = tuple(map(Hyperparameter.from_dict, rows))
    now = SpaceRecord("architecture", declared)
    without = tuple(h for h in declared if h.name != "batch_norm")
    study = Study.open(write_study(tmp_path, n=1))
    study.update(space=SpaceRecord("architecture", without))
    same = SimpleNamespace(fingerprint=DATA["fingerprint"], split=DATA["split"])
    text = opening._changes(study, now, same)
    assert "the space: its hyperparameters, ranges or file changed" in text
    assert text.splitlines()[1].endswith(" (added: batch_norm)")
    assert "the data" not in text


def test_a_changed_algorithm_is_the_only_difference_that_is_listed(tmp_path):
    """Executions, which identify a study under some algorithms only, are equal here."""
    settings = StudySettings("architecture")
    write_study(tmp_path, "a", n=1, settings=settings.to_dict())
    asked = StudySettings("architecture", algorithm="bayesian")
    with pytest.raises(StudyChangedError) as refusal:
        opening.refuse_changed_settings(asked, tmp_path / "a")
    listed = [line for line in str(refusal.value).splitlines() if "--" in line]
    assert listed[0] == "  --algorithm: random in the study, bayesian now"
    assert "--executions" not in str(refusal.value)
