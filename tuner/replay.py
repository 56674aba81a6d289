"""Rebuild an oracle from the records, by telling it again all that it was told."""

from __future__ import annotations

from collections.abc import Mapping

from tuner.proposals import Proposal, Proposer
from tuner.records import TrialRecord
from tuner.study import StudyError


def last_event(trials: Mapping[int, TrialRecord]) -> int:
    """Give the number of the last exchange with the oracle, or 0."""
    rungs = [rung for trial in trials.values() for rung in trial.rungs]
    return max((max(r.proposed, r.told or 0) for r in rungs), default=0)


def replay(trials: Mapping[int, TrialRecord], proposer: Proposer) -> list[Proposal]:
    """Repeat a study's exchange with its oracle, in the order that it happened.

    Args:
        trials: Every readable record.
        proposer: Fresh from its seed; afterwards as it was.

    Returns:
        Proposals whose records are lost, to be run again.

    Raises:
        StudyError: The oracle proposes something else than the records have.
    """
    exchange = sorted(
        (number, trial.trial, rung, is_told)
        for trial in trials.values()
        if trial.values  # the baseline is no oracle's idea
        for rung, r in enumerate(trial.rungs)
        for number, is_told in ((r.proposed, False), (r.told, True))
        if number is not None
    )
    lost: list[Proposal] = []
    ahead: set[int] = set()  # lost once and run again, so recorded later than proposed
    for _, number, rung, is_told in exchange:
        record = trials[number]
        if is_told:
            proposer.tell(number, record.rungs[rung].score)
            continue
        if number in ahead:
            ahead.remove(number)
            continue
        proposal = proposer.propose()
        while isinstance(proposal, Proposal) and proposal.trial < number:
            earlier = trials.get(proposal.trial)
            if earlier is None:
                lost.append(proposal)
            elif _matches(earlier, proposal):
                ahead.add(proposal.trial)
            else:
                break
            proposal = proposer.propose()
        if not isinstance(proposal, Proposal) or not _matches(record, proposal):
            raise StudyError(_contradiction(record, proposal, is_lost=bool(lost)))
    return lost


def _matches(record: TrialRecord, proposal: Proposal) -> bool:
    same_values = dict(record.values) == dict(proposal.values)
    return record.trial == proposal.trial and same_values


def _contradiction(record: TrialRecord, got: object, *, is_lost: bool) -> str:
    cause = "a lost record changed what came after it" if is_lost else "edited records"
    return (
        f"The records must be what the oracle proposes, but trial {record.trial} has "
        f"{dict(record.values)} and the oracle gives {got} ({cause}?). "
        "Start anew with --overwrite, which keeps the old study aside."
    )
