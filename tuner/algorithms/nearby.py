"""Mix random draws with draws near priors and near the best so far.

The idea is PriorBand's (Mallik et al., "PriorBand: Practical Hyperparameter
Optimization in the Age of Deep Learning", NeurIPS 2023). It weighs priors against the
best so far by the density that each gives to the best results. Ours is simpler: a prior
counts until a result beats it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from search_spaces.space import shuffled_points
from tuner.algorithms.base import Proposal, Recorded, SearchProblem, Values
from tuner.algorithms.points import NewTrials, can_be_listed, random_points
from tuner.system.seeds import derive_seed

if TYPE_CHECKING:
    import keras_tuner as kt

_CHANGED = 0.3  # chance that one changes; PriorBand's 0.5 did no better in simulations
_DEVIATION = 0.25  # PriorBand's step, as a share of the range
_ENOUGH = 3  # successful trials before the best of them is followed
_TRIES = 100  # draws that are rejected before a random one is taken


class MixedTrials(NewTrials):
    """New trials: first the priors themselves, then a mix.

    The mix has random draws and draws near an anchor. An anchor is a prior that no
    result has beaten yet, or the best so far. Results after different epochs are not
    compared: the most epochs that enough trials have reached decide.

    Each choice is seeded by its trial's number and follows from the results so far.

    Args:
        problem: The search problem.
        random_share: The share of random draws among new trials, by how many came
            before. They are spread evenly.
    """

    def __init__(
        self, problem: SearchProblem, random_share: Callable[[int], float]
    ) -> None:
        super().__init__(problem, self._mixed())
        self._seed = derive_seed("oracle", problem.seed)
        self._share = random_share
        self._values: dict[int, Values] = {}
        self._scores: dict[int, dict[int, float]] = {}  # by epochs and trial

    def propose(self, recorded: Recorded | None = None) -> Proposal | None:
        """Return the next new trial, or None if there are no more."""
        proposal = super().propose(recorded)
        if proposal:
            self._values[proposal.trial] = proposal.values
        return proposal

    def tell(self, trial: int, score: float | None, epochs: int | None = None) -> None:
        """Report a score.

        Args:
            trial: The trial's number.
            score: Its objective value, or None if it failed.
            epochs: The epochs after which it had this score, if they are the fidelity.
        """
        reached = self._problem.epochs if epochs is None else epochs
        self._scores.setdefault(reached, {})[trial] = self._signed(score)

    def may_extend(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether more epochs may be proposed later: never."""
        return False

    def anchors(self) -> list[Values]:
        """Return the points to draw near: unbeaten priors and the best so far.

        A prior that cannot be trained here counts until there are results.
        """
        levels = [
            results
            for _, results in self._results()
            if sum(score > -math.inf for score, _ in results) >= _ENOUGH
        ]
        if not levels:
            return list(self._problem.priors)
        best = max(levels[0], key=lambda result: result[0])[1]
        anchors = [
            prior
            for prior in self._problem.priors
            if prior != best
            and not self._is_refused(prior)
            and not any(_is_beaten(prior, results) for results in levels)
        ]
        return [*anchors, best]

    def _is_refused(self, point: Values) -> bool:
        config = self._problem.space.config(point)
        return self._problem.screen.refusal(config) is not None

    def _results(self) -> list[tuple[int, list[tuple[float, Values]]]]:
        """List scores and points by epochs, most epochs first."""
        full, given = self._problem.epochs, self._problem.given
        results = {
            epochs: [(score, self._values[trial]) for trial, score in scores.items()]
            for epochs, scores in self._scores.items()
        }
        results.setdefault(full, []).extend(
            (self._signed(score), given[trial])
            for trial, score in self._problem.scores.items()
            if trial in given
        )
        return sorted(results.items(), key=lambda item: -item[0])

    def _signed(self, score: float | None) -> float:
        if score is None:
            return -math.inf
        return score if self._problem.higher_is_better else -score

    def _mixed(self) -> Iterator[Values]:
        while True:
            number = self.next_trial
            for point in self._candidates(number):
                yield point
                if self.next_trial != number:
                    break
            else:
                return  # all points of a small space were tried

    def _candidates(self, number: int) -> Iterator[Values]:
        """Yield points for one trial; the first that can be trained is taken."""
        declared = self._problem.declared
        yield from self._problem.priors
        seed = derive_seed(self._seed, number)
        anchors = self.anchors()
        if anchors and not self._is_random(number - self._problem.first_trial):
            rng = random.Random(seed)  # noqa: S311  a draw, no secret
            for _ in range(_TRIES):
                yield near(rng.choice(anchors), declared, rng)
        if can_be_listed(self._problem.points):
            yield from shuffled_points(declared, seed)
        else:
            yield from random_points(declared, seed)

    def _is_random(self, before: int) -> bool:
        share = self._share(before)
        return math.floor((before + 1) * share) > math.floor(before * share)


def _is_beaten(prior: Values, results: list[tuple[float, Values]]) -> bool:
    own = [score for score, point in results if point == prior]
    return bool(own) and max(own) < max(score for score, _ in results)


def near(point: Values, declared: kt.HyperParameters, rng: random.Random) -> Values:
    """Change some of a point's hyperparameters, at least one if any has two values.

    A number takes a normal step in its own scale, cut off at its range; any other
    hyperparameter takes one of its other values. What a change switches on is drawn at
    random, and what it switches off is left out.
    """
    active = [
        i
        for i, h in enumerate(declared.space)
        if all(c.is_active(point) for c in h.conditions)
    ]
    can_change = [i for i in active if len(set(declared.space[i].values)) > 1]
    if not can_change:
        return dict(point)
    changed = {i for i in can_change if rng.random() < _CHANGED}
    changed = changed or {rng.choice(can_change)}
    values: dict[str, Any] = {}
    for i, h in enumerate(declared.space):
        if not all(c.is_active(values) for c in h.conditions):
            continue
        if i in changed:
            values[h.name] = _stepped(h, point[h.name], rng)
        elif i in active:
            values[h.name] = point[h.name]
        else:
            values[h.name] = h.prob_to_value(rng.random())
    return values


def _stepped(hyperparameter: Any, value: Any, rng: random.Random) -> Any:
    """Return another value, for a number one nearby."""
    h = hyperparameter
    is_number = type(h).__name__ in {"Int", "Float"}
    if not is_number and not getattr(h, "ordered", False):
        return rng.choice([v for v in h.values if v != value])
    centre = h.value_to_prob(value)
    while True:
        share = rng.gauss(centre, _DEVIATION)
        if 0 <= share < 1 and not _equal(other := h.prob_to_value(share), value):
            return other


def _equal(one: Any, other: Any) -> bool:
    return math.isclose(one, other)  # steps accumulate rounding errors
