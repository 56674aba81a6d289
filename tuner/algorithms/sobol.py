"""Quasi-random search: a Sobol' sequence covers a space more evenly than chance.

Random draws leave gaps and clusters. Each point of the sequence falls into a gap that
the earlier points left, for every single hyperparameter and for pairs of them. The
sequence is scrambled, so that the seed chooses one of many equally even ones.

The points depend on each other, so the formula for the expected best of fewer trials,
which assumes independent draws, does not apply.

Sources: I. M. Sobol', "On the distribution of points in a cube", USSR Computational
Mathematics and Mathematical Physics 1967; A. B. Owen, "Randomly permuted
(t,m,s)-nets and (t,s)-sequences", 1995, for the scrambling; for its use in search,
Bergstra and Bengio, JMLR 2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuner.algorithms.base import Algorithm, Proposer, SearchProblem, Values
from tuner.algorithms.points import PointProposer
from tuner.system.seeds import derive_seed

if TYPE_CHECKING:
    import keras_tuner as kt

_BLOCK = 64  # points at a time; the sequence is balanced over powers of 2


@dataclass(frozen=True, kw_only=True)
class SobolSearch(Algorithm):
    """Follow one scrambled sequence; the next point replaces a rejected one."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that starts at the first point."""
        seed = derive_seed("oracle", problem.seed)
        return PointProposer(problem, sobol_points(problem.declared, seed))


SOBOL = SobolSearch(
    name="sobol",
    label="quasi-random search",
    help="covers the space more evenly than random draws",
)


def sobol_points(declared: kt.HyperParameters, seed: int) -> Iterator[Values]:
    """Map a scrambled Sobol' sequence to points of a space, without end.

    Every hyperparameter has its own dimension, whether it is active or not, so that the
    value of one never shifts another.
    """
    from scipy.stats import qmc

    sequence = qmc.Sobol(len(declared.space), scramble=True, rng=seed)
    while True:
        for shares in sequence.random(_BLOCK).tolist():
            point: dict[str, Any] = {}
            for h, share in zip(declared.space, shares, strict=True):
                if all(c.is_active(point) for c in h.conditions):
                    point[h.name] = h.prob_to_value(share)
            yield point
