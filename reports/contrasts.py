"""Which trials are set against which on the test images, and what that shows.

Test accuracy chooses none of the pairs: they are the first by validation against
trial 0, or, where nothing is chosen, every trial against trial 0; and a trial
against a shorter training of the same config.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports import views, wording
from reports.differences import MARGIN, MIN_TRAININGS, Difference, Right, compare
from reports.frames import Study
from reports.ranking import Ranking
from tuner.record_files import read_labels, read_predictions

Trainings = dict[tuple[int, ...], Right]  # by what makes two of them a pair

_LEADERS = 8
_REACH = 4  # of an axis, in medians of how far the intervals go
_ERROR = 0.05  # of all verdicts of a page together


class Contrast(NamedTuple):
    """One trial against another.

    Attributes:
        trial: Its number.
        other: The number of the one that it is set against.
        difference: Test accuracy of the trial minus that of the other.
        next_level: The interval's confidence after the next look at more trainings.
    """

    trial: int
    other: int
    difference: Difference
    next_level: float


class Row(NamedTuple):
    """A contrast as the page writes it."""

    who: str
    against: str
    difference: str
    interval: str
    trainings: str
    verdict: str


def contrasts(study: Study, ranking: Ranking) -> tuple[Contrast, ...]:
    """Compare the pairs that the page shows, with simultaneous 95 % intervals."""
    if study.arms:
        return _of_arms(study)
    pairs = _pairs(study, ranking)
    right = {
        trial: found
        for trial in sorted({t for pair in pairs for t in pair})
        if (found := _right(study, trial))
    }
    pairs = [(a, b) for a, b in pairs if a in right and b in right]
    level = 1 - _ERROR / max(1, len(pairs))  # of the one look that there is
    return tuple(
        Contrast(a, b, _compare(right[a], right[b], level), level) for a, b in pairs
    )


def _of_arms(study: Study) -> tuple[Contrast, ...]:
    """Compare every arm with arm 0, at the last look that both have reached.

    Seeds beyond it count at the next: to show them as they come would be a look each.
    """
    first, comparisons = _right(study, views.BASELINE), len(study.arms) - 1
    made = []
    for trial in study.trials["trial"]:
        ours = _right(study, int(trial)) if trial != views.BASELINE else {}
        paired = [key for key in ours if key in first]
        looks = [
            seeds
            for seeds in study.arms[int(trial)]["looks"]
            if all((i,) in paired for i in range(seeds))
        ]
        if not looks:
            continue
        seen = {key: ours[key] for key in paired if key[0] < looks[-1]}
        level, after = (
            level_at(look, comparisons) for look in (len(looks), len(looks) + 1)
        )
        difference = _compare(seen, first, level)
        made.append(Contrast(int(trial), views.BASELINE, difference, after))
    return tuple(made)


def level_at(look: int, comparisons: int) -> float:
    """Give an interval's confidence at a look, from 1, of a page of comparisons.

    Every look spends half of what is left of the error rate, shared evenly.
    """
    return 1 - _ERROR * 0.5**look / comparisons


def rows(study: Study, found: tuple[Contrast, ...]) -> list[Row]:
    """Write contrasts for the page."""
    trials = study.trials.set_index("trial", drop=False)
    names = views.arm_names(trials) if study.arms else views.labels(trials)
    return [
        Row(
            names[contrast.trial],
            names[contrast.other],
            wording.gap(contrast.difference.value),
            f"{wording.gap(contrast.difference.low)} to "
            f"{wording.gap(contrast.difference.high)}",
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
            + (f" {wording.MINUS} {names[c.other]}" if c.other in against else ""),
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
    return f"Test accuracy against {what}{once}: {wording.listing(said)}"


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
    by how much in a few words: it holds 0, which no number of seeds settles. So the
    number is said of two sizes, and promised of neither.
    """
    difference = contrast.difference._replace(level=contrast.next_level)
    wanted = difference.trainings_to_settle()
    if math.isnan(wanted):
        smallest = difference.smallest_settled()
        few = f"less than {wording.points(smallest)} between these two"
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


