"""Promises of the loop: nothing lost, nothing twice, whatever is cut off when.

The trainings here are arithmetic, so that every interruption can be tried; the
end-to-end tests kill real ones.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from arithmetic import (
    AUDITED,
    GRID,
    HYPERBAND,
    RANDOM,
    SCHEDULED,
    SEARCHES,
    SHAPE,
    Arithmetic,
    Interrupt,
    facts_of,
    session,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import study_record

from search_spaces.config import BASELINE, CnnConfig, is_scheduled
from tuner.algorithms.screening import Limits
from tuner.search.loop import HopelessError
from tuner.study.folder import Study
from tuner.study.ranking import score_at
from tuner.study.record_files import read_trial, trial_path
from tuner.study.settings import SettingsError, StudySettings


@pytest.fixture(autouse=True)
def _a_disk_that_does_not_wait(monkeypatch):
    """No power is cut here, and thousands of records are written."""
    monkeypatch.setattr("os.fsync", lambda file: None)


@pytest.mark.parametrize("asked", SEARCHES.values(), ids=SEARCHES)
def test_a_search_that_dies_anywhere_ends_as_one_that_does_not(tmp_path, asked):
    """The driver dies at event 1, 2, 3, ...; each time the resumed study is whole."""
    session(tmp_path / "whole", Arithmetic(), asked)
    whole = facts_of(tmp_path / "whole")
    assert all(status == "completed" for status, *_ in whole.values())

    for dies_after in itertools.count():
        folder = tmp_path / str(dies_after)
        first = Arithmetic(dies_after=dies_after)
        try:
            session(folder, first, asked)
        except Interrupt:
            second = Arithmetic()
            session(folder, second, asked)
            again = set(first.trained) & set(second.trained)
            assert len(again) <= 1, "a stored epoch was trained again"
        else:
            break
        assert facts_of(folder) == whole
    assert dies_after > 10


def test_a_schedule_starts_over_on_every_rung_wherever_the_search_dies(tmp_path):
    """A short schedule's state never begins a longer one; its score stays."""
    session(tmp_path / "whole", Arithmetic(), SCHEDULED)
    whole = facts_of(tmp_path / "whole")
    trials = Study.open(tmp_path / "whole").trials.values()
    promoted = [t for t in trials if len(t.rungs) > 1 and is_scheduled(t.config)]
    assert promoted
    for trial in promoted:
        assert all(rung.score is not None for rung in trial.rungs)
        trained = [rung.epochs for rung in trial.rungs]
        assert {e.trained_epochs for e in trial.executions} == {sum(trained)}
        assert score_at(trial, trained[0], "val_accuracy") == trial.rungs[0].score

    for dies_after in itertools.count(1, 7):
        folder = tmp_path / str(dies_after)
        try:
            session(folder, Arithmetic(dies_after=dies_after), SCHEDULED)
        except Interrupt:
            session(folder, Arithmetic(), SCHEDULED)
        else:
            break
        assert facts_of(folder) == whole


@given(dies=st.lists(st.integers(0, 25), max_size=4), order=st.integers(0, 99))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_search_is_the_same_with_any_workers_and_deaths(
    tmp_path_factory, dies, order
):
    """Order of completion, number of workers and deaths change no record."""
    folder = tmp_path_factory.mktemp("study")
    session(folder / "whole", Arithmetic(), RANDOM)
    for dies_after in [*dies, None]:
        workers = Arithmetic(count=3, order=order, dies_after=dies_after)
        try:
            session(folder / "other", workers, RANDOM)
        except Interrupt:
            continue
    assert facts_of(folder / "other") == facts_of(folder / "whole")


@pytest.mark.parametrize(
    "name", ["hyperband", "audited", "bayesian", "grid", "guided", "priorband"]
)
def test_several_workers_and_deaths_lose_and_repeat_nothing(tmp_path, name):
    """What learns from results may propose others; all of it is trained."""
    session(tmp_path / "whole", Arithmetic(), SEARCHES[name])
    for dies_after in (5, 11, 3, None):
        workers = Arithmetic(count=3, order=dies_after, dies_after=dies_after)
        try:
            session(tmp_path / "other", workers, SEARCHES[name])
        except Interrupt:
            continue
    found, whole = facts_of(tmp_path / "other"), facts_of(tmp_path / "whole")
    assert all(status == "completed" for status, *_ in found.values())
    assert set(found) == set(whole)
    if name == "grid":
        assert found == whole
    workers = Arithmetic()
    session(tmp_path / "other", workers, SEARCHES[name])
    assert workers.trained == []


