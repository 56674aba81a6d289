"""Turn points of a space into trials, so that no network is trained twice."""

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

MOST_DRAWS = 20_000  # a space is exhausted after this many rejections in a row
_LISTED = 2000  # spaces with more points are sampled, not listed


def can_be_listed(points: int | None) -> bool:
    """Whether a space with this many points is small enough to list."""
    return points is not None and points <= _LISTED


def random_points(declared: kt.HyperParameters, seed: int) -> Iterator[Values]:
    """Draw independent points of a space, without end."""
    return (random_point(declared, derive_seed(seed, i)) for i in count())


def admitted(
    points: Iterable[Values], space: Space | UserSpace, screen: Screen
) -> Iterator[tuple[Values, Config]]:
    """Yield the points that can be trained, each network once.

    Stops after `MOST_DRAWS` rejected points in a row.
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
    """Propose points in their order, chosen before the search starts."""
    chosen = islice(admitted(points, problem.space, problem.screen), problem.trials)
    return ListProposer(
        Proposal(trial, point, config)
        for trial, (point, config) in enumerate(chosen, problem.first_trial)
    )


class NewTrials:
    """Number new trials. Take their values from the records, or else the next point.

    Every session starts with the first point. Recorded points are skipped as
    duplicates, so a resume continues where the last session stopped, and a trial whose
    record is lost is proposed again.

    Args:
        problem: The search problem.
        points: Points in order. A point may depend on results that arrive before it is
            taken.
    """

    def __init__(self, problem: SearchProblem, points: Iterable[Values]) -> None:
        self._problem = problem
        self._points = iter(points)
        self._next = problem.first_trial
        self._recorded: set[frozenset[tuple[str, Any]]] | None = None

    @property
    def next_trial(self) -> int:
        """The number of the next new trial."""
        return self._next

    def propose(self, recorded: Recorded | None = None) -> Proposal | None:
        """Return the next new trial, or None if there are no more."""
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
        """Add the recorded configs to the screen, so that no new trial repeats one."""
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
    """Propose points in their order and ignore results.

    Args:
        problem: The search problem.
        points: Points in order; they depend on the problem alone.
    """

    def __init__(self, problem: SearchProblem, points: Iterable[Values]) -> None:
        self._new = NewTrials(problem, points)

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Return the next point that can be trained."""
        return self._new.propose(recorded)

    def tell(self, trial: int, score: float | None) -> None:
        """Ignore the score."""

    def may_extend(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether more epochs may be proposed later: never."""
        return False
