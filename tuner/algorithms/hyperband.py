"""Hyperband: train many configs for few epochs, and the best of them for more.

A bracket trades the number of configs against the epochs that each gets at first.
Source: Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization", JMLR 2018.

Brackets, rungs and promotions equal those of KerasTuner's HyperbandOracle; a test
compares the two. We do not use that oracle: smaller schedules, screened draws, failures
that keep their place and a replay from records took eight of its private methods, which
is more code than the algorithm itself.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuner.algorithms.base import (
    Algorithm,
    AlgorithmError,
    Proposal,
    Proposer,
    Recorded,
    Rung,
    Schedule,
    SearchProblem,
    Wait,
)
from tuner.algorithms.points import NewTrials, random_points
from tuner.system.seeds import derive_seed

FACTOR = 3


@dataclass(frozen=True, kw_only=True)
class Hyperband(Algorithm):
    """One iteration of Hyperband, and an audit of the configs that it eliminated."""

    def schedule(
        self, trials: int, epochs: int, options: Mapping[str, int]
    ) -> Schedule:
        """Return the brackets, and the epochs with the audit's."""
        planned = plan(epochs, options.get("min_epochs", 1), trials)
        audited = options.get("audit", 0) * epochs
        return replace(planned, epochs=planned.epochs + audited)

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that starts with the first bracket."""
        planned = self.schedule(problem.trials, problem.epochs, problem.options)
        return Audit(
            self.fill(problem, planned),
            problem.options.get("audit", 0),
            problem.epochs,
            derive_seed("audit", problem.seed),
        )

    def fill(self, problem: SearchProblem, planned: Schedule) -> Proposer:
        """Return a proposer that fills the brackets of a schedule."""
        return HyperbandProposer(problem, planned)


HYPERBAND = Hyperband(
    name="hyperband",
    label="Hyperband",
    help="trains many configs briefly and the best of them further",
    default_trials=None,
    default_epochs=10,
    sets_epochs=True,
    can_grow=False,
    options={
        "min_epochs": "sets Hyperband's first rung",
        "audit": "trains configs that Hyperband eliminated",
    },
)


def plan(
    max_epochs: int, min_epochs: int = 1, max_configs: int | None = None
) -> Schedule:
    """Plan one iteration of Hyperband.

    Args:
        max_epochs: Epochs of every last rung, at least 1.
        min_epochs: Fewest epochs of a first rung, 1 to `max_epochs`.
        max_configs: Most configs to propose. If the brackets want more, they share
            this number in proportion, and a bracket whose share is 0 is left out.

    Raises:
        AlgorithmError: `min_epochs` or `max_configs` is out of its range.
    """
    check_epochs(min_epochs, max_epochs)
    if max_configs is not None and max_configs < 1:
        raise AlgorithmError(
            f"Hyperband needs at least 1 config, got {max_configs}. Raise --max-trials."
        )
    halvings = range(int(math.log(max_epochs / min_epochs, FACTOR) + 1e-9), -1, -1)
    full = [_bracket(max_epochs, h) for h in halvings]
    wanted = [rungs[0].configs for rungs in full]
    if max_configs is None or max_configs >= sum(wanted):
        return scheduled(full)
    return scheduled(
        [
            tuple(
                Rung(max(1, round(r.configs * share / rungs[0].configs)), r.epochs)
                for r in rungs
            )
            for rungs, share in zip(full, _share(wanted, max_configs), strict=True)
            if share
        ]
    )


def check_epochs(fewest: int, most: int) -> None:
    """Raise AlgorithmError unless the first rung has 1 to the last rung's epochs."""
    if not 1 <= fewest <= most:
        raise AlgorithmError(
            f"The first rung's epochs must be from 1 to {most}, the last "
            f"rung's, got {fewest}. Lower --min-epochs or raise --epochs."
        )


def _bracket(max_epochs: int, halvings: int) -> tuple[Rung, ...]:
    # KerasTuner's sizes: every bracket gets about the same epochs.
    ends = math.ceil(1 + math.log(max_epochs, FACTOR)) / (halvings + 1)
    return tuple(
        Rung(
            math.ceil(ends * FACTOR ** (halvings - i)),
            math.ceil(max_epochs / FACTOR ** (halvings - i)),
        )
        for i in range(halvings + 1)
    )


def _share(wanted: list[int], available: int) -> list[int]:
    """Divide whole configs in proportion; the largest remainders round up."""
    exact = [w * available / sum(wanted) for w in wanted]
    shares = [int(e) for e in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: available - sum(shares)]:
        shares[i] += 1
    return shares


def scheduled(brackets: Sequence[tuple[Rung, ...]]) -> Schedule:
    """Count the epochs of all brackets; a promotion adds only the missing epochs."""
    epochs = 0
    for rungs in brackets:
        reached = 0
        for rung in rungs:
            epochs += rung.configs * (rung.epochs - reached)
            reached = rung.epochs
    return Schedule(
        sum(rungs[0].configs for rungs in brackets), epochs, tuple(brackets)
    )


