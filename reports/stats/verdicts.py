"""What differences of test accuracy show, in words: of two networks, or two configs."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import pandas as pd

from reports.figures import views
from reports.read import labels
from reports.read.study import Study
from reports.stats.differences import MARGIN, MIN_TRAININGS, Difference
from reports.stats.pairs import Contrast

_REACH = 4  # of an axis, in medians of how far the intervals go


class Row(NamedTuple):
    """A contrast as the page writes it."""

    who: str
    against: str
    difference: str
    interval: str
    trainings: str
    verdict: str


def rows(study: Study, found: tuple[Contrast, ...]) -> list[Row]:
    """Write contrasts for the page."""
    trials = study.trials.set_index("trial", drop=False)
    names = views.arm_names(trials) if study.arms else views.labels(trials)
    return [
        Row(
            names[contrast.trial],
            names[contrast.other],
            labels.gap(contrast.difference.value),
            f"{labels.gap(contrast.difference.low)} to "
            f"{labels.gap(contrast.difference.high)}",
            _trainings(contrast.difference),
            verdict(contrast),
        )
        for contrast in found
    ]


def frame(study: Study, found: tuple[Contrast, ...]) -> pd.DataFrame:
    """Gather what the figure draws, in points.

    Columns: label, value, low, high, word, drawn_low and drawn_high. Intervals far
    wider than the others, as of two trainings, are drawn up to an end of the axis.
    """
    trials = study.trials.set_index("trial", drop=False)
    names = views.names(study, trials)
    against = {c.other for c in found} - {views.BASELINE}
    rows = [
        {
            "label": names[c.trial]
            + (f" {labels.MINUS} {names[c.other]}" if c.other in against else ""),
            "value": 100 * c.difference.value,
            "low": 100 * c.difference.low,
            "high": 100 * c.difference.high,
            "word": c.difference.word(),
        }
        for c in found
    ]
    made = pd.DataFrame(rows, columns=["label", "value", "low", "high", "word"])
    ends = made[["low", "high"]].abs().max(axis=1)
    reach = max(_REACH * ends.median(), 1.25 * made["value"].abs().max())
    drawn = made[["low", "high"]].clip(-reach, reach).add_prefix("drawn_")
    return made.join(drawn)


def title(study: Study, found: tuple[Contrast, ...]) -> str:
    """Count the verdicts: the finding of the figure."""
    words: Counter[str] = Counter(c.difference.word() for c in found)
    order = ("better", "worse", "too small to matter", "not shown", "no verdict")
    said = [f"{words[word]} {word}" for word in order if words[word]]
    once = ", one training each" if max(_trained(found)) == 1 else ""
    trial_0 = study.trials.loc[study.trials["trial"] == views.BASELINE, "name"]
    against = str(trial_0.iloc[0]) if len(trial_0) else "baseline"
    what = "the baseline" if against == "baseline" else against
    return f"Test accuracy against {what}{once}: {labels.listing(said)}"


def _trained(found: tuple[Contrast, ...]) -> list[int]:
    return [c.difference.trainings for c in found]


def verdict(contrast: Contrast) -> str:
    """Say what a difference shows, and of what: two networks, or two configs."""
    difference = contrast.difference
    word = difference.word()
    if word == "no verdict":
        return f"no verdict: {MIN_TRAININGS} trainings of each are needed"
    if difference.trainings == 1:
        even = (
            "even of these two networks" if word == "not shown" else "as two networks"
        )
        return f"{word}, {even}"
    if word == "not shown":
        return f"not shown; {_what_would(contrast)}"
    return word


def _what_would(contrast: Contrast) -> str:
    """Say how many seeds would settle a difference, or that none would.

    What is not shown may be far smaller than it looks. Its own interval would not say
    by how much in a few words: it holds 0, which takes the most seeds of all. So the
    number is said of two sizes, and promised of neither.
    """
    difference = contrast.difference._replace(level=contrast.next_level)
    wanted = difference.trainings_to_settle()
    if math.isnan(wanted):
        smallest = difference.smallest_settled()
        few = f"less than {labels.points(smallest)} between these two"
        said = f"settles {few} on these images"
        if (difference.high - difference.low) / 2 > smallest:  # it may be far larger
            return f"more seeds narrow it, though no number {said}"
        return f"no number of seeds {said}"
    if wanted <= difference.trainings:
        return "a few more seeds may settle it"
    if abs(difference.value) < MARGIN / 2:
        little = "show it too small to matter if it is as small as it looks"
        return f"{_about(wanted)} seeds would {little}"
    half = difference._replace(value=difference.value / 2).trainings_to_settle()
    return (
        f"{_about(wanted)} seeds would settle it if it is as large as it looks, "
        f"{_about(half)} if half as large"
    )


def _about(seeds: float) -> str:
    if math.isnan(seeds):
        return "no number"
    return "more than 200" if math.isinf(seeds) else f"about {seeds:.0f}"


def levels_of(found: tuple[Contrast, ...]) -> list[str]:
    """Write their intervals' confidences, with the digits that tell them apart."""
    levels = sorted({c.difference.level for c in found})
    return [labels.level(level) for level in levels]


def note(study: Study, found: tuple[Contrast, ...]) -> str:
    """Say how the intervals were made and what the words mean."""
    m = len(study.arms) - 1 if study.arms else len(found)
    levels = labels.listing(levels_of(found))
    level = f"{levels} intervals"
    if m > 1:
        level = f"95 % intervals, which hold together for all {m} (each {levels})"
    parts = [
        f"Differences of test accuracy in points, image by image, with {level}.",
        f"Too small to matter: all within {labels.points(MARGIN)} either way.",
        "Not shown: 0 is in the interval.",
    ]
    fewest = min(c.difference.trainings for c in found)
    if fewest == 1:
        parts.append(
            "One training each compares two networks: other trainings of the same "
            "two configs differ otherwise."
        )
    if any("no number" in verdict(c) for c in found):
        parts.append(
            "What no number of seeds settles follows from how often the two compared "
            "disagree on these images, at their interval's confidence."
        )
    if any(c.difference.trainings == 2 for c in found):
        parts.append(
            "Two trainings say next to nothing about their spread: such an interval "
            "is very wide, up to the 100 points that are possible, and gives no "
            "verdict."
        )
    if study.arms:
        parts.append(
            "Seed i draws its own split of the training images, the same for every "
            "arm, and trainings i are compared as a pair. Every look at more seeds "
            "spends half of what is left of the 5 % error rate; seeds count once a "
            "look is complete."
        )
    elif any(c.difference.is_paired for c in found):
        parts.append(
            "Paired trainings have a seed in common, the longer going the way of the "
            "shorter, and are compared one by one."
        )
    return " ".join(parts)


def _trainings(difference: Difference) -> str:
    paired = " pairs" if difference.is_paired and difference.trainings > 1 else ""
    paired = " pair" if difference.is_paired and difference.trainings == 1 else paired
    return f"{difference.trainings}{paired}"