def test_a_lost_trials_state_is_no_other_configs(tmp_path):
    """What stands in its place starts from new weights."""
    session(tmp_path / "a", Arithmetic(), RANDOM)
    trial_path(tmp_path / "a", 2).unlink()
    with pytest.raises(Interrupt):
        session(tmp_path / "a", Arithmetic(dies_after=0), RANDOM)
    assert 2 not in Study.open(tmp_path / "a").trials_with_states()


def test_a_worker_that_dies_once_is_forgiven_and_twice_is_a_failure(tmp_path):
    """The trial goes on from its last state; a config that kills again has failed."""
    session(tmp_path / "whole", Arithmetic(), RANDOM)
    session(tmp_path / "once", Arithmetic(kills={2: 1}), RANDOM)
    assert facts_of(tmp_path / "once") == facts_of(tmp_path / "whole")

    session(tmp_path / "twice", Arithmetic(kills={2: 9}), RANDOM)
    trial = Study.open(tmp_path / "twice").trials[2]
    assert trial.status == "failed"
    assert trial.error == "worker killed, 2 times"
    workers = Arithmetic()
    session(tmp_path / "twice", workers, RANDOM)
    assert workers.trained == [], "a failed config is not handed out again"


def test_failures_in_a_row_end_the_search(tmp_path):
    """It says how many, the last reason, and where to look."""
    asked = replace(RANDOM, executions=1, max_trials=9)
    with pytest.raises(HopelessError, match="3 trials failed in a row, .* no"):
        session(tmp_path / "a", Arithmetic(fails=lambda c: "conv_layers" in c), asked)
    assert len(Study.open(tmp_path / "a").trials) == 3


def test_what_arrives_beside_the_last_failure_is_kept(tmp_path):
    """A search that ends as hopeless has stored all that its workers sent."""

    class AtOnce(Arithmetic):
        def wait(self, timeout=None):
            events = [e for key in sorted(self.running) for e in self.running[key]]
            self.running.clear()
            return events

    asked = replace(
        RANDOM, executions=1, max_trials=9, max_consecutive_failed_trials=1, epochs=1
    )
    with pytest.raises(HopelessError):
        session(tmp_path / "a", AtOnce(count=4, fails=_is_baseline), asked)
    trials = Study.open(tmp_path / "a").trials.values()
    assert [t.status for t in trials] == ["failed", *3 * ["completed"]]


def _is_baseline(config):
    return replace(CnnConfig.from_dict(config), epochs=BASELINE.epochs) == BASELINE


def test_a_seed_that_fails_takes_nothing_from_its_trial(tmp_path):
    """`--executions` grows; a trial whose next training fails stays completed."""
    folder = tmp_path / "a"
    one = replace(RANDOM, executions=1)
    session(folder, Arithmetic(), one)
    before = facts_of(folder)
    search = session(folder, Arithmetic(fails=_is_baseline), RANDOM)
    assert search.is_finished
    trials = Study.open(folder).trials
    assert {len(t.executions) for n, t in trials.items() if n} == {2}
    assert facts_of(folder)[0] == before[0]
    note = "Trial 0 gets no more seeds: the next one failed (ValueError: no)."
    assert note in Study.open(folder).record.notes

    session(folder, Arithmetic(), RANDOM)  # another session tries it again
    assert {len(t.executions) for t in Study.open(folder).trials.values()} == {2}


def test_hyperband_never_promotes_a_failure(tmp_path):
    """Failed lineages stay failed, at the rung where it happened."""
    asked = replace(HYPERBAND, max_consecutive_failed_trials=99)
    workers = Arithmetic(fails=lambda c: c["kernel_size"] == 5)
    session(tmp_path / "a", workers, asked)
    trials = Study.open(tmp_path / "a").trials.values()
    failed = [t for t in trials if t.config["kernel_size"] == 5]
    assert failed
    assert all(t.status == "failed" and len(t.rungs) == 1 for t in failed)


def test_only_the_best_states_are_kept(tmp_path):
    """`--keep-models` bounds the disk; what Hyperband may promote stays meanwhile."""
    for keep in (0, 1, 3):
        asked = replace(HYPERBAND, keep_models=keep)
        session(tmp_path / str(keep), Arithmetic(), asked)
        study = Study.open(tmp_path / str(keep))
        assert len(study.trials_with_states()) == keep