@dataclass
class _Filling:
    """A rung that is being filled.

    Attributes:
        rung: Its size and epochs.
        bracket: Its bracket's number, largest first.
        trials: Those that reached it, in order.
        scores: Scores of finished trials. Higher is better; a failure is -inf.
    """

    rung: Rung
    bracket: int
    trials: list[int] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)

    def next_to_promote(self, into: _Filling) -> int | None:
        """Return the best finished trial, once it is certain to be promoted."""
        ended = [t for t in self.trials if t in self.scores and t not in into.trials]
        if len(ended) <= self.rung.configs - into.rung.configs:
            return None
        return max(ended, key=self.scores.__getitem__)


class HyperbandProposer:
    """Fill each bracket's first rung with new configs, and promote the best of a rung.

    A failed trial keeps its place in its rung. If too few succeed to fill the next
    rung, it takes a place there too, without being trained.

    Args:
        problem: The search problem.
        schedule: The brackets.
        new: The new configs; None means random draws.
    """

    def __init__(
        self,
        problem: SearchProblem,
        schedule: Schedule,
        new: NewTrials | None = None,
    ) -> None:
        seed = derive_seed("oracle", problem.seed)
        draws = random_points(problem.declared, seed)
        self._new = NewTrials(problem, draws) if new is None else new
        self._higher_is_better = problem.higher_is_better
        self._epochs = problem.epochs
        numbers = range(len(schedule.brackets) - 1, -1, -1)
        self._brackets = [
            [_Filling(rung, number) for rung in rungs]
            for number, rungs in zip(numbers, schedule.brackets, strict=True)
        ]
        self._last: dict[int, Proposal] = {}
        self._running: dict[int, _Filling] = {}

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Return what the first bracket can train now, or else the next bracket."""
        for rungs in self._brackets:
            proposal = self._start(rungs[0], recorded) or self._promote(rungs)
            if proposal:
                return proposal
        return Wait() if self._running else None

    def tell(self, trial: int, score: float | None) -> None:
        """Store a trial's score in its rung."""
        sign = 1 if self._higher_is_better else -1
        value = -math.inf if score is None else sign * score
        self._running.pop(trial).scores[trial] = value

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether a trial with this config may be promoted."""
        return bool(config["epochs"] < self._epochs)

    def _start(self, first: _Filling, recorded: Recorded | None) -> Proposal | None:
        if len(first.trials) == first.rung.configs:
            return None
        new = self._new.propose(recorded)
        return self._reached(first, new) if new else None

    def _promote(self, rungs: Sequence[_Filling]) -> Proposal | None:
        for rung, following in itertools.pairwise(rungs):
            while (best := rung.next_to_promote(following)) is not None:
                if rung.scores[best] > -math.inf:
                    return self._reached(following, self._last[best])
                following.trials.append(best)
                following.scores[best] = -math.inf
        return None

    def _reached(self, filling: _Filling, proposal: Proposal) -> Proposal:
        config = replace(proposal.config, epochs=filling.rung.epochs)
        proposal = replace(proposal, config=config, bracket=filling.bracket)
        filling.trials.append(proposal.trial)
        self._last[proposal.trial] = proposal
        self._running[proposal.trial] = filling
        return proposal


class Audit:
    """After Hyperband ends, fully train some of the configs that it eliminated.

    They are drawn at random, so that the share of them that was wrongly eliminated
    estimates the share among all eliminated configs.

    Args:
        inner: Hyperband's proposer.
        count: How many eliminated configs to train, at most.
        epochs: Epochs of the last rung.
        seed: Draws them. A larger count draws the same ones and more.
    """

    def __init__(self, inner: Proposer, count: int, epochs: int, seed: int) -> None:
        self._inner = inner
        self._count, self._epochs, self._seed = count, epochs, seed
        self._last: dict[int, Proposal] = {}  # of every trial that has not failed
        self._audits: deque[Proposal] | None = None
        self._audited: set[int] = set()

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Return what Hyperband proposes, and after its end the audits."""
        if self._audits is None:
            proposal = self._inner.propose(recorded)
            if isinstance(proposal, Proposal):
                self._last[proposal.trial] = proposal
            if proposal is not None:
                return proposal
            self._audits = deque(self._draw())
        if not self._audits:
            return None
        audit = self._audits.popleft()
        self._audited.add(audit.trial)
        return audit

    def tell(self, trial: int, score: float | None) -> None:
        """Report a score to Hyperband, unless it is an audit's."""
        if trial in self._audited:
            return
        if score is None:
            del self._last[trial]
        self._inner.tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether the config may be promoted or audited."""
        return bool(config["epochs"] < self._epochs)

    def _draw(self) -> Sequence[Proposal]:
        import numpy as np

        eliminated = [
            p for _, p in sorted(self._last.items()) if p.config.epochs < self._epochs
        ]
        order = np.random.default_rng(self._seed).permutation(len(eliminated))
        return [
            replace(
                eliminated[i],
                config=replace(eliminated[i].config, epochs=self._epochs),
                is_audit=True,
            )
            for i in order[: self._count]
        ]
