"""Decide whether more runs may start, so that a search ends close to its deadline."""

from __future__ import annotations

import heapq
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tuner.search.fitting import fit_seconds
from tuner.study.folder import Study
from tuner.study.records import Execution

if TYPE_CHECKING:
    from tuner.search.workload import Workload

LAST_PAGE_S = 5.0  # to write the report after the last trial


@dataclass(frozen=True)
class InFlight:
    """A run that a worker is training.

    Attributes:
        epochs: Its epochs at the end.
        start: Its record when this worker started. The record's later seconds and
            epochs minus these give this worker's speed.
        last_event: When it started or last reported an epoch, on the monotonic clock.
    """

    epochs: int
    start: Execution
    last_event: float

    @classmethod
    def of(cls, start: Execution, epochs: int) -> Self:
        """Return a run that starts now."""
        return cls(epochs, start, time.monotonic())

    def reported(self) -> Self:
        """Return this run after it has reported an epoch now."""
        return replace(self, last_event=time.monotonic())


@dataclass(frozen=True)
class Deadline:
    """The time at which a search should end, neither much earlier nor much later.

    The duration of a run is predicted from its arithmetic and from the durations of
    the study's completed runs.

    Attributes:
        end: The time, on the monotonic clock.
        study: The study, whose records contain the durations of runs.
        work: Counts the arithmetic of a run.
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
        """Whether the search ends closer to its deadline with more runs than without.

        Args:
            config: The config of these runs.
            epochs: The epochs that each of them still has to train.
            trainings: The number of these runs.
            running: The runs of the other workers, by trial and execution.
            idle: The number of idle workers.
        """
        now = time.monotonic()
        left = self.end - now
        each = self._seconds(config, epochs)
        if each is None:
            return left > 0
        free_in = [self._remaining(key, task, now) for key, task in running.items()]
        without = max(free_in, default=0.0)
        free_in += [0.0] * idle
        heapq.heapify(free_in)
        for _ in range(trainings):
            heapq.heapreplace(free_in, free_in[0] + each)
        return abs(max(free_in) - left) <= abs(without - left)

    def _seconds(self, config: Mapping[str, Any], epochs: int) -> float | None:
        """Predict the seconds of a run, or return None before any run has ended."""
        measured = [
            (self._work(trial.config, execution.trained_epochs), execution.seconds)
            for trial in self.study.trials.values()
            for execution in trial.executions
            if trial.status == "completed" and execution.trained_epochs
        ]
        if not measured:
            return None
        return fit_seconds(measured)(self._work(config, epochs))

    def _remaining(self, key: tuple[int, int], task: InFlight, now: float) -> float:
        """Predict the remaining seconds of a run, from its own epochs if it has any."""
        trial, execution = key
        record = self.study.trials[trial]
        so_far = record.executions[execution]
        epochs = task.epochs - so_far.epochs
        if trained := so_far.epochs - task.start.epochs:
            seconds = epochs * (so_far.seconds - task.start.seconds) / trained
        else:
            seconds = self._seconds(record.config, epochs) or 0.0
        return max(0.0, seconds - (now - task.last_event))

    def _work(self, config: Mapping[str, Any], epochs: int) -> float:
        return self.work.of(self.work.space.read(config), epochs)
