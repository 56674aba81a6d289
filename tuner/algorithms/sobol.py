"""Quasi-random search: a Sobol' sequence, which covers a space more evenly than chance.

Random draws leave gaps and clusters; each point of the sequence falls where the ones
before left room, in every hyperparameter by itself and in pairs of them. The sequence
is scrambled at random, so that the seed chooses one of many that are as even.

Its points depend on one another. So the expected best of fewer trials, a formula for
independent draws, does not hold for it.

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

_BLOCK = 64  # points at a time: a power of 2, as the sequence is balanced in such


@dataclass(frozen=True, kw_only=True)
class SobolSearch(Algorithm):
    """Go through one scrambled sequence; a rejected point is replaced by the next."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Begin at the sequence's first point."""
        seed = derive_seed("oracle", problem.seed)
        return PointProposer(problem, sobol_points(problem.declared, seed))


SOBOL = SobolSearch(
    name="sobol",
    label="quasi-random search",
    help="covers the space more evenly than random draws",
)


def sobol_points(declared: kt.HyperParameters, seed: int) -> Iterator[Values]:
    """Map a scrambled Sobol' sequence to points of a space, without end.

    Each hyperparameter has a dimension, also where its conditions do not hold: what
    another one chose shifts nothing.
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
