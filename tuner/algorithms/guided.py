"""Guided search: random draws, mixed with draws near configs that are known to be good.

It does what random search does where nothing is known. A prior, for example a known
recipe or a config from `--base` or `--enqueue`, and then the best trial so far draw the
other trials to them. A third of the trials stays random, so that a bad prior costs
little.
"""

from __future__ import annotations

from dataclasses import dataclass

from tuner.algorithms.base import Algorithm, Proposer, SearchProblem
from tuner.algorithms.nearby import MixedTrials

RANDOM_SHARE = 1 / 3


@dataclass(frozen=True, kw_only=True)
class GuidedSearch(Algorithm):
    """Mix random draws with draws near priors and near the best so far."""

    def proposer(self, problem: SearchProblem) -> Proposer:
        """Return a proposer that starts with the priors."""
        return MixedTrials(problem, lambda before: RANDOM_SHARE)  # noqa: ARG005


GUIDED = GuidedSearch(
    name="guided",
    label="guided search",
    help="mixes random draws with draws near known good configs",
    learns=True,
)
