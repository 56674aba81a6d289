"""Points of a space in some order, and the trials they become: each network once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from search_spaces.space import Space, random_point
from search_spaces.user_code import Config, UserSpace
from tuner.algorithms.base import (
    ListProposer,
    Proposal,
    Recorded,
    SearchProblem,
    Values,
    Wait,
)
from tuner.algorithms.screening import Screen
from tuner.system.seeds import derive_seed

if TYPE_CHECKING:
    import keras_tuner as kt

MOST_DRAWS = 20_000  # rejected in a row, after which a space counts as exhausted
_LISTED = 2000  # points; a larger space is drawn from, and not listed


def can_be_listed(points: int | None) -> bool:
    """Whether to go through every point of a space that has so many."""
    return points is not None and points <= _LISTED


def random_points(declared: kt.HyperParameters, seed: int) -> Iterator[Values]:
    """Draw points of a space without end, independently of one another."""
    return (random_point(declared, derive_seed(seed, i)) for i in count())


def admitted(
    points: Iterable[Values], space: Space | UserSpace, screen: Screen
) -> Iterator[tuple[Values, Config]]:
    """Go through the points that can be trained, each network once.

    It ends after `MOST_DRAWS` points in a row of which none can.
    """
    rejected = 0
    for point in points:
        config = space.config(point)
        if screen.admits(config):
            rejected = 0
            screen.add(config)
            yield point, config
        else:
            rejected += 1
            if rejected == MOST_DRAWS:
                return


def listed(problem: SearchProblem, points: Iterable[Values]) -> ListProposer:
    """Propose points in their order, worked out beforehand."""
    chosen = islice(admitted(points, problem.space, problem.screen), problem.trials)
    return ListProposer(
        Proposal(trial, point, config)
        for trial, (point, config) in enumerate(chosen, problem.first_trial)
    )


class NewTrials:
    """Number new configs: those that records hold, and else the next points.

    The points start anew in every session. Those that the records hold are passed
    over as duplicates, so a resume goes on where the last session stopped, and a lost
    record's trial is proposed again.

    Args:
        problem: What is searched.
        points: Each may depend on what happened before it is asked for.
    """

    def __init__(self, problem: SearchProblem, points: Iterable[Values]) -> None:
        self._problem = problem
        self._points = iter(points)
        self._next = problem.first_trial
        self._recorded: set[frozenset[tuple[str, Any]]] | None = None

    @property
    def next_trial(self) -> int:
        """The number that the next new config gets."""
        return self._next

    def propose(self, recorded: Recorded | None = None) -> Proposal | None:
        """Give the next new trial, or None when there is no more."""
        recorded = recorded or {}
        if self._recorded is None:
            self._recorded = self._remember(recorded)
        if self._next == self._problem.first_trial + self._problem.trials:
            return None
        if self._next in recorded:
            values: Values = dict(recorded[self._next])
            chosen = values, self._problem.space.config(values)
        elif (drawn := self._draw(self._recorded)) is not None:
            chosen = drawn
        else:
            return None
        self._problem.screen.add(chosen[1])
        self._next += 1
        return Proposal(self._next - 1, *chosen)

    def _remember(self, recorded: Recorded) -> set[frozenset[tuple[str, Any]]]:
        """Let no trial that is proposed again repeat one that is recorded."""
        of_search = {
            number: values
            for number, values in recorded.items()
            if number >= self._problem.first_trial
        }
        for values in of_search.values():
            self._problem.screen.add(self._problem.space.config(values))
        return {frozenset(values.items()) for values in of_search.values()}

    def _draw(
        self, recorded: set[frozenset[tuple[str, Any]]]
    ) -> tuple[Values, Config] | None:
        rejected = 0
        for point in self._points:
            config = self._problem.space.config(point)
            if self._problem.screen.admits(config):
                return point, config
            rejected = 0 if frozenset(point.items()) in recorded else rejected + 1
            if rejected == MOST_DRAWS:
                return None
        return None


class PointProposer:
    """Propose points in their order, worked out one at a time; results change nothing.

    Args:
        problem: What is searched.
        points: They depend on the problem alone.
    """

    def __init__(self, problem: SearchProblem, points: Iterable[Values]) -> None:
        self._new = NewTrials(problem, points)

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Give the next point that can be trained."""
        return self._new.propose(recorded)

    def tell(self, trial: int, score: float | None) -> None:
        """Change nothing."""

    def may_extend(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether more epochs may be proposed later: never."""
        return False
