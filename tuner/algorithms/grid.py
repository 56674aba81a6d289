"""Grid search: every point of a finite space, in declared order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.space import describe, enumerate_points
from tuner.algorithms.base import Algorithm, Proposer, SearchProblem
from tuner.algorithms.points import can_be_listed, listed

if TYPE_CHECKING:
    import keras_tuner as kt


@dataclass(frozen=True, kw_only=True)
class GridSearch(Algorithm):
    """Try all combinations; the last hyperparameter changes first."""

    def refusal(
        self, declared: kt.HyperParameters, points: int | None, max_trials: int | None
    ) -> str | None:
        """Refuse a continuous space, and one with too many points to finish."""
        continuous = [
            row["name"] for row in describe(declared) if row.get("step", 0) is None
        ]
        if continuous:
            return (
                "A grid needs hyperparameters with finitely many values, got "
                f"{', '.join(continuous)} without a step. Use --algorithm random, or a "
                "space of your own that gives each a step."
            )
        if points and not can_be_listed(points) and not max_trials:
            return (
                f"The grid has {points:,} points, which would take very long. Set "
                "--max-trials to train only the first ones, or use --algorithm random."
            )
        return None

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that starts at the first point."""
        return listed(problem, enumerate_points(problem.declared))


GRID = GridSearch(
    name="grid",
    label="grid",
    help="trains every point of a finite space in order",
    default_trials=None,
)
