"""The search loop: a proposer proposes trials, workers train them, records are kept.

A record is on disk before the proposer gets its result, so a resumed search can replay
the exchange with the proposer from the records.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from search_spaces.config import is_scheduled, unlike_baseline
from search_spaces.errors import ExpectedError
from search_spaces.user_code import UserModel
from tuner.algorithms.base import Proposal, Proposer, Wait
from tuner.search.continuing import from_the_start, next_rung, starting_point
from tuner.search.deadline import Deadline, InFlight
from tuner.search.executions import after_epoch, after_result, is_done, is_trained
from tuner.search.replay import Replay, last_event
from tuner.study.folder import Study, StudyError
from tuner.study.objective import Objective
from tuner.study.ranking import best_first, score
from tuner.study.records import Execution, Rung, TrialRecord
from tuner.study.settings import StudySettings
from tuner.study.tasks import (
    Answer,
    EpochEnd,
    Event,
    Task,
    TrainingFailure,
    TrainingResult,
    TrainingTask,
    WorkerLoss,
)
from tuner.system import interrupts
from tuner.system.seeds import execution_seed

_MAX_LOSSES = 2  # a training fails once it has brought down this many workers


class Workers(Protocol):
    """The workers that train."""

    @property
    def idle(self) -> int:
        """How many more tasks can start now."""

    def submit(self, task: Task) -> None:
        """Start a task; there must be an idle worker."""

    def wait(self, timeout: float | None = None) -> list[Event]:
        """Wait for events; an empty list may mean that a worker is idle now."""


class Listener(Protocol):
    """Shows the user what happens."""

    def trial_started(self, trial: TrialRecord) -> None:
        """A worker has started a trial, or a trial's next rung or seed."""

    def epoch_ended(self, trial: TrialRecord, event: EpochEnd) -> None:
        """A trial has trained an epoch."""

    def trial_ended(self, trial: TrialRecord) -> None:
        """A trial is completed or failed, and its record is on disk."""

    def note(self, text: str) -> None:
        """Show something that the user should know."""


class HopelessError(ExpectedError):
    """Too many trials failed in a row."""


