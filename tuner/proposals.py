"""What the search asks of whoever proposes trials."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from search_spaces.config import CnnConfig


@dataclass(frozen=True)
class Proposal:
    """A trial to train, or to train further.

    Attributes:
        trial: Its number; a promotion repeats it.
        values: What the oracle chose, in the space's names, active ones only.
        config: The config that they mean, with the epochs it shall have.
        bracket: Hyperband's bracket, largest first, or 0.
        name: What the space calls it, or None.
    """

    trial: int
    values: Mapping[str, Any]
    config: CnnConfig
    bracket: int = 0
    name: str | None = None


class Wait:
    """The oracle has nothing to propose before it is told more."""


class Proposer(Protocol):
    """What the search asks; not for several threads."""

    def propose(self) -> Proposal | Wait | None:
        """Give the next trial, `Wait`, or None when there is no more."""

    def tell(self, trial: int, score: float | None) -> None:
        """Report a proposal's objective value, or None where it failed."""


class ListProposer:
    """Propose given trials in order."""

    def __init__(self, proposals: Sequence[Proposal]) -> None:
        self._rest = deque(proposals)

    def propose(self) -> Proposal | Wait | None:
        """Give the next trial of the list."""
        return self._rest.popleft() if self._rest else None

    def tell(self, trial: int, score: float | None) -> None:
        """Learn nothing: a list does not depend on results."""
