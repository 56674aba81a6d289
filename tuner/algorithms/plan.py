"""Hyperband's plan: how many configs each rung trains, and how far.

Brackets trade the number of configs against the epochs each gets at first
(Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter
Optimization"); the sizes are those of KerasTuner's oracle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FACTOR = 3


@dataclass(frozen=True)
class Rung:
    """A bracket's round: so many configs reach so many epochs in all."""

    configs: int
    epochs: int


@dataclass(frozen=True)
class Plan:
    """Every bracket's rungs, most configs first.

    Attributes:
        brackets: Each a tuple of rungs, fewest epochs first.
    """

    brackets: tuple[tuple[Rung, ...], ...]

    @property
    def configs(self) -> int:
        """How many distinct configs are proposed."""
        return sum(rungs[0].configs for rungs in self.brackets)

    @property
    def trainings(self) -> int:
        """How many trainings run, each promotion one."""
        return sum(rung.configs for rungs in self.brackets for rung in rungs)

    @property
    def epochs(self) -> int:
        """How many epochs are trained; a promotion adds only what it lacks."""
        total = 0
        for rungs in self.brackets:
            reached = 0
            for rung in rungs:
                total += rung.configs * (rung.epochs - reached)
                reached = rung.epochs
        return total

    def to_tuples(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Give brackets as rungs of (configs, epochs), for a record."""
        return tuple(
            tuple((rung.configs, rung.epochs) for rung in rungs)
            for rungs in self.brackets
        )


def plan(max_epochs: int, min_epochs: int = 1, max_configs: int | None = None) -> Plan:
    """Plan one iteration of Hyperband.

    Args:
        max_epochs: Epochs of every last rung, at least 1.
        min_epochs: Epochs that the first rung has at least, 1 to `max_epochs`.
        max_configs: Distinct configs to propose at most; where the brackets want
            more, they share it in proportion, and what gets none drops out.

    Raises:
        ValueError: `min_epochs` or `max_configs` is out of its range.
    """
    if not 1 <= min_epochs <= max_epochs:
        raise ValueError(
            f"The first rung's epochs must be from 1 to {max_epochs}, the last "
            f"rung's, got {min_epochs}. Lower --min-epochs or raise --epochs."
        )
    if max_configs is not None and max_configs < 1:
        raise ValueError(
            f"Hyperband needs at least 1 config, got {max_configs}. Raise --max-trials."
        )
    halvings = range(int(math.log(max_epochs / min_epochs, FACTOR) + 1e-9), -1, -1)
    full = Plan(tuple(_bracket(max_epochs, h) for h in halvings))
    if max_configs is None or max_configs >= full.configs:
        return full
    shares = _share([rungs[0].configs for rungs in full.brackets], max_configs)
    return Plan(
        tuple(
            tuple(
                Rung(max(1, round(r.configs * share / rungs[0].configs)), r.epochs)
                for r in rungs
            )
            for rungs, share in zip(full.brackets, shares, strict=True)
            if share
        )
    )


def _bracket(max_epochs: int, halvings: int) -> tuple[Rung, ...]:
    # KerasTuner's sizes: every bracket gets about the same epochs.
    ends = math.ceil(1 + math.log(max_epochs, FACTOR)) / (halvings + 1)
    return tuple(
        Rung(
            math.ceil(ends * FACTOR ** (halvings - i)),
            math.ceil(max_epochs / FACTOR ** (halvings - i)),
        )
        for i in range(halvings + 1)
    )


def _share(wanted: list[int], available: int) -> list[int]:
    """Share whole configs in proportion, the largest remainders rounded up."""
    exact = [w * available / sum(wanted) for w in wanted]
    shares = [int(e) for e in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: shares[i] - exact[i])
    for i in by_remainder[: available - sum(shares)]:
        shares[i] += 1
    return shares
