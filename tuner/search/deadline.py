"""Whether another training may start, so that a search ends near its time."""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tuner.search.fitting import fitted
from tuner.study.folder import Study
from tuner.study.records import Execution

if TYPE_CHECKING:
    from tuner.search.workload import Workload

LAST_PAGE_S = 5.0  # to write the pages when the last trial has ended


@dataclass(frozen=True)
class InFlight:
    """A training that a worker has.

    Attributes:
        epochs: How many it will have in the end.
        start: What its record said when the worker got it: what came before is in
            its seconds and epochs too, and says nothing of this worker's pace.
        heard: When it began or last reported an epoch, on the monotonic clock.
    """

    epochs: int
    start: Execution
    heard: float

    @classmethod
    def of(cls, start: Execution, epochs: int) -> Self:
        """Begin one now."""
        return cls(epochs, start, time.monotonic())

    def heard_now(self) -> Self:
        """Note that it reports an epoch."""
        return replace(self, heard=time.monotonic())


@dataclass(frozen=True)
class Deadline:
    """A time that a search should end at, neither long before nor long after.

    What a training takes follows from its arithmetic and from what the study's
    completed ones took.

    Attributes:
        end: On the monotonic clock.
        study: Its records say what trainings took.
        work: Counts the arithmetic of one.
    """

    end: float
    study: Study
    work: Workload

    def admits(
        self,
        config: Mapping[str, Any],
        epochs: int,
        trainings: int,
        running: Mapping[tuple[int, int], InFlight],
        idle: int,
    ) -> bool:
        """Whether the search ends nearer its time with more trainings than without.

        Args:
            config: What they train.
            epochs: What each of them trains from where it is.
            trainings: How many.
            running: By trial and execution, what the other workers have.
            idle: How many workers have nothing.
        """
        now = time.monotonic()
        left = self.end - now
        each = self._seconds(config, epochs)
        if each is None:
            return left > 0
        free = [self._rest(key, task, now) for key, task in running.items()]
        without = max(free, default=0.0)
        free += [0.0] * idle
        heapq.heapify(free)
        for _ in range(trainings):
            heapq.heapreplace(free, free[0] + each)
        return abs(max(free) - left) <= abs(without - left)

    def _seconds(self, config: Mapping[str, Any], epochs: int) -> float | None:
        """Predict what training a config takes, or None before a training has ended."""
        known = [
            (self._work(trial.config, execution.trained_epochs), execution.seconds)
            for trial in self.study.trials.values()
            for execution in trial.executions
            if trial.status == "completed" and execution.trained_epochs
        ]
        return fitted(known)(self._work(config, epochs)) if known else None

    def _rest(self, key: tuple[int, int], task: InFlight, now: float) -> float:
        """Predict how long a training still takes, by its own epochs if it has any."""
        trial, execution = key
        record = self.study.trials[trial]
        so_far = record.executions[execution]
        epochs = task.epochs - so_far.epochs
        if trained := so_far.epochs - task.start.epochs:
            rest = epochs * (so_far.seconds - task.start.seconds) / trained
        else:
            rest = self._seconds(record.config, epochs) or 0.0
        return max(0.0, rest - (now - task.heard))

    def _work(self, config: Mapping[str, Any], epochs: int) -> float:
        return self.work.of(self.work.space.read(config), epochs)