def seeds_to_settle(contrast: Contrast) -> int | None:
    """Count the seeds of each that would settle a difference, more than there are.

    None where no number would, or more than 200.
    """
    trained = contrast.difference.trainings
    if trained < MIN_TRAININGS:
        return MIN_TRAININGS
    difference = contrast.difference._replace(level=contrast.next_level)
    wanted = difference.trainings_to_settle()
    return max(int(wanted), trained + 2) if math.isfinite(wanted) else None


def levels_of(found: tuple[Contrast, ...]) -> list[str]:
    """Write their intervals' confidences, with the digits that tell them apart."""
    levels = sorted({c.difference.level for c in found})
    return [wording.level(level) for level in levels]


def note(study: Study, found: tuple[Contrast, ...]) -> str:
    """Say how the intervals were made and what the words mean."""
    m = len(study.arms) - 1 if study.arms else len(found)
    levels = wording.listing(levels_of(found))
    level = f"{levels} intervals"
    if m > 1:
        level = f"95 % intervals, which hold together for all {m} (each {levels})"
    parts = [
        f"Differences of test accuracy in points, image by image, with {level}.",
        f"Too small to matter: all within {wording.points(MARGIN)} either way.",
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


def _pairs(study: Study, ranking: Ranking) -> list[tuple[int, int]]:
    if ranking.by_validation:
        first = [int(t) for t in ranking.ranked["trial"].head(_LEADERS)]
    else:
        done = ranking.listed[ranking.listed["status"] == "completed"]
        first = [int(t) for t in done["trial"]]
    pairs = [(trial, views.BASELINE) for trial in first if trial != views.BASELINE]
    shorter = _shorter(study)
    pairs += [
        (trial, shorter[trial])
        for trial in first
        if shorter.get(trial, views.BASELINE) != views.BASELINE
    ]
    return pairs


def _shorter(study: Study) -> dict[int, int]:
    """Find, for each trial, the longest shorter training from the same seed."""
    finished = study.executions[study.executions["final"]]
    found: dict[int, int] = {}
    for _, same in finished[finished["execution"] == 0].groupby("seed"):
        in_order = same.sort_values("epochs")
        trials = [int(t) for t in in_order["trial"]]
        lengths = list(in_order["epochs"])
        for i in range(1, len(trials)):
            if lengths[i] > lengths[i - 1]:
                found[trials[i]] = trials[i - 1]
    return found


def _compare(ours: Trainings, theirs: Trainings, level: float) -> Difference:
    """Compare two trials; trainings with a seed in common are pairs."""
    shared = [key for key in ours if key in theirs]
    if shared:
        return compare(
            np.stack([ours[key] for key in shared]),
            np.stack([theirs[key] for key in shared]),
            is_paired=True,
            level=level,
        )
    return compare(
        np.stack(list(ours.values())), np.stack(list(theirs.values())), level=level
    )


def _right(study: Study, trial: int) -> Trainings:
    """Read which test images each training got right."""
    labels = read_labels(study.folder, "test")
    mine = study.executions["trial"] == trial
    found: Trainings = {}
    for _, row in study.executions[mine & study.executions["final"]].iterrows():
        chosen = read_predictions(study.folder, trial, int(row["execution"]), "test")
        if labels is not None and chosen is not None and len(chosen) == len(labels):
            execution, seed = int(row["execution"]), int(row["seed"])
            # Arms share a split a seed, other trials a seed's whole trajectory.
            pair = (execution,) if study.arms else (execution, seed)
            found[pair] = chosen == labels
    return found


def _trainings(difference: Difference) -> str:
    paired = " pairs" if difference.is_paired and difference.trainings > 1 else ""
    paired = " pair" if difference.is_paired and difference.trainings == 1 else paired
    return f"{difference.trainings}{paired}"
