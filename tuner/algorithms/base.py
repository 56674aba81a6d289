"""What the search asks of whoever proposes trials, and those that need no oracle."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from search_spaces.config import unlike_baseline
from search_spaces.user_code import Config

Recorded = Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Proposal:
    """A trial to train, or to train further.

    Attributes:
        trial: Its number; a promotion repeats it.
        values: What was chosen, in the space's names, active ones only.
        config: The config that they mean, with the epochs it shall have.
        bracket: Hyperband's bracket, largest first, or 0.
        name: What the space calls it, or None.
        is_audit: Whether Hyperband had dropped it, and it is trained to the end
            to see whether that was right.
    """

    trial: int
    values: Mapping[str, Any]
    config: Config
    bracket: int = 0
    name: str | None = None
    is_audit: bool = False


class Wait:
    """There is nothing to propose before more is told."""


class Proposer(Protocol):
    """What the search asks; not for several threads."""

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Give the next trial, `Wait`, or None when there is no more.

        Args:
            recorded: Values by trial that were proposed in an earlier session. An
                oracle that thinks long takes them instead of thinking again.
        """

    def tell(self, trial: int, score: float | None) -> None:
        """Report a proposal's objective value, or None where it failed."""

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether more epochs of this config may be proposed later.

        Args:
            config: As its `to_dict` gives it.
        """


class ListProposer:
    """Propose given trials in order; results change nothing."""

    def __init__(self, proposals: Iterable[Proposal]) -> None:
        self._rest = deque(proposals)
        # Until it is told: a training that is cut off starts where it did.
        self._untold = {p.trial: p.config for p in self._rest}
        self._networks = {
            p.trial: without_epochs(p.config.to_dict()) for p in self._rest
        }

    def propose(
        self,
        recorded: Recorded | None = None,  # noqa: ARG002  a list need not think
    ) -> Proposal | Wait | None:
        """Give the next trial of the list."""
        return self._rest.popleft() if self._rest else None

    def tell(self, trial: int, score: float | None) -> None:  # noqa: ARG002
        """Learn only that it has ended: a list does not depend on results."""
        self._untold.pop(trial, None)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether the same network has yet to be trained for longer."""
        network = without_epochs(config)
        return any(
            other.epochs > config["epochs"] and self._networks[trial] == network
            for trial, other in self._untold.items()
        )


def without_epochs(config: Mapping[str, Any]) -> dict[str, Any]:
    """Give what two trainings share of which one goes on where the other ends.

    Values of the baseline are left out: an older version may not have stored them.
    """
    values = unlike_baseline(config)
    return {name: value for name, value in values.items() if name != "epochs"}


class Chain:
    """One proposer after the other; each hears of its own trials alone."""

    def __init__(self, *proposers: Proposer) -> None:
        self._proposers = proposers
        self._of: dict[int, Proposer] = {}

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Ask the first that has not come to its end."""
        for proposer in self._proposers:
            proposal = proposer.propose(recorded)
            if proposal is not None:
                if isinstance(proposal, Proposal):
                    self._of[proposal.trial] = proposer
                return proposal
        return None

    def tell(self, trial: int, score: float | None) -> None:
        """Tell the one whose trial it is."""
        self._of[trial].tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether one of them may."""
        return any(p.may_extend(config) for p in self._proposers)


class Audit:
    """After Hyperband's end, train some of what it dropped to the last epoch.

    Which ones is drawn at random, so that the share of wrong drops among them
    estimates the share among all.

    Args:
        inner: Hyperband.
        count: How many dropped configs to train, or all there are.
        epochs: Epochs of the last rung.
        seed: Draws them; a larger count adds to a smaller one's.
    """

    def __init__(self, inner: Proposer, count: int, epochs: int, seed: int) -> None:
        self._inner = inner
        self._count, self._epochs, self._seed = count, epochs, seed
        self._last: dict[int, Proposal] = {}  # of every trial that has not failed
        self._audits: deque[Proposal] | None = None
        self._audited: set[int] = set()

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Pass on what Hyperband proposes, then the audits."""
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
        """Tell Hyperband, but for the audits."""
        if trial in self._audited:
            return
        if score is None:
            del self._last[trial]
        self._inner.tell(trial, score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether Hyperband may promote it, or it may be audited."""
        return bool(config["epochs"] < self._epochs)

    def _draw(self) -> Sequence[Proposal]:
        dropped = [
            p for _, p in sorted(self._last.items()) if p.config.epochs < self._epochs
        ]
        order = np.random.default_rng(self._seed).permutation(len(dropped))
        return [
            replace(
                dropped[i],
                config=replace(dropped[i].config, epochs=self._epochs),
                is_audit=True,
            )
            for i in order[: self._count]
        ]
