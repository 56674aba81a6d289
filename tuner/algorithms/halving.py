"""Successive halving: one bracket of Hyperband, filled from the mix.

All configs are trained a little, the best third of them three times as long, and so on:
the right bracket if a few epochs rank well, which is what Hyperband's other brackets
insure against. Sources: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification
and Hyperparameter Optimization", AISTATS 2016; Egele et al., "Is One Epoch All You Need
For Multi-Fidelity Hyperparameter Optimization?", ESANN 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tuner.algorithms.base import Rung, Schedule
from tuner.algorithms.hyperband import FACTOR, HYPERBAND, check_epochs, scheduled
from tuner.algorithms.priorband import PriorBand

_SURVIVORS = 2  # at least, on the last rung


@dataclass(frozen=True, kw_only=True)
class Halving(PriorBand):
    """Train all configs a little, and the best of them longer."""

    def schedule(
        self, trials: int, epochs: int, options: Mapping[str, int]
    ) -> Schedule:
        """Plan one bracket with a rung for every third of the epochs and configs.

        Args:
            trials: Configs to propose.
            epochs: Epochs of the last rung.
            options: `min_epochs` of the first rung, and `audit`.

        Raises:
            AlgorithmError: The first rung would have more epochs than the last.
        """
        fewest = options.get("min_epochs", 1)
        check_epochs(fewest, epochs)
        by_epochs = math.log(epochs / fewest, FACTOR)
        by_trials = math.log(max(1.0, trials / _SURVIVORS), FACTOR)
        halvings = int(min(by_epochs, by_trials) + 1e-9)
        rungs = tuple(
            Rung(
                math.ceil(trials / FACTOR**rung),
                math.ceil(epochs / FACTOR ** (halvings - rung)),
            )
            for rung in range(halvings + 1)
        )
        planned = scheduled([rungs])
        audited = options.get("audit", 0) * epochs
        return replace(planned, epochs=planned.epochs + audited)


HALVING = Halving(
    name="halving",
    label="successive halving",
    help="trains all configs a little and the best of them longer",
    default_trials=27,
    default_epochs=9,
    learns=True,
    sets_epochs=True,
    can_grow=False,
    options=HYPERBAND.options,
)
