"""Promises of `--in`: a search ends near its time, whatever its trials take."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from studies import DATA, study_record

from search_spaces.layers import count_multiply_adds
from tuner.algorithms.screening import Limits
from tuner.search.deadline import Deadline, InFlight
from tuner.search.planning import plan_study
from tuner.search.session import prepare
from tuner.study.folder import Study
from tuner.study.records import Execution
from tuner.study.settings import StudySettings
from tuner.study.tasks import Assessment, EpochEnd, TrainingResult

SHAPE, CLASSES = (32, 32, 3), 10
LIMITS = Limits(max_multiply_adds=220_000_000)
ENOUGH = (
    "No more trials will start: they would end too late. To continue, give a longer "
    "--in."
)
EVALUATION = Assessment(0.5, 1.0, np.zeros(3, np.uint16))


class Clocked:
    """Workers on a clock that only they move.

    Args:
        count: How many.
        seed: Of the noise in what trainings take.
        noise: Standard deviation of its logarithm.
    """

    def __init__(self, count, seed, noise=0.15):
        self.now, self.count = 0.0, count
        self.rng, self.noise = random.Random(seed), noise  # noqa: S311
        self.running, self.took = {}, []

    def monotonic(self):
        return self.now

    @property
    def idle(self):
        return self.count - len(self.running)

    def submit(self, task):
        config = self.read(task.config)
        each = 2 + 1e-6 * count_multiply_adds(config, SHAPE, CLASSES)
        each *= self.rng.lognormvariate(0, self.noise)
        self.took.append(each * (task.epochs + 1))
        self.running[task.trial] = (self.now + each, 1, each, task)

    def wait(self):
        trial = min(self.running, key=lambda t: self.running[t][0])
        self.now, epoch, each, task = self.running.pop(trial)
        if epoch > task.epochs:
            return [_result(task, each)]
        self.running[trial] = (self.now + each, epoch + 1, each, task)
        metrics = {"loss": 1.0, "val_accuracy": 0.5}
        return [EpochEnd(trial, 0, epoch, metrics, each, each)]


def _result(task, each):
    return TrainingResult(
        task.trial,
        task.execution,
        task.epochs,
        EVALUATION,
        EVALUATION,
        EVALUATION,
        params=1,
        continued_from=0,
        seconds=each,
        jit_compile=False,
    )


class Notes:
    """Hears what a user is told."""

    def __init__(self):
        self.said = []

    def trial_started(self, trial): ...
    def epoch_ended(self, trial, event): ...
    def trial_ended(self, trial): ...
    def note(self, text):
        self.said.append(text)


def _search(folder, monkeypatch, workers, **asked):
    """Search until the time is up, on the workers' clock."""
    asked = StudySettings(**{"space": "architecture", "max_trials": 500} | asked)
    plan = plan_study(asked).fitted(LIMITS, SHAPE, CLASSES)
    workers.read = plan.space.read
    monkeypatch.setattr("os.fsync", lambda file: None)
    clock = SimpleNamespace(monotonic=workers.monotonic)
    for module in ("loop", "deadline", "session"):
        monkeypatch.setattr(f"tuner.search.{module}.time", clock)
    record = study_record(
        folder.name,
        settings=asked.to_dict(),
        limits=asdict(LIMITS),
        data=DATA | {"input_shape": list(SHAPE)},
        rejected={},
        seconds=0.0,
    )
    search = prepare(Study.create(folder, record), plan, workers, notes := Notes())
    search.run()
    return search, notes.said


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_search_ends_within_half_of_its_longest_training(
    tmp_path, monkeypatch, count
):
    """Trainings differ by a factor of ten, and what one takes is known to 15 %."""
    errors = []
    for seed in range(4):
        workers = Clocked(count, seed)
        folder = tmp_path / str(seed)
        asked = (6000.0 + 2000 * seed) / count
        search, said = _search(folder, monkeypatch, workers, in_s=asked, seed=seed)
        assert search.is_finished
        assert said == [ENOUGH]
        error = workers.now + 5 - asked
        assert abs(error) < 0.6 * max(workers.took)
        errors.append(abs(error) / asked)
    assert np.median(errors) < 0.1


def test_hyperband_that_the_clock_cuts_off_is_not_complete(tmp_path, monkeypatch):
    """Its plan is open, so a longer time goes on with it; a whole plan is complete."""
    hyperband = {"algorithm": "hyperband", "max_trials": 8, "epochs": 9}
    for name, in_s, whole in (("short", 600.0, False), ("long", 1e6, True)):
        folder, workers = tmp_path / name, Clocked(2, 0)
        search, said = _search(folder, monkeypatch, workers, in_s=in_s, **hyperband)
        assert search.is_finished is whole
        assert (ENOUGH in said) is not whole


def test_a_search_that_leaves_the_rest_to_its_winner_is_complete(tmp_path, monkeypatch):
    """Rungs that do not fit are given up; nothing starts in the winner's time."""
    asked = {"algorithm": "halving", "max_trials": 9, "epochs": 9, "in_s": 1200.0}
    workers = Clocked(2, 0)
    search, said = _search(tmp_path, monkeypatch, workers, reserved_s=600.0, **asked)
    assert said == [ENOUGH]
    assert search.is_finished
    assert workers.now < 600 + max(workers.took)


def test_a_seed_that_the_clock_refuses_is_still_wanted(tmp_path, monkeypatch):
    """A study whose trials lack seeds that were asked for is not complete."""
    asked = {"max_trials": 3, "seed": 1}
    first, _ = _search(tmp_path / "one", monkeypatch, Clocked(1, 0), in_s=1e6, **asked)
    assert first.is_finished

    more = replace(first.settings, executions=2, in_s=1.0)
    plan = plan_study(more).fitted(LIMITS, SHAPE, CLASSES)
    again = prepare(first.study, plan, first.workers, notes := Notes())
    again.run()
    assert not again.is_finished
    assert notes.said == [ENOUGH]


@pytest.mark.parametrize(
    ("start", "now"),
    [
        (Execution(0, 1), Execution(0, 1, 2, seconds=200.0)),
        # From another trial's fourth epoch, which took it nothing.
        (
            Execution(0, 1, 4, continued_from=4, continued_trial=7),
            Execution(0, 1, 6, seconds=200.0, continued_from=4, continued_trial=7),
        ),
        # Begun anew after a loss: 500 s bought nothing that is still there.
        (Execution(0, 1, seconds=500.0), Execution(0, 1, 2, seconds=700.0)),
    ],
    ids=["from new weights", "from another's state", "begun anew"],
)
def test_what_a_training_still_takes_follows_from_its_own_epochs(start, now):
    """Each took 100 s in this worker, and four are left."""
    record = SimpleNamespace(config={}, executions=[now])
    study = SimpleNamespace(trials={3: record})
    task = InFlight(now.epochs + 4, start, last_event=0.0)

    found = Deadline(0.0, study, None)._remaining((3, 0), task, now=10.0)
    assert found == pytest.approx(390.0)
