"""What differences of test accuracy show, in words: of two networks, or two configs."""

from __future__ import annotations

import math
from typing import NamedTuple

from reports.read import labels, trial_names
from reports.read.study import StudyFrames
from reports.stats.comparisons import Comparison
from reports.stats.differences import (
    INCONCLUSIVE,
    MARGIN,
    MIN_TRAININGS,
    NO_VERDICT,
    Difference,
)

_TOO_FEW = "too few seeds"


class Row(NamedTuple):
    """A comparison as the page writes it."""

    who: str
    against: str
    difference: str
    interval: str
    trainings: str
    verdict: str


def rows(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> list[Row]:
    """Write comparisons for the page."""
    trials = study.trials.set_index("trial", drop=False)
    names = trial_names.in_table(study, trials)
    return [
        Row(
            names[comparison.trial],
            names[comparison.other],
            labels.gap(comparison.difference.value),
            f"{labels.gap(comparison.difference.low)} to "
            f"{labels.gap(comparison.difference.high)}",
            _trainings(comparison.difference),
            verdict(comparison),
        )
        for comparison in comparisons
    ]


def verdict(comparison: Comparison) -> str:
    """Say what a difference shows, and of what: two networks, or two configs."""
    difference = comparison.difference
    word = difference.word()
    if word == NO_VERDICT:
        return f"no verdict: {MIN_TRAININGS} trainings of each are needed"
    if difference.trainings == 1:
        even = (
            "even of these two networks" if word == INCONCLUSIVE else "as two networks"
        )
        return f"{word}, {even}"
    if word == INCONCLUSIVE:
        return f"{word}: {'; '.join(why_inconclusive(comparison))}"
    return word


def why_inconclusive(comparison: Comparison) -> tuple[str, str]:
    """Say why a difference is inconclusive, and how many seeds would settle it.

    No difference is to be seen where no number of seeds would settle it on these
    images; else there are too few seeds.

    What is inconclusive may be far smaller than it looks. Its own interval would not
    say by how much in a few words: it holds 0, which takes the most seeds of all. So
    the number is said of two sizes, and promised of neither.
    """
    difference = comparison.difference._replace(level=comparison.next_level)
    wanted = difference.trainings_to_settle()
    if math.isnan(wanted):
        smallest = difference.smallest_settled()
        few = f"less than {labels.points(smallest)} between these two"
        settles = f"settles {few} on these images"
        if (difference.high - difference.low) / 2 > smallest:  # it may be far larger
            return _TOO_FEW, f"more seeds narrow it, though no number {settles}"
        return "no difference seen", f"no number of seeds {settles}"
    if wanted <= difference.trainings:
        return _TOO_FEW, "a few more may settle it"
    if abs(difference.value) < MARGIN / 2:
        little = "show it too small to matter if it is as small as it looks"
        return _TOO_FEW, f"{_about(wanted)} would {little}"
    half = difference._replace(value=difference.value / 2).trainings_to_settle()
    return _TOO_FEW, (
        f"{_about(wanted)} would settle it if it is as large as it looks, "
        f"{_about(half)} if half as large"
    )


def _about(seeds: float) -> str:
    if math.isnan(seeds):
        return "no number"
    return "more than 200" if math.isinf(seeds) else f"about {seeds:.0f}"


def levels_of(comparisons: tuple[Comparison, ...]) -> list[str]:
    """Write their intervals' confidences, with the digits that tell them apart."""
    levels = sorted({c.difference.level for c in comparisons})
    return [labels.level(level) for level in levels]


def note(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> str:
    """Say how the intervals were made and what the words mean."""
    m = len(study.candidates) - 1 if study.candidates else len(comparisons)
    levels = labels.listing(levels_of(comparisons))
    level = f"{levels} intervals"
    if m > 1:
        level = f"95 % intervals, which hold together for all {m} (each {levels})"
    parts = [
        f"Differences of test accuracy in points, image by image, with {level}.",
        f"Too small to matter: all within {labels.points(MARGIN)} either way.",
        "Inconclusive: 0 is in the interval.",
    ]
    fewest = min(c.difference.trainings for c in comparisons)
    if fewest == 1:
        parts.append(
            "One training each compares two networks: other trainings of the same "
            "two configs differ otherwise."
        )
    if any("no number" in verdict(c) for c in comparisons):
        parts.append(
            "What no number of seeds settles follows from how often the two compared "
            "disagree on these images, at their interval's confidence."
        )
    if any(c.difference.trainings == 2 for c in comparisons):
        parts.append(
            "Two trainings say next to nothing about their spread: such an interval "
            "is very wide, up to the 100 points that are possible, and gives no "
            "verdict."
        )
    if study.candidates:
        parts.append(
            "Seed i draws its own split of the training images, the same for every "
            "config, and trainings i are compared as a pair. Every look at more seeds "
            "spends half of what is left of the 5 % error rate; seeds count once a "
            "look is complete."
        )
    elif any(c.difference.is_paired for c in comparisons):
        parts.append(
            "Paired trainings have a seed in common, the longer going the way of the "
            "shorter, and are compared one by one."
        )
    return " ".join(parts)


def _trainings(difference: Difference) -> str:
    paired = " pairs" if difference.is_paired and difference.trainings > 1 else ""
    paired = " pair" if difference.is_paired and difference.trainings == 1 else paired
    return f"{difference.trainings}{paired}"
