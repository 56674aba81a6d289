"""Take a proposer back to where it was, by repeating its exchange from the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuner.algorithms.base import Proposal, Proposer, Recorded, Wait
from tuner.study.folder import StudyError
from tuner.study.ranking import score_at
from tuner.study.records import Rung, TrialRecord


def last_event(trials: Mapping[int, TrialRecord]) -> int:
    """Give the number of the last exchange with the proposer, or 0."""
    rungs = [rung for trial in trials.values() for rung in trial.rungs]
    return max((max(r.proposed, r.told or 0) for r in rungs), default=0)


class Replay:
    """A proposer that first repeats what the records say, in its order.

    What is recorded is never proposed again: the proposer is told its result. A
    trial whose record is lost is proposed again at its place and the rest waits
    for it, so that the proposer decides on what it knew then. Without one thread a
    trial its new result may differ within the noise, and then so may what
    Hyperband promotes: recorded results that it still comes to are used.

    Args:
        trials: Every readable record.
        proposer: Fresh from its seed.
        measure: What the proposer is told.
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
        self._next = 0  # of the events
        self._repeated: set[tuple[int, int]] = set()  # (trial, epochs) proposed again
        self._open: dict[
            int, Rung
        ] = {}  # the proposer waits for these recorded results
        self._lost: set[int] = set()  # proposed again because no record has them
        self._early: dict[int, float | None] = {}  # results of what is not yet repeated

    def propose(
        self,
        recorded: Recorded | None = None,  # noqa: ARG002  its own are more
    ) -> Proposal | Wait | None:
        """Repeat the records as far as they go, then give what is new.

        Raises:
            StudyError: The proposer proposes other values than the records have.
        """
        while not self._lost:
            self._tell_what_was_told()
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
                self._next += 1  # the proposer comes to this later, or not at all
        return Wait()

    def tell(self, trial: int, score: float | None) -> None:
        """Pass a new result on, as soon as its proposal is repeated."""
        record = self._trials.get(trial)
        cut_off = record.rungs[-1] if record else None
        if (
            cut_off
            and cut_off.told is None
            and (trial, cut_off.epochs) not in self._repeated
        ):
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

    def _tell_what_was_told(self) -> None:
        """Go on to the next event that only the proposer can repeat."""
        while not self._is_over:
            number, trial, rung = self._events[self._next]
            if number == rung.told and self._open.get(trial) is rung:
                self._inner.tell(trial, self._open.pop(trial).score)
            elif number == rung.proposed and (trial, rung.epochs) not in self._repeated:
                return
            self._next += 1

    def _repeat(self, trial: int, rung: Rung) -> None:
        """Take note of a proposal that is recorded, and answer it when it was."""
        self._repeated.add((trial, rung.epochs))
        if rung.told is None:  # cut off: the search takes it up itself
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
                "The records must be what the search algorithm proposes, but trial "
                f"{record.trial} has {dict(record.values)} and it proposes "
                f"{dict(proposal.values)}: records were edited, or another version "
                "wrote them. Start anew with --overwrite, which keeps the old study "
                "aside."
            )
        epochs = proposal.config.epochs
        for rung in record.rungs:
            if rung.epochs == epochs:
                return rung
        if record.rungs[-1].epochs > epochs and record.status == "completed":
            # It went further without this rung: its curve knows what came of it.
            value = score_at(record, epochs, self._measure)
            return Rung(epochs, proposal.bracket, told=0, score=value)
        return None
