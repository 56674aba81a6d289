"""Bayesian search: a Gaussian process predicts scores, and the most promising is next.

The bound and its constants are those of KerasTuner's BayesianOptimizationOracle
(Srinivas et al., "Gaussian Process Optimization in the Bandit Setting", ICML 2010).
The oracle itself is not used: its kernel knows no noise, it climbs its bound from 50
points with numerical gradients, which takes seconds and often ends on a point that was
tried, and it keeps files of its own. What was left of it was the formula.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from search_spaces.space import enumerate_points
from search_spaces.user_code import Config
from tuner.algorithms.base import (
    Algorithm,
    Proposal,
    Proposer,
    Recorded,
    SearchProblem,
    Values,
    Wait,
)
from tuner.algorithms.points import MOST_DRAWS, NewTrials, random_points
from tuner.system.seeds import derive_seed

if TYPE_CHECKING:
    import keras_tuner as kt
    import numpy as np
    from sklearn.gaussian_process import GaussianProcessRegressor

RANDOM_FIRST = 5  # trials that are drawn before the model proposes
_CANDIDATES = 1000  # points that a proposal is chosen from
_EXPLORATION = 2.6  # KerasTuner's beta: standard deviations below the mean
_JITTER = 1e-4  # KerasTuner's alpha, on the diagonal of the kernel matrix


@dataclass(frozen=True, kw_only=True)
class BayesianSearch(Algorithm):
    """Learn from every result which configs are promising."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Begin with random draws."""
        return GaussianProcessProposer(problem)


BAYESIAN = BayesianSearch(
    name="bayesian",
    label="Bayesian search",
    help="models the scores and tries what promises most",
    learns=True,
)


class _Candidate(NamedTuple):
    point: Values
    config: Config
    vector: list[float]


class GaussianProcessProposer:
    """Propose random points first, then the lowest bound of a Gaussian process.

    It chooses among many points that can be trained; in a small space, among all. Each
    proposal is seeded by its number, so that it follows from the results that were
    known and from nothing else. The model never learns of a failure, whose score would
    bend it.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self._problem = problem
        self._seed = derive_seed("oracle", problem.seed)
        # KerasTuner's three a hyperparameter would be more than most searches.
        self._random_first = min(RANDOM_FIRST, 3 * len(problem.declared.space))
        self._new = NewTrials(problem, self._points())
        self._running: dict[int, Values] = {}
        self._done: list[tuple[Values, float]] = []  # and what to minimize

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Give the next trial."""
        proposal = self._new.propose(recorded)
        if proposal:
            self._running[proposal.trial] = proposal.values
        return proposal

    def tell(self, trial: int, score: float | None) -> None:
        """Learn from a result."""
        values = self._running.pop(trial)
        if score is not None:
            sign = -1 if self._problem.higher_is_better else 1
            self._done.append((values, sign * score))

    def may_extend(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether more epochs may be proposed later: never."""
        return False

    def _points(self) -> Iterator[Values]:
        """Give what is best as each is asked for, until all points are tried."""
        draws = random_points(self._problem.declared, self._seed)
        while True:
            if len(self._done) < self._random_first:
                yield next(draws)
            elif (best := self._most_promising()) is not None:
                yield best
            else:
                return

    def _most_promising(self) -> Values | None:
        import numpy as np
        from threadpoolctl import threadpool_limits

        candidates = list(islice(self._candidates(), _CANDIDATES))
        if not candidates:
            return None
        vectors = np.array([candidate.vector for candidate in candidates])
        # Threads cost more than such small matrices, and the workers need them.
        with threadpool_limits(1):
            model = self._fitted(*self._training_set())
            mean, deviation = model.predict(vectors, return_std=True)
        return candidates[int(np.argmin(mean - _EXPLORATION * deviation))].point

    def _candidates(self) -> Iterator[_Candidate]:
        """Give points that can be trained and were not; all of a small space's."""
        size = self._problem.points
        if size is not None and size <= _CANDIDATES:
            candidates: Iterator[_Candidate] = iter(self._every_candidate)
        else:
            seed = derive_seed(self._seed, self._new.next_trial, "candidates")
            draws = random_points(self._problem.declared, seed)
            candidates = map(self._candidate, islice(draws, MOST_DRAWS))
        return (c for c in candidates if self._problem.screen.would_admit(c.config))

    @cached_property
    def _every_candidate(self) -> list[_Candidate]:
        return list(map(self._candidate, enumerate_points(self._problem.declared)))

    def _candidate(self, point: Values) -> _Candidate:
        config = self._problem.space.config(point)
        return _Candidate(point, config, _vector(self._problem.declared, point))

    def _training_set(self) -> tuple[np.ndarray, np.ndarray]:
        """Give points, shape (trials, hyperparameters), and scores to minimize.

        A running trial counts with what the finished ones predict for it, so that
        the next proposal goes elsewhere.
        """
        import numpy as np

        declared = self._problem.declared
        x = np.array([_vector(declared, values) for values, _ in self._done])
        y = np.array([score for _, score in self._done])
        if self._running:
            running = [_vector(declared, values) for values in self._running.values()]
            predicted = self._fitted(x, y).predict(np.array(running))
            x, y = np.vstack([x, running]), np.append(y, predicted)
        return x, y

    def _fitted(self, x: np.ndarray, y: np.ndarray) -> GaussianProcessRegressor:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        # Without noise, a few close points with unequal scores would shrink the
        # kernel's length to nothing, and then it predicts nothing.
        kernel = Matern(nu=2.5, length_scale_bounds=(0.1, 10.0))
        model = GaussianProcessRegressor(
            kernel=kernel + WhiteKernel(0.1, (1e-3, 1.0)),
            n_restarts_optimizer=5,
            normalize_y=True,
            alpha=_JITTER,
            random_state=self._seed,
        )
        with warnings.catch_warnings():
            # A kernel's length at its bound is no news to a user.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(x, y)


def _vector(declared: kt.HyperParameters, point: Values) -> list[float]:
    """Place a point in the unit cube; what is inactive is at its default."""
    return [
        h.value_to_prob(
            point[h.name]
            if all(c.is_active(point) for c in h.conditions)
            else h.default
        )
        for h in declared.space
    ]
