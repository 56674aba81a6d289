"""Search with trainings that are arithmetic, so that any interruption can be tried."""

from __future__ import annotations

import itertools
import random
from dataclasses import asdict, replace

import numpy as np
from studies import DATA, study_record

from search_spaces.config import is_scheduled
from tuner.algorithms.screening import Limits
from tuner.search.planning import plan_study
from tuner.search.session import prepare
from tuner.study.folder import Study
from tuner.study.settings import StudySettings
from tuner.study.tasks import (
    Assessment,
    EpochEnd,
    State,
    TrainingFailure,
    TrainingResult,
    WorkerLoss,
)
from tuner.system.seeds import derive_seed

SHAPE, CLASSES = (16, 16, 1), 10


class Interrupt(BaseException):
    """The driver dies here."""


class Arithmetic:
    """Workers whose results follow from the task alone.

    Args:
        count: How many tasks at once; one of them, by `order`, goes on at a time.
        fails: Tells which configs fail.
        kills: Tells how often a trial takes its worker down.
        dies_after: Events after which the driver dies, or None.
    """

    def __init__(self, count=1, order=0, fails=None, kills=None, dies_after=None):
        self.count, self.rng = count, random.Random(order)  # noqa: S311
        self.fails, self.kills = fails or (lambda config: False), dict(kills or {})
        self.left = itertools.count() if dies_after is None else iter(range(dies_after))
        self.running, self.trained = {}, []

    @property
    def idle(self):
        return self.count - len(self.running)

    def submit(self, task):
        self.running[task.trial, task.execution] = self._events(task)

    def wait(self, timeout=None):
        if next(self.left, None) is None:
            raise Interrupt
        key = self.rng.choice(sorted(self.running))
        event = next(self.running[key])
        if not isinstance(event, EpochEnd):
            del self.running[key]
        return [event]

    def _events(self, task):
        start = task.state.epoch if task.state else 0
        mark = task.seed
        if is_scheduled(task.config):  # its state is no beginning of a longer one
            mark = derive_seed(task.seed, task.epochs)
        if task.state:
            assert task.state.arrays[0] == mark  # this execution's own
        for epoch in range(start + 1, task.epochs + 1):
            if self.kills.get(task.trial, 0) and epoch == 2:
                self.kills[task.trial] -= 1
                yield WorkerLoss(task.trial, task.execution, "worker killed")
                return
            value = derive_seed(mark, epoch) / 2**31
            self.trained.append((task.trial, task.execution, epoch))
            metrics = {"loss": value, "val_accuracy": value}
            state = State(epoch, (np.asarray(mark),))
            yield EpochEnd(task.trial, task.execution, epoch, metrics, 1.0, 0.5, state)
        if self.fails(task.config):
            yield TrainingFailure(task.trial, task.execution, "ValueError: no")
            return
        value = derive_seed(mark, task.epochs) / 2**31
        result = Assessment(value, 1 - value, np.zeros(3, np.uint16))
        yield TrainingResult(
            task.trial,
            task.execution,
            task.epochs,
            result,
            result,
            result,
            params=1,
            continued_from=start,
            seconds=1.0,
            jit_compile=False,
            state=State(task.epochs, (np.asarray(mark),)),
        )


class Silent:
    """Nobody watches."""

    def trial_started(self, trial): ...
    def epoch_ended(self, trial, event): ...
    def trial_ended(self, trial): ...
    def note(self, text): ...


def session(folder, workers, asked, limits=None):
    """Search as `tune` does, from whatever is in the folder."""
    limits = limits or Limits()
    plan = plan_study(asked).fitted(limits, SHAPE, CLASSES)
    if (folder / "study.json").exists():
        study = Study.open(folder, mend=True)
        study.update(settings=asked)
    else:
        record = study_record(
            folder.name,
            settings=asked.to_dict(),
            limits=asdict(limits),
            data=DATA | {"input_shape": list(SHAPE)},
            rejected={},
        )
        study = Study.create(folder, record)
    search = prepare(study, plan, workers, Silent())
    search.run()
    return search


def facts_of(folder):
    """Everything a record says, without times and event numbers."""
    facts = {}
    for number, trial in Study.open(folder).trials.items():
        executions = [
            (e.seed, e.epochs, dict(e.history), e.val_accuracy, e.test_accuracy)
            for e in trial.executions
        ]
        rungs = [(r.epochs, r.bracket, r.score) for r in trial.rungs]
        what = (trial.status, dict(trial.config), trial.error)
        facts[number] = (*what, rungs, executions)
    return facts


RANDOM = StudySettings("architecture", max_trials=4, epochs=3, executions=2)
HYPERBAND = StudySettings("architecture", algorithm="hyperband", epochs=9, max_trials=7)
AUDITED = replace(HYPERBAND, max_trials=5, audit=2)
BAYESIAN = StudySettings(
    "architecture",
    algorithm="bayesian",
    epochs=2,
    max_trials=7,
    enqueue=[{"units_1": 8}],
)
GRID = StudySettings(
    "architecture", algorithm="grid", epochs=2, max_trials=4, enqueue=[{"units_1": 8}]
)
SOBOL = replace(RANDOM, algorithm="sobol", executions=1)
GUIDED = replace(BAYESIAN, algorithm="guided")
PRIORBAND = replace(GUIDED, algorithm="priorband", epochs=3, max_trials=6)
SCHEDULED = StudySettings(
    "combined", algorithm="halving", epochs=4, max_trials=9, audit=1, executions=2
)
SEARCHES = {
    "random": RANDOM,
    "hyperband": HYPERBAND,
    "audited": AUDITED,
    "bayesian": BAYESIAN,
    "grid": GRID,
    "sobol": SOBOL,
    "guided": GUIDED,
    "priorband": PRIORBAND,
    "halving": replace(PRIORBAND, algorithm="halving"),
}
