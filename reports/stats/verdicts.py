"""Verdicts on differences in test accuracy, in words."""

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
    """A comparison as text for the page."""

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
    """Write what a difference shows about two networks or two configs."""
    difference = comparison.difference
    word = difference.word()
    if word == NO_VERDICT:
        return f"no verdict: needs {MIN_TRAININGS} runs of each config"
    if difference.trainings == 1:
        if word == INCONCLUSIVE:
            return f"{word}, even for these two networks"
        return f"{word}, for these two networks only"
    if word == INCONCLUSIVE:
        return f"{word}: {'; '.join(why_inconclusive(comparison))}"
    return word


def why_inconclusive(comparison: Comparison) -> tuple[str, str]:
    """Write why a difference is inconclusive, and how many seeds would settle it.

    If no number of seeds would settle it on these images, no difference is seen;
    otherwise there are too few seeds.

    An inconclusive difference may be far smaller than it looks. Its interval cannot say
    how many seeds it needs: it contains 0, which needs the most. So the text gives the
    number for two sizes, and promises neither.
    """
    difference = comparison.difference._replace(level=comparison.next_level)
    needed = difference.trainings_to_settle()
    if math.isnan(needed):
        smallest = difference.smallest_settled()
        never = (
            f"no number of seeds can settle less than {labels.points(smallest)} "
            "between these two on these images"
        )
        if (difference.high - difference.low) / 2 > smallest:  # it may be far larger
            return _TOO_FEW, f"more seeds narrow the interval, but {never}"
        return "no difference seen", never
    if needed <= difference.trainings:
        return _TOO_FEW, "a few more may settle it"
    if abs(difference.value) < MARGIN / 2:
        small = "show that it is too small to matter, if it is as small as it looks"
        return _TOO_FEW, f"{_about(needed)} would {small}"
    half = difference._replace(value=difference.value / 2).trainings_to_settle()
    return _TOO_FEW, (
        f"{_about(needed)} would settle it if it is as large as it looks, "
        f"{_about(half)} if it is half as large"
    )


def _about(seeds: float) -> str:
    if math.isnan(seeds):
        return "no number"
    return "more than 200" if math.isinf(seeds) else f"about {seeds:.0f}"


def levels_of(comparisons: tuple[Comparison, ...]) -> list[str]:
    """Write the distinct confidences of their intervals."""
    levels = sorted({c.difference.level for c in comparisons})
    return [labels.level(level) for level in levels]


def note(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> str:
    """Explain the intervals and the words of the verdicts."""
    m = len(study.candidates) - 1 if study.candidates else len(comparisons)
    levels = labels.listing(levels_of(comparisons))
    level = f"{levels} intervals"
    if m > 1:
        level = f"95 % intervals that hold together for all {m} (each {levels})"
    parts = [
        f"Differences in test accuracy, in points, image by image, with {level}.",
        f"Too small to matter: the interval is within {labels.points(MARGIN)} of 0.",
        "Inconclusive: the interval contains 0.",
    ]
    fewest = min(c.difference.trainings for c in comparisons)
    if fewest == 1:
        parts.append(
            "One run each compares two networks: other runs of the same two configs "
            "would differ by other amounts."
        )
    if any("no number" in verdict(c) for c in comparisons):
        parts.append(
            "The difference that no number of seeds can settle follows from how often "
            "the two disagree on these images, at their interval's confidence."
        )
    if any(c.difference.trainings == 2 for c in comparisons):
        parts.append(
            "Two runs say almost nothing about their spread: their interval is very "
            "wide, up to the possible 100 points, and gives no verdict."
        )
    if study.candidates:
        parts.append(
            "Seed i draws its own split of the training images, the same for every "
            "config, and the runs of seed i are compared as a pair. Each look at more "
            "seeds spends half of what remains of the 5 % error rate; seeds count once "
            "a look is complete."
        )
    elif any(c.difference.is_paired for c in comparisons):
        parts.append(
            "Paired runs share a seed, and the longer one starts with the same epochs "
            "as the shorter; they are compared one by one."
        )
    return " ".join(parts)


def _trainings(difference: Difference) -> str:
    paired = " pairs" if difference.is_paired and difference.trainings > 1 else ""
    paired = " pair" if difference.is_paired and difference.trainings == 1 else paired
    return f"{difference.trainings}{paired}"
