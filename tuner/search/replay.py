"""Restore a proposer's state by repeating its proposals and results from records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.algorithms.base import Proposal, Proposer, Recorded, Wait
from tuner.study.folder import StudyError
from tuner.study.ranking import score_at
from tuner.study.records import Rung, TrialRecord


def last_event(trials: Mapping[int, TrialRecord]) -> int:
    """Return the number of the last event with the proposer, or 0."""
    rungs = [rung for trial in trials.values() for rung in trial.rungs]
    return max((max(r.proposed, r.told or 0) for r in rungs), default=0)


class Replay:
    """A proposer that first repeats the recorded events in their order.

    A recorded trial is not trained again: the proposer gets its recorded result. A
    trial whose record was lost is proposed again at its place, and all later events
    wait for it, so that the proposer decides with the same results as before. Unless
    each worker has a single thread, the new result may differ a little, and then
    Hyperband may promote other trials; recorded results are used if it proposes those
    trials at all.

    Args:
        trials: Every readable record.
        proposer: A new proposer with the same seed.
        measure: The measure that the proposer gets as the score.
    """

    def __init__(
        self, trials: Mapping[int, TrialRecord], proposer: Proposer, measure: str
    ) -> None:
        self._measure = measure
        self._inner = proposer
        self._trials = dict(trials)
        self._values: Recorded = {n: t.values for n, t in trials.items()}
        self._events = sorted(
            (number, trial.trial, rung)
            for trial in trials.values()
            for rung in trial.rungs
            for number in (rung.proposed, rung.told)
            if number is not None
        )
        self._next = 0  # index into the events
        self._repeated: set[tuple[int, int]] = set()  # (trial, epochs) proposed again
        self._open: dict[int, Rung] = {}  # proposed, with a recorded result to tell
        self._lost: set[int] = set()  # trials without a record, to train again
        self._early: dict[int, float | None] = {}  # results before their proposals

    def propose(
        self,
        recorded: Recorded | None = None,  # noqa: ARG002  it has all records
    ) -> Proposal | Wait | None:
        """Repeat the recorded events, then return the next new proposal.

        Raises:
            StudyError: The proposer's values differ from the recorded ones.
        """
        while not self._lost:
            self._tell_recorded()
            proposal = self._inner.propose(self._values)
            if isinstance(proposal, Proposal):
                rung = self._recorded(proposal)
                if rung is None:
                    if not self._is_over:
                        self._lost.add(proposal.trial)
                    return proposal
                self._repeat(proposal.trial, rung)
            elif self._is_over:
                return proposal
            else:
                self._next += 1  # the proposer proposes this later, or never
        return Wait()

    def tell(self, trial: int, score: float | None) -> None:
        """Pass a new result on, once its proposal has been repeated."""
        record = self._trials.get(trial)
        last = record.rungs[-1] if record else None
        if last and last.told is None and (trial, last.epochs) not in self._repeated:
            self._early[trial] = score
        else:
            self._lost.discard(trial)
            self._inner.tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether more epochs of this config may be proposed later."""
        return self._inner.may_extend(config)

    @property
    def _is_over(self) -> bool:
        return self._next == len(self._events)

    def _tell_recorded(self) -> None:
        """Tell recorded results up to the next proposal."""
        while not self._is_over:
            number, trial, rung = self._events[self._next]
            if number == rung.told and self._open.get(trial) is rung:
                self._inner.tell(trial, self._open.pop(trial).score)
            elif number == rung.proposed and (trial, rung.epochs) not in self._repeated:
                return
            self._next += 1

    def _repeat(self, trial: int, rung: Rung) -> None:
        """Mark a recorded proposal as repeated, and tell its result when it is due."""
        self._repeated.add((trial, rung.epochs))
        if rung.told is None:  # interrupted: the search resumes it
            if trial in self._early:
                self._inner.tell(trial, self._early.pop(trial))
        elif self._is_over or rung.told < self._events[self._next][0]:
            self._inner.tell(trial, rung.score)
        else:
            self._open[trial] = rung

    def _recorded(self, proposal: Proposal) -> Rung | None:
        record = self._trials.get(proposal.trial)
        if record is None:
            return None
        if dict(record.values) != dict(proposal.values):
            raise StudyError(
                "The records must match what the search algorithm proposes, but trial "
                f"{record.trial} has {dict(record.values)}, and the algorithm proposes "
                f"{dict(proposal.values)}. The records were edited or written by "
                "another version. Start again with --overwrite, which moves the old "
                "study aside."
            )
        epochs = proposal.config.epochs
        for rung in record.rungs:
            if rung.epochs == epochs:
                return rung
        if record.rungs[-1].epochs > epochs and record.status == "completed":
            # It trained further without this rung: take the score from its curve.
            value = score_at(record, epochs, self._measure)
            return Rung(epochs, proposal.bracket, told=0, score=value)
        return None