def test_a_promotion_without_its_state_trains_again_from_the_seed(tmp_path):
    """A lost state costs time and nothing else."""
    session(tmp_path / "whole", Arithmetic(), HYPERBAND)
    folder = tmp_path / "a"
    for dies_after in (20, 15):
        with pytest.raises(Interrupt):
            session(folder, Arithmetic(dies_after=dies_after), HYPERBAND)
        for path in folder.glob("trials/*/state-*.npz"):
            path.write_bytes(path.read_bytes()[:50])
    session(folder, Arithmetic(), HYPERBAND)
    assert facts_of(folder) == facts_of(tmp_path / "whole")


@pytest.mark.parametrize("lost", [(2,), (1, 3), (4,), (0,)])
@pytest.mark.parametrize("name", SEARCHES)
def test_lost_records_are_run_again_as_often_as_it_takes(tmp_path, lost, name):
    """Whatever lacks, a study that was mended is the study that lost nothing."""
    asked = SEARCHES[name]
    session(tmp_path / "whole", Arithmetic(), asked)
    folder = tmp_path / "a"
    session(folder, Arithmetic(), asked)
    for numbers in (lost, lost[:1]):
        for number in numbers:
            trial_path(folder, number).unlink()
        workers = Arithmetic()
        session(folder, workers, asked)
        assert {trial for trial, *_ in workers.trained} == set(numbers)
        assert facts_of(folder) == facts_of(tmp_path / "whole")
    workers = Arithmetic()
    session(folder, workers, asked)
    assert workers.trained == []


def test_a_study_that_was_mended_goes_on_with_more_trials(tmp_path):
    """The oracle stands where it would have stood."""
    session(tmp_path / "whole", Arithmetic(), replace(RANDOM, max_trials=6))
    folder = tmp_path / "a"
    session(folder, Arithmetic(), RANDOM)
    trial_path(folder, 2).unlink()
    session(folder, Arithmetic(), RANDOM)
    session(folder, Arithmetic(), replace(RANDOM, max_trials=6))
    assert facts_of(folder) == facts_of(tmp_path / "whole")


class Noisy(Arithmetic):
    """A lost trial's second training comes out otherwise."""

    def _events(self, task):
        yield from super()._events(replace(task, seed=task.seed ^ 12345))


@pytest.mark.parametrize("keep", [0, 99])
@pytest.mark.parametrize("lost", range(6))
def test_a_lost_record_whose_result_changes_blocks_no_hyperband(tmp_path, lost, keep):
    """It may promote others then; what is recorded stays, and it comes to an end."""
    asked = replace(AUDITED, keep_models=keep)
    folder = tmp_path / "a"
    session(folder, Arithmetic(), asked)
    before = facts_of(folder)
    trial_path(folder, lost).unlink()
    session(folder, Noisy(), asked)
    after = facts_of(folder)
    assert set(after) == set(before)
    for number in set(before) - {lost}:
        assert after[number][3][: len(before[number][3])] == before[number][3]
        (then,), (now,) = before[number][4], after[number][4]
        assert now[1] >= then[1], "no epoch is taken away"
    workers = Noisy()
    session(folder, workers, asked)
    assert workers.trained == []


def _widths(tmp_path, **changes):
    """Nine networks of one hyperparameter, in a user's file."""
    space = tmp_path / "widths.py"
    space.write_text(
        "from search_spaces.config import BASELINE, CnnConfig\n"
        "def sample(hp):\n"
        "    return CnnConfig(filters=(hp.Int('width', 1, 9),))\n",
        encoding="utf-8",
    )
    return StudySettings(str(space), **changes)


def test_a_small_space_with_impossible_points_still_promotes(tmp_path):
    """Brackets are planned for the configs that can be trained, not for all points."""
    space = tmp_path / "space.py"
    space.write_text(
        "from search_spaces.config import BASELINE, CnnConfig\n"
        "def sample(hp):\n"
        "    size = hp.Int('kernel_size', 1, 11)\n"
        "    return CnnConfig(filters=(4,) * 3, kernel_size=size)\n",
        encoding="utf-8",
    )
    asked = StudySettings(str(space), algorithm="hyperband", epochs=9)
    session(tmp_path / "a", Arithmetic(), asked)
    trials = Study.open(tmp_path / "a").trials
    possible = [k for k in range(1, 12) if 3 * (k - 1) < SHAPE[0]]

    # Trial 0 is the default, and no other trial repeats it.
    assert sorted(t.config["kernel_size"] for t in trials.values()) == possible
    assert max(len(t.rungs) for t in trials.values()) > 1
    assert all(t.config["epochs"] == t.rungs[-1].epochs for t in trials.values())
    assert trials[0].config["epochs"] == 9


