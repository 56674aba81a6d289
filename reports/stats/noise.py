"""What a change of no effect would show: one config trained on several seeds."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from reports.pages.findings import Verdict
from reports.read import labels as wording
from reports.read.study import Study
from reports.stats.differences import smallest_settled
from tuner.study.record_files import read_labels, read_predictions

_CHANGES = (1, 3, 6, 10, 30)
_EFFECTS = (0.005, 0.01)
_POWER = 0.8
_DRAWS = 200_000


class Spread(NamedTuple):
    """How much one config's accuracy varies between its trainings.

    Attributes:
        seeds: How many trainings.
        mean: Mean test accuracy, a fraction.
        sd: Standard deviation of test accuracy between them, a fraction.
        low: Lower end of its 95 % interval (chi-squared, for normal accuracies).
        high: Upper end.
        validation_sd: That of validation accuracy, each on its own split.
        disagreement: Share of the test images that one of two trainings has right
            and the other wrong, on average over pairs.
        images: Test images.
    """

    seeds: int
    mean: float
    sd: float
    low: float
    high: float
    validation_sd: float
    disagreement: float
    images: int


def spread(study: Study) -> Spread | None:
    """Measure trial 0's seeds; None where fewer than three have ended."""
    rows = study.executions[
        study.executions["final"] & (study.executions["trial"] == 0)
    ]
    if len(rows) < 3:
        return None
    tests = rows["test_accuracy"].to_numpy("float64")
    k, sd = len(tests), float(tests.std(ddof=1))
    quantiles = stats.chi2.ppf([0.975, 0.025], k - 1)
    low, high = sd * np.sqrt((k - 1) / quantiles)
    labels = read_labels(study.folder, "test")
    right = [
        chosen == labels
        for e in rows["execution"]
        if (chosen := read_predictions(study.folder, 0, int(e), "test")) is not None
    ]
    pairs = [float(np.mean(a != b)) for a, b in itertools.combinations(right, 2)]
    return Spread(
        seeds=k,
        mean=float(tests.mean()),
        sd=sd,
        low=float(low),
        high=float(high),
        validation_sd=float(rows["val_accuracy"].std(ddof=1)),
        disagreement=float(np.mean(pairs)) if pairs else float("nan"),
        images=study.images("test"),
    )


def best_of_nulls(changes: int, freedom: float = np.inf) -> tuple[float, float]:
    """Say what the best of some changes without effect shows over one baseline run.

    Each change and the baseline is trained once, and all are normal with one mean.

    Args:
        changes: How many, >= 1.
        freedom: Of the standard deviation, where it was estimated: seeds - 1.

    Returns:
        The mean and the 95 % quantile of max(Z_1..Z_n) - Z_0, in standard deviations;
        the quantile, of 200,000 simulated studies, allows for the estimate.
    """
    rng = np.random.default_rng(0)
    best = stats.norm.ppf(rng.random(_DRAWS) ** (1 / changes))  # the largest of n
    gains = best - rng.standard_normal(_DRAWS)
    known = np.sqrt(rng.chisquare(freedom, _DRAWS) / freedom) if freedom < 1e6 else 1.0
    return float(gains.mean()), float(np.quantile(gains / known, 0.95))


def seeds_needed(effect: float, sd: float, level: float = 0.95) -> float:
    """Count the trainings of each of two configs that show a difference.

    By Student's t test on independent seeds at 80 % power, for these test images
    taken as fixed (noncentral t; Cohen 1988, section 2.4).

    Args:
        effect: The difference of mean accuracy, a fraction, > 0.
        sd: Standard deviation of accuracy between seeds, a fraction, > 0.
        level: 1 minus the share of false alarms.

    Returns:
        Their number, or infinity over 10,000.
    """
    for k in range(2, 10_000):
        freedom = 2 * k - 2
        shift = effect / sd * np.sqrt(k / 2)
        limit = stats.t.ppf((1 + level) / 2, freedom)
        power = stats.nct.sf(limit, freedom, shift)
        power += stats.nct.cdf(-limit, freedom, shift)
        if power >= _POWER:
            return k
    return math.inf


def floor(found: Spread) -> float:
    """Give what no number of seeds shows on these test images, a fraction.

    For a change whose mean network differs from the baseline's on as many images as
    two trainings of the baseline do; 95 % intervals, 80 % power.
    """
    return smallest_settled(found.disagreement / found.images)


def rows(found: Spread) -> list[tuple[str, str, str]]:
    """List, for some numbers of changes, what the best of them shows by luck."""
    out = []
    for n in _CHANGES:
        mean, high = best_of_nulls(n, found.seeds - 1)
        out.append((str(n), wording.gap(found.sd * mean), wording.gap(found.sd * high)))
    return out


def sentences(found: Spread) -> list[str]:
    """Say what the spread means for who compares configs here."""
    if not found.sd > 0:
        return ["All seeds scored alike, so no spread can be told from these."]
    needed = [
        f"{_seeds(seeds_needed(effect, found.sd))} for {wording.points(effect)}"
        for effect in _EFFECTS
    ]
    power = (
        f"To show a change needs {wording.listing(needed)} (80 % power, these test "
        "images taken as fixed)."
    )
    said = [power]
    if np.isfinite(found.disagreement):
        said.append(
            f"Two trainings disagree on {wording.percent(found.disagreement)} of the "
            f"{wording.count(found.images)} test images. A change that moves as many, "
            f"and by less than {wording.points(floor(found))} in all, cannot be shown "
            "on them by any number of seeds (80 % power, one comparison at 95 %); one "
            "that moves others has a limit of its own."
        )
    return said


def _seeds(number: float) -> str:
    return "over 10,000 seeds each" if math.isinf(number) else f"{number} seeds each"


def verdict(study: Study) -> Verdict:
    """Give the first words of a noise page."""
    found = spread(study)
    if found is None:
        return Verdict("Fewer than three seeds have ended: no spread to speak of.", ())
    once, six = (best_of_nulls(n, found.seeds - 1)[1] * found.sd for n in (1, 6))
    sd = (
        f"Test accuracy has a standard deviation of {100 * found.sd:.2f} points "
        f"between {found.seeds} seeds (95 % interval {100 * found.low:.2f} to "
        f"{100 * found.high:.2f}), each with its own split."
    )
    return Verdict(
        f"A change of no effect, trained once, gains up to {wording.points(once)} "
        f"here, and the best of six up to {wording.points(six)}, in 19 of 20 tries.",
        (sd,),
    )


def lines(study: Study) -> list[str]:
    """Write it for the terminal."""
    found = spread(study)
    lead = verdict(study)
    if found is None:
        return [lead.lead]
    table = [
        f"  the best of {n:>2} without effect gains {mean} on average, "
        f"up to {high} in 19 of 20"
        for n, mean, high in rows(found)
    ]
    return [lead.lead, *lead.support, *table, *sentences(found)]


def facts(study: Study) -> dict[str, Any] | None:
    """Give it as plain values, accuracies as fractions."""
    found = spread(study)
    if found is None:
        return None
    known = {k: v if np.isfinite(v) else None for k, v in found._asdict().items()}
    return {
        **known,
        "best_of": {
            str(n): {"mean": found.sd * mean, "high": found.sd * high}
            for n in _CHANGES
            for mean, high in [best_of_nulls(n, found.seeds - 1)]
        },
        "seeds_needed": {
            str(effect): needed if math.isfinite(needed) else None
            for effect in _EFFECTS
            if found.sd > 0
            for needed in [seeds_needed(effect, found.sd)]
        },
    }