@dataclass
class Search:
    """One session of a study's search.

    Attributes:
        study: The open study, locked by this process.
        settings: The settings of this session.
        proposer: A new proposer; the study's records are replayed to it.
        workers: The workers that train.
        listener: Shows the user what happens.
        rejected: Number of rejected configs by reason; grows during the search.
        user_model: The user's code that builds the models, or None.
        started: When the session began, on the monotonic clock.
        deadline: When the search should end, or None.
    """

    study: Study
    settings: StudySettings
    proposer: Proposer
    workers: Workers
    listener: Listener
    rejected: Mapping[str, int] = field(default_factory=dict)
    user_model: UserModel | None = None
    started: float = field(default_factory=time.monotonic)
    deadline: Deadline | None = None

    def __post_init__(self) -> None:
        self._queue: deque[TrainingTask] = deque()
        self._ready = time.monotonic()
        self._seconds_before = self.study.record.seconds
        self._start_before = self.study.record.start_seconds
        if not self._seconds_before:
            self._start_before = 0.0
        self._rejected_before = self.study.record.rejected
        self._event = last_event(self.study.trials)  # number of the last exchange
        self._measure = Objective.parse(self.settings.objective).name
        self._replay = Replay(self.study.trials, self.proposer, self._measure)
        self._last_stored = max(self.study.trials, default=-1)
        self._running: dict[tuple[int, int], InFlight] = {}
        self._failed_in_a_row = 0
        self._hopeless: HopelessError | None = None
        self._without_more_seeds: set[int] = set()
        self._exhausted = False
        self._was_late = False

    @property
    def is_finished(self) -> bool:
        """Whether the search has done everything, rather than run out of time.

        A search with a deadline is finished if no more training fits before it, unless
        seeds of its trials are missing, or rungs of Hyperband's plan; but rungs that do
        not fit are given up where the rest of the time is the winner's.
        """
        if self._has_nothing_left:
            return True
        fills_its_time = self.deadline is not None and self._was_late
        search = self.settings.search_algorithm
        may_grow = search.can_grow or self.settings.reserved_s
        is_open = not may_grow or self._next_without_seeds()
        return fills_its_time and not is_open and not self._has_work

    @property
    def _has_nothing_left(self) -> bool:
        return self._exhausted and not self._has_work

    @property
    def _has_work(self) -> bool:
        return bool(self._queue or self._running)

    def run(self) -> None:
        """Search until the proposer or the time ends, or too many trials fail in a row.

        Raises:
            HopelessError: Too many trials failed in a row.
            StudyError: The records contradict the proposer.
        """
        if self._start_before is not None:
            start = self._start_before + time.monotonic() - self.started
            self.study.update(start_seconds=start)
        try:
            self._requeue()
            while self._hand_out() or self._running:
                events = self.workers.wait()
                with interrupts.delayed():  # store every event before Ctrl-C stops us
                    for event in events:
                        self._handle(event)
                if self._hopeless:
                    raise self._hopeless
            self._drop_states()
        finally:
            self._save_counts()

    def _requeue(self) -> None:
        """Queue the trials that were running when the last session ended."""
        trials = sorted(self.study.trials.items())
        for record in [t for _, t in trials if t.status == "running"]:
            if is_trained(record):  # the session ended before it could complete it
                self._complete(record)
            else:
                self._enqueue(record, record.rungs[-1].epochs)

    def _hand_out(self) -> bool:
        """Give every idle worker a task; return whether there may be more tasks."""
        while self.workers.idle:
            if not self._queue and not self._propose():
                return False
            task = self._queue.popleft()
            self.workers.submit(task)
            trial = self.study.trials[task.trial]
            execution = trial.executions[task.execution]
            self._running[task.trial, task.execution] = InFlight.of(
                execution, task.epochs
            )
            self.listener.trial_started(trial)
        return True

    def _propose(self) -> bool:
        """Queue another training if there is one and time allows it."""
        unseeded = self._next_without_seeds()
        if self._is_late():
            if not self._running and not self.deadline and not unseeded:
                # Ask whether the search is done; a proposal waits for the next session.
                self._exhausted = self._exhausted or self._replay.propose() is None
            return False
        if unseeded is not None:
            if self._admits(unseeded.config, unseeded.rungs[-1].epochs, 1):
                self._add_seed(unseeded)
                return True
            return False
        proposal = self._replay.propose()
        if isinstance(proposal, Proposal):
            if self._admits_proposal(proposal):
                self._start(proposal)
                return True
            return False
        if isinstance(proposal, Wait) and not self._running:
            raise StudyError(
                "The proposer waits for a result, and nothing is training."
            )
        self._exhausted = proposal is None
        return False

    def _is_late(self) -> bool:
        """Whether no more trainings may start."""
        limit = self.settings.time_limit_s
        if limit is not None and time.monotonic() - self._ready >= limit:
            self._stop_starting("The time is up: no more trials will start.")
        return self._was_late

    def _admits_proposal(self, proposal: Proposal) -> bool:
        promoted = self.study.trials.get(proposal.trial)
        trained = promoted.executions[0].epochs if promoted else 0
        if self._is_scheduled(proposal.config.to_dict()):
            trained = 0
        return self._admits(
            proposal.config.to_dict(),
            proposal.config.epochs - trained,
            self.settings.seeds(proposal.trial),
        )

    def _admits(self, config: Mapping[str, Any], epochs: int, trainings: int) -> bool:
        """Whether these trainings would end before the deadline."""
        if self.deadline is None:
            return True
        idle = self.workers.idle
        if self.deadline.admits(config, epochs, trainings, self._running, idle):
            return True
        self._stop_starting(
            "No more trials will start: they would end too late. To continue, give a "
            "longer --in."
        )
        return False

    def _stop_starting(self, note: str) -> None:
        if not self._was_late:
            self.listener.note(note)
        self._was_late = True

    def _next_without_seeds(self) -> TrialRecord | None:
        """Return the trial that lacks seeds and has the fewest executions, or None."""
        lacking = [
            t
            for t in self.study.trials.values()
            if t.status == "completed"
            and t.trial not in self._without_more_seeds
            and len(t.executions) < self.settings.seeds(t.trial)
        ]
        return min(lacking, key=lambda t: (len(t.executions), t.trial), default=None)

    def _add_seed(self, record: TrialRecord) -> None:
        """Train a completed trial once more, with its next seed."""
        execution = self._execution(record.config, len(record.executions))
        record = replace(
            record, status="running", executions=(*record.executions, execution)
        )
        self.study.put(record)
        self._enqueue(record, record.rungs[-1].epochs)

    def _execution(self, config: Mapping[str, Any], number: int) -> Execution:
        values = config if self.user_model else unlike_baseline(config)
        seed = execution_seed(self.settings.training_seed, values, number)
        return Execution(number, seed)

    def _start(self, proposal: Proposal) -> None:
        """Write a trial's record, or a new rung in it, and queue its trainings."""
        self._event += 1
        rung = Rung(
            proposal.config.epochs,
            proposal.bracket,
            proposed=self._event,
            is_audit=proposal.is_audit,
        )
        is_stored = proposal.trial in self.study.trials
        if not is_stored and proposal.trial < self._last_stored:
            self.listener.note(f"Trial {proposal.trial} has no record; it runs again.")
            self.study.drop_states(proposal.trial)  # they may be of another config
        config = proposal.config.to_dict()
        promoted = self.study.trials.get(proposal.trial)
        if promoted and self._is_scheduled(config):
            self.study.drop_states(proposal.trial)
            executions = tuple(map(next_rung, promoted.executions))
            promoted = replace(promoted, executions=executions)
        record = promoted or TrialRecord(
            trial=proposal.trial,
            status="running",
            config=config,
            values=proposal.values,
            name=proposal.name,
            executions=tuple(
                self._execution(config, i)
                for i in range(self.settings.seeds(proposal.trial))
            ),
        )
        record = replace(
            record, status="running", config=config, rungs=(*record.rungs, rung)
        )
        self.study.put(record)
        self._enqueue(record, rung.epochs)

    def _enqueue(self, record: TrialRecord, epochs: int) -> None:
        """Queue a trial's unfinished executions, each from its last stored state."""
        for execution in record.executions:
            if not is_done(execution, epochs):
                self._queue.append(self._task(record, execution, epochs))

    def _task(
        self, record: TrialRecord, execution: Execution, epochs: int
    ) -> TrainingTask:
        start, state = from_the_start(execution), None
        if not (self.user_model and self.user_model.has_fit):
            start, state = starting_point(self.study, record, execution, epochs)
        if state is None and execution.is_final:
            self.listener.note(
                f"Trial {record.trial}'s model was not kept, so its first "
                f"{execution.epochs} epochs are trained again from its seed."
            )
        if start != execution:
            self._put_execution(start, record.trial)
        return TrainingTask(
            trial=record.trial,
            execution=execution.execution,
            config=record.config,
            seed=execution.seed,
            epochs=epochs,
            state=state,
            keep_state=self.settings.keep_models > 0 or self._may_extend(record),
            patience=self.settings.patience,
            jit_compile=start.jit_compile,
            split_seed=self.settings.split_seed(execution.execution),
            user_model=self.user_model,
            precision=self.settings.precision,
        )

    def _handle(self, event: Event) -> None:
        if isinstance(event, Answer):
            return
        record = self.study.trials[event.trial]
        task = self._running.pop((event.trial, event.execution), None)
        if task and isinstance(event, EpochEnd):
            self._running[event.trial, event.execution] = task.reported()
        if record.status != "running":  # another of its executions has failed
            return
        match event:
            case EpochEnd():
                self._store_epoch(event)
            case TrainingResult():
                self._store_result(event)
            case TrainingFailure():
                self._fail(record, event.error)
            case WorkerLoss():
                self._retry_or_fail(record, event)

    def _store_epoch(self, event: EpochEnd) -> None:
        execution = self.study.trials[event.trial].executions[event.execution]
        self._put_execution(after_epoch(execution, event), event.trial)
        if event.state:
            self.study.put_state(event.trial, event.execution, event.state)
        self.listener.epoch_ended(self.study.trials[event.trial], event)

    def _store_result(self, event: TrainingResult) -> None:
        has_own_split = self.settings.split_seed(event.execution) is not None
        self.study.put_predictions(
            event.trial,
            event.execution,
            {"validation": None if has_own_split else event.validation}
            | {"test": event.test},
        )
        if event.state:
            self.study.put_state(event.trial, event.execution, event.state)
        execution = self.study.trials[event.trial].executions[event.execution]
        self._put_execution(after_result(execution, event), event.trial)
        record = self.study.trials[event.trial]
        if event.drawn is not None:  # the user's code did not use the other values
            drawn = {*event.drawn, "epochs"}
            config = {n: value for n, value in record.config.items() if n in drawn}
            record = replace(record, config=config)
            self.study.put(record)
        if is_trained(record):
            self._complete(record)

    def _complete(self, record: TrialRecord) -> None:
        self._failed_in_a_row = 0
        value = score(record, self._measure)
        self._end(replace(record, status="completed"), value)

    def _retry_or_fail(self, record: TrialRecord, event: WorkerLoss) -> None:
        execution = record.executions[event.execution]
        if event.may_be_to_blame:
            execution = replace(execution, attempts=execution.attempts + 1)
            self._put_execution(execution, record.trial)
            record = self.study.trials[record.trial]
        if execution.attempts >= _MAX_LOSSES:
            self._fail(record, f"{event.error}, {execution.attempts} times")
            return
        self.listener.note(f"Trial {record.trial}: {event.error}; trying again.")
        self._queue.appendleft(self._task(record, execution, record.rungs[-1].epochs))

    def _fail(self, record: TrialRecord, error: str) -> None:
        self._queue = deque(t for t in self._queue if t.trial != record.trial)
        self._failed_in_a_row += 1
        if record.rungs[-1].told is None:
            self._end(replace(record, status="failed", error=error), None)
        else:
            self._do_without_seed(record, error)
        if self._failed_in_a_row >= self.settings.max_consecutive_failed_trials:
            self._hopeless = HopelessError(
                f"{self._failed_in_a_row} trials failed in a row, the last with: "
                f"{error}. See {self.study.folder / 'search.log'} and fix the cause. "
                "The same command continues with other trials, --overwrite starts "
                "over, and --max-consecutive-failed-trials allows more failures."
            )

    def _do_without_seed(self, record: TrialRecord, error: str) -> None:
        """Keep a completed trial's result if an added seed fails."""
        epochs = record.rungs[-1].epochs
        done = tuple(e for e in record.executions if is_done(e, epochs))
        self._without_more_seeds.add(record.trial)
        note = (
            f"Trial {record.trial} gets no more seeds: the next one failed ({error})."
        )
        self.listener.note(note)
        self.study.update(notes=tuple(dict.fromkeys([*self.study.record.notes, note])))
        self._end(replace(record, status="completed", executions=done), None)

    def _end(self, record: TrialRecord, score: float | None) -> None:
        """Store the end of a trial, then tell the proposer, then the listener."""
        if record.rungs[-1].told is None:
            self._event += 1
            rung = replace(record.rungs[-1], told=self._event, score=score)
            record = replace(record, rungs=(*record.rungs[:-1], rung))
            self.study.put(record)
            self._replay.tell(record.trial, score)
        else:  # added seeds: the proposer has this trial's score already
            self.study.put(record)
        self._drop_states()
        self._save_counts()
        self.listener.trial_ended(record)

    def _put_execution(self, execution: Execution, trial: int) -> None:
        record = self.study.trials[trial]
        executions = list(record.executions)
        executions[execution.execution] = execution
        self.study.put(replace(record, executions=tuple(executions)))

    def _drop_states(self) -> None:
        """Drop every state except those of the best trials and of unfinished ones."""
        trials = list(self.study.trials.values())
        if not self.settings.candidates:  # candidates are not ranked
            trials = best_first(trials, self.study.record.settings)
        keep = {t.trial for t in trials[: self.settings.keep_models]}
        for number in (
            self.study.trials_with_states() - keep
        ) & self.study.trials.keys():
            record = self.study.trials[number]
            if self._has_nothing_left or not self._may_train_more(record):
                self.study.drop_states(number)

    def _may_train_more(self, record: TrialRecord) -> bool:
        if record.status != "completed":
            return record.status == "running"
        return self._may_extend(record)

    def _may_extend(self, record: TrialRecord) -> bool:
        """Whether a longer training may continue from this one's state."""
        if self._is_scheduled(record.config):
            return False
        return self._replay.may_extend(record.config)

    def _is_scheduled(self, config: Mapping[str, Any]) -> bool:
        return self.user_model is None and is_scheduled(config)

    def _save_counts(self) -> None:
        seconds = self._seconds_before + time.monotonic() - self.started
        self.study.update(seconds=seconds)
        # Every session meets the same rejected configs again, from the first one on.
        rejected = Counter(self._rejected_before) | Counter(self.rejected)
        self.study.update(rejected=dict(rejected))