def test_a_space_without_a_possible_config_says_so(tmp_path):
    """Nothing trains; the error counts the reasons."""
    asked = _widths(tmp_path, baseline=False)
    with pytest.raises(SettingsError, match="all 9 configs are rejected.*too large"):
        session(tmp_path / "a", Arithmetic(), asked, Limits(max_params=5))


def test_epochs_are_those_asked_for_in_a_users_space(tmp_path):
    """`--epochs 3` holds for a sample(hp) that never heard of it."""
    asked = _widths(tmp_path, baseline=False, epochs=3, max_trials=2)
    session(tmp_path / "a", Arithmetic(), asked)
    trials = Study.open(tmp_path / "a").trials.values()
    assert [t.executions[0].epochs for t in trials] == [3, 3]


def test_a_time_limit_that_ends_with_the_last_trial_completes_the_study(tmp_path):
    """Late, but nothing is left: the study is finished."""
    session(tmp_path / "a", Arithmetic(), RANDOM)
    late = replace(RANDOM, time_limit_s=1e-9)
    assert session(tmp_path / "a", Arithmetic(), late).is_finished
    assert not session(tmp_path / "b", Arithmetic(), late).is_finished


def test_a_search_for_a_time_starts_no_trial_that_would_pass_it(tmp_path):
    """A trial takes 8 s here, so 4 are left of one on average, and 5 go to the page.

    Beyond what earlier sessions took, 8 s hold one trial, and are what was asked for.
    """
    before = study_record("a").seconds
    search = session(tmp_path / "a", Arithmetic(), replace(RANDOM, in_s=before + 8))
    assert len(search.study.trials) == 1
    assert search.is_finished
    search = session(tmp_path / "b", Arithmetic(), replace(RANDOM, in_s=before + 60))
    assert len(search.study.trials) == 1 + RANDOM.max_trials


def test_a_record_on_disk_is_as_new_as_the_last_event(tmp_path):
    """A report that is built in mid-trial sees the epochs so far."""
    with pytest.raises(Interrupt):
        session(tmp_path / "a", Arithmetic(dies_after=2), RANDOM)
    trial = read_trial(trial_path(tmp_path / "a", 0))
    assert trial.status == "running"
    assert trial.executions[0].epochs == 2
    assert CnnConfig.from_dict(trial.config).epochs == 3


@pytest.mark.parametrize("asked", [RANDOM, GRID], ids=["random", "grid"])
@pytest.mark.parametrize("workers", [1, 3])
def test_seeds_are_added_to_what_is_there(tmp_path, asked, workers):
    """Once each, then thrice: as if thrice from the start, also where it dies."""
    session(tmp_path / "whole", Arithmetic(), replace(asked, executions=3))
    whole = _trainings(tmp_path / "whole")
    once = replace(asked, executions=1)
    for dies_after in itertools.count():
        folder = tmp_path / str(dies_after)
        first = Arithmetic(workers)
        session(folder, first, once)
        more = replace(asked, executions=3)
        second = Arithmetic(workers, dies_after=dies_after)
        third = Arithmetic(workers)
        try:
            session(folder, second, more)
        except Interrupt:
            session(folder, third, more)
        else:
            break
        assert _trainings(folder) == whole
        trained = [set(w.trained) for w in (first, second, third)]
        assert not trained[0] & (trained[1] | trained[2])
        assert len(trained[1] & trained[2]) <= workers
    assert _trainings(folder) == whole
    assert dies_after > 10


def test_added_seeds_wait_where_the_time_is_up(tmp_path):
    """The study is then not at its end."""
    session(tmp_path / "a", Arithmetic(), replace(RANDOM, executions=1))
    late = replace(RANDOM, executions=2, time_limit_s=1e-9)
    search = session(tmp_path / "a", Arithmetic(), late)
    assert not search.is_finished
    assert not search.workers.trained


def _trainings(folder):
    """What a study's trials are, without what the oracle was told."""
    return {
        number: (status, config, executions)
        for number, (status, config, _, _, executions) in facts_of(folder).items()
    }
