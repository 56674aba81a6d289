"""What the seeds of one config say, in words: what `tune noise` measured."""

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
    """Give the first words of a noise page."""
    if noise is None:
        return Verdict("Fewer than three seeds have ended: no spread to speak of.", ())
    once, six = (best_of_nulls(n, noise.seeds - 1)[1] * noise.sd for n in (1, 6))
    sd = (
        f"Test accuracy has a standard deviation of {100 * noise.sd:.2f} points "
        f"between {noise.seeds} seeds (95 % interval {100 * noise.low:.2f} to "
        f"{100 * noise.high:.2f}), each with its own split."
    )
    return Verdict(
        f"A change of no effect, trained once, gains up to {labels.points(once)} "
        f"here, and the best of six up to {labels.points(six)}, in 19 of 20 tries.",
        (sd,),
    )


def rows(noise: Noise) -> list[tuple[str, str, str]]:
    """List, for some numbers of changes, what the best of them shows by luck."""
    table = []
    for n in CHANGES:
        mean, high = best_of_nulls(n, noise.seeds - 1)
        table.append((str(n), labels.gap(noise.sd * mean), labels.gap(noise.sd * high)))
    return table


def sentences(noise: Noise) -> list[str]:
    """Say what the spread means for who compares configs here."""
    if not noise.sd > 0:
        return ["All seeds scored alike, so no spread can be told from these."]
    needed = [
        f"{_seeds(seeds_needed(effect, noise.sd))} for {labels.points(effect)}"
        for effect in EFFECTS
    ]
    power = (
        f"To show a change needs {labels.listing(needed)} (80 % power, these test "
        "images taken as fixed)."
    )
    if not np.isfinite(noise.disagreement):
        return [power]
    limit = (
        f"Two trainings disagree on {labels.percent(noise.disagreement)} of the "
        f"{labels.count(noise.images)} test images. A change that moves as many, "
        f"and by less than {labels.points(floor(noise))} in all, cannot be shown "
        "on them by any number of seeds (80 % power, one comparison at 95 %); one "
        "that moves others has a limit of its own."
    )
    return [power, limit]


def lines(noise: Noise | None) -> list[str]:
    """Write it for the terminal."""
    lead, support = verdict(noise)
    if noise is None:
        return [lead]
    table = [
        f"  the best of {n:>2} without effect gains {mean} on average, "
        f"up to {high} in 19 of 20"
        for n, mean, high in rows(noise)
    ]
    return [lead, *support, *table, *sentences(noise)]


def _seeds(number: float) -> str:
    return "over 10,000 seeds each" if math.isinf(number) else f"{number} seeds each"
