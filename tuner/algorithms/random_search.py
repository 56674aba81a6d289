"""Random search: independent draws, a good start if little is known.

Source: Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization", JMLR
2012. KerasTuner's RandomSearchOracle does the same. We draw ourselves, because the loop
is shorter than the overrides that its oracle needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from search_spaces.space import shuffled_points
from tuner.algorithms.base import Algorithm, Proposer, SearchProblem
from tuner.algorithms.points import (
    PointProposer,
    can_be_listed,
    listed,
    random_points,
)
from tuner.system.seeds import derive_seed


@dataclass(frozen=True, kw_only=True)
class RandomSearch(Algorithm):
    """Draw every config independently; shuffle the points of a small space instead."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that ignores results."""
        seed = derive_seed("oracle", problem.seed)
        if can_be_listed(problem.points):
            return listed(problem, shuffled_points(problem.declared, seed))
        return PointProposer(problem, random_points(problem.declared, seed))


RANDOM = RandomSearch(
    name="random",
    label="random search",
    help="draws every config independently",
    draws_at_random=True,
)
