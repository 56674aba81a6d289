"""Bayesian search: a Gaussian process predicts scores, and chooses the next config.

The bound and its constants are those of KerasTuner's BayesianOptimizationOracle
(Srinivas et al., "Gaussian Process Optimization in the Bandit Setting", ICML 2010). We
do not use that oracle: its kernel has no noise term, it optimizes the bound from 50
points with numerical gradients, which takes seconds and often returns a point that was
tried before, and it writes its own files.
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

RANDOM_FIRST = 5  # random trials before the model proposes
_CANDIDATES = 1000  # points to choose a proposal from
_EXPLORATION = 2.6  # KerasTuner's beta: standard deviations below the mean
_JITTER = 1e-4  # KerasTuner's alpha, on the diagonal of the kernel matrix


@dataclass(frozen=True, kw_only=True)
class BayesianSearch(Algorithm):
    """Learn from every result which configs look promising."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that starts with random draws."""
        return GaussianProcessProposer(problem)


BAYESIAN = BayesianSearch(
    name="bayesian",
    label="Bayesian search",
    help="predicts scores and tries the most promising config",
    learns=True,
)


class _Candidate(NamedTuple):
    point: Values
    config: Config
    vector: list[float]


class GaussianProcessProposer:
    """Propose random points first, then the lowest bound of a Gaussian process.

    It chooses among many points that can be trained; in a small space, among all. Each
    proposal is seeded by its number, so it depends only on the results so far. Failed
    trials are not given to the model, since an extreme score would distort it.
    """

    def __init__(self, problem: SearchProblem) -> None:
        self._problem = problem
        self._seed = derive_seed("oracle", problem.seed)
        # KerasTuner draws 3 per hyperparameter, which is more than most searches have.
        self._random_first = min(RANDOM_FIRST, 3 * len(problem.declared.space))
        self._new = NewTrials(problem, self._points())
        self._running: dict[int, Values] = {}
        self._done: list[tuple[Values, float]] = []  # with the score to minimize

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Return the next trial."""
        proposal = self._new.propose(recorded)
        if proposal:
            self._running[proposal.trial] = proposal.values
        return proposal

    def tell(self, trial: int, score: float | None) -> None:
        """Add a result to the training set."""
        values = self._running.pop(trial)
        if score is not None:
            sign = -1 if self._problem.higher_is_better else 1
            self._done.append((values, sign * score))

    def may_extend(self, config: Mapping[str, Any]) -> bool:  # noqa: ARG002
        """Whether more epochs may be proposed later: never."""
        return False

    def _points(self) -> Iterator[Values]:
        """Yield the best point so far, each time one is asked for."""
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
        # Threads slow such small matrices down, and the workers need the cores.
        with threadpool_limits(1):
            model = self._fitted(*self._training_set())
            mean, deviation = model.predict(vectors, return_std=True)
        return candidates[int(np.argmin(mean - _EXPLORATION * deviation))].point

    def _candidates(self) -> Iterator[_Candidate]:
        """Yield points that can be trained and are new; all points of a small space."""
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
        """Return points, shape (trials, hyperparameters), and scores to minimize.

        A running trial counts with its predicted score, so that the next proposal is
        another point.
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

        # Without a noise term, a few close points with unequal scores shrink the
        # kernel's length scale until it predicts nothing.
        kernel = Matern(nu=2.5, length_scale_bounds=(0.1, 10.0))
        model = GaussianProcessRegressor(
            kernel=kernel + WhiteKernel(0.1, (1e-3, 1.0)),
            n_restarts_optimizer=5,
            normalize_y=True,
            alpha=_JITTER,
            random_state=self._seed,
        )
        with warnings.catch_warnings():
            # It warns if the length scale ends at its bound, which does not matter.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(x, y)


def _vector(declared: kt.HyperParameters, point: Values) -> list[float]:
    """Map a point to the unit cube; an inactive hyperparameter gets its default."""
    return [
        h.value_to_prob(
            point[h.name]
            if all(c.is_active(point) for c in h.conditions)
            else h.default
        )
        for h in declared.space
    ]
