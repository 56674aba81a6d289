"""Sentences and tables about what `tune noise` measured."""

from __future__ import annotations

import math

import numpy as np

from reports.pages.findings import Verdict
from reports.read import labels
from reports.stats.noise import (
    CHANGES,
    EFFECTS,
    Noise,
    best_of_nulls,
    floor,
    seeds_needed,
)


def verdict(noise: Noise | None) -> Verdict:
    """Write the first sentences of a noise report."""
    if noise is None:
        return Verdict(
            "Fewer than three seeds have finished: too few for a spread.", ()
        )
    single, of_six = (best_of_nulls(n, noise.seeds - 1)[1] * noise.sd for n in (1, 6))
    sd = (
        f"Test accuracy has a standard deviation of {100 * noise.sd:.2f} points "
        f"between {noise.seeds} seeds (95 % interval {100 * noise.low:.2f} to "
        f"{100 * noise.high:.2f}), each with its own split."
    )
    return Verdict(
        f"A change without effect, trained once, gains up to {labels.points(single)} "
        f"here in 19 of 20 tries. The best of six such changes gains up to "
        f"{labels.points(of_six)}.",
        (sd,),
    )


def rows(noise: Noise) -> list[tuple[str, str, str]]:
    """List how much the best of 1, 2, ... changes without effect gains by luck."""
    table = []
    for n in CHANGES:
        mean, high = best_of_nulls(n, noise.seeds - 1)
        table.append((str(n), labels.gap(noise.sd * mean), labels.gap(noise.sd * high)))
    return table


def sentences(noise: Noise) -> list[str]:
    """Say how many seeds it takes to show a change, and what no number can show."""
    if not noise.sd > 0:
        return ["All seeds had the same score, so these show no spread."]
    needed = [
        f"{_seeds(seeds_needed(effect, noise.sd))} for {labels.points(effect)}"
        for effect in EFFECTS
    ]
    power = (
        f"Seeds needed to show a change: {labels.listing(needed)} (80 % power, these "
        "test images taken as fixed)."
    )
    if not np.isfinite(noise.disagreement):
        return [power]
    limit = (
        f"Two runs disagree on {labels.percent(noise.disagreement)} of the "
        f"{labels.count(noise.images)} test images. If a change affects as many "
        f"images and shifts accuracy by less than {labels.points(floor(noise))}, no "
        "number of seeds can show it on these images (80 % power, one comparison at "
        "95 %). A change that affects more or fewer images has its own limit."
    )
    return [power, limit]


def lines(noise: Noise | None) -> list[str]:
    """Write the same for the terminal."""
    lead, support = verdict(noise)
    if noise is None:
        return [lead]
    table = [
        f"  best of {n:>2} without effect: {mean} on average, up to {high} in 19 of "
        "20 tries"
        for n, mean, high in rows(noise)
    ]
    return [lead, *support, *table, *sentences(noise)]


def _seeds(number: float) -> str:
    return "over 10,000 each" if math.isinf(number) else f"{number} each"
