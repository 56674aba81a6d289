"""PriorBand: Hyperband whose new configs are drawn near known good ones too.

Source: Mallik et al., "PriorBand: Practical Hyperparameter Optimization in the Age of
Deep Learning", NeurIPS 2023. Its share of random draws falls with the epochs of a
bracket's first rung, from one half in the first bracket.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from tuner.algorithms.base import Proposer, Schedule, SearchProblem
from tuner.algorithms.hyperband import (
    FACTOR,
    HYPERBAND,
    Hyperband,
    HyperbandProposer,
)
from tuner.algorithms.nearby import MixedTrials


@dataclass(frozen=True, kw_only=True)
class PriorBand(Hyperband):
    """Hyperband with another source of new configs."""

    def fill(self, problem: SearchProblem, planned: Schedule) -> Proposer:
        """Return a proposer that starts with the priors."""
        return PriorBandProposer(problem, planned)


PRIORBAND = PriorBand(
    name="priorband",
    label="PriorBand",
    help="is hyperband with draws near known good configs",
    default_trials=None,
    default_epochs=HYPERBAND.default_epochs,
    learns=True,
    sets_epochs=True,
    can_grow=False,
    options=HYPERBAND.options,
)


class PriorBandProposer(HyperbandProposer):
    """Fill first rungs from the mix, and report every rung's scores to it."""

    def __init__(self, problem: SearchProblem, schedule: Schedule) -> None:
        ends = list(accumulate(rungs[0].configs for rungs in schedule.brackets))
        self._mix = MixedTrials(
            problem, lambda before: 1 / (1 + FACTOR ** bisect_right(ends, before))
        )
        super().__init__(problem, schedule, self._mix)

    def tell(self, trial: int, score: float | None) -> None:
        """Store a trial's score in its rung, and in the mix."""
        self._mix.tell(trial, score, self._last[trial].config.epochs)
        super().tell(trial, score)
