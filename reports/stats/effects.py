"""Main effects: how a score changes, on average, along one hyperparameter.

For studies with too few trials for `importance`: a line or group means, with intervals.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.read import labels
from reports.read.hyperparameters import Hyperparameter
from reports.read.study import StudyFrames
from reports.stats import importance
from reports.stats.differences import INCONCLUSIVE
from reports.stats.ranking import Ranking, searched

Floats = npt.NDArray[np.float64]

_ERROR = 0.05  # error rate of all intervals of a page together
_MIN_FREEDOM = 6  # degrees of freedom of the residuals: eight trials on a line
_TWICE = 2  # trials that a value needs, to tell its effect from a single failure

_HOW = (
    "For a number: the change along a straight line from its lowest value to its "
    "highest, on a log scale if it was searched on one. For a category: its highest "
    "mean against its lowest."
)
_OTHERS = (
    "All other hyperparameters vary at the same time: an effect is an average over "
    "their values, and they widen its interval. So do scores that scatter more at one "
    "end."
)
_NOT_RANDOM = (
    "This search did not draw its trials at random, so hyperparameters may be "
    "correlated, and the effect of one may be due to another."
)


class Effect(NamedTuple):
    """The effect of a hyperparameter on the objective while the others vary too.

    Attributes:
        name: The hyperparameter's name.
        start: Its lowest value, or the category with the lowest mean.
        end: Its highest value, or the category with the highest mean.
        value: The objective at the end minus that at the start, in its own unit.
        low: Lower end of its interval.
        high: Upper end.
        trials: The number of trials that it was estimated from.
        is_number: Whether it is the change along a line, not a difference of means.
    """

    name: str
    start: str
    end: str
    value: float
    low: float
    high: float
    trials: int
    is_number: bool

    def word(self) -> str:
        """Return what the interval shows, in one word."""
        if self.low <= 0 <= self.high:
            return INCONCLUSIVE
        if not self.is_number:
            return "differs"
        return "rises" if self.value > 0 else "falls"


class Effects(NamedTuple):
    """The main effects of a study.

    Attributes:
        estimated: Effects of hyperparameters with enough trials, largest first.
        refused: Names of hyperparameters with too few trials.
        level: Confidence of each interval, so that all hold together at 95 %.
        trials: The number of ranked trials that the search proposed.
    """

    estimated: tuple[Effect, ...]
    refused: tuple[str, ...]
    level: float
    trials: int


class Row(NamedTuple):
    """An effect as text for the page."""

    name: str
    start: str
    end: str
    value: str
    interval: str
    trials: str
    word: str


def effects(study: StudyFrames, ranking: Ranking) -> Effects | None:
    """Estimate them; return None if nothing varies or trials suffice for `importance`.

    Leave out the baseline and enqueued configs, which the search did not draw: they set
    many hyperparameters to extreme values together. Intervals are Bonferroni's over the
    hyperparameters.
    """
    if study.candidates or not study.hyperparameters or not len(ranking.ranked):
        return None
    drawn = searched(study, ranking)
    if len(drawn) >= importance.MIN_TRIALS:
        return None
    panels = {}
    for hyperparameter in study.hyperparameters:
        values = drawn["trial"].map(study.configs[hyperparameter.name])
        panel = _panel(hyperparameter, values, drawn)
        if panel is not None:
            panels[hyperparameter] = panel
    level = 1 - _ERROR / max(1, len(panels))
    estimated = [
        (_line if _is_number(panel) else _means)(hyperparameter, panel, level)
        for hyperparameter, panel in panels.items()
    ]
    return Effects(
        tuple(sorted(estimated, key=lambda e: -abs(e.value))),
        tuple(h.name for h in study.hyperparameters if h not in panels),
        level,
        len(drawn),
    )


def _panel(
    hyperparameter: Hyperparameter, values: pd.Series[Any], drawn: pd.DataFrame
) -> Any:
    """Return values and scores of the trials that have it; None if too few do."""
    panel = pd.DataFrame({"value": values, "score": drawn["objective"]}).dropna()
    if _is_number(panel):
        panel = panel.astype("float64")
        panel = panel[panel["value"] > 0] if hyperparameter.log else panel
        same = panel["value"].value_counts().max() if len(panel) else 0
        if len(panel) - same < _TWICE:  # one trial would decide the line's slope
            return None
        parameters = 2
    else:
        panel["value"] = panel["value"].map(labels.value)
        sizes = panel["value"].map(panel["value"].value_counts())
        panel = panel[sizes >= _TWICE]
        parameters = panel["value"].nunique()
    enough = len(panel) - parameters >= _MIN_FREEDOM
    return panel if enough and len(set(panel["value"])) > 1 else None


def _is_number(panel: pd.DataFrame) -> bool:
    return all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool)
        for v in panel["value"]
    )


def _line(hyperparameter: Hyperparameter, panel: pd.DataFrame, level: float) -> Effect:
    """Fit a straight line by least squares, on the scale that was searched."""
    values = panel["value"].to_numpy("float64")
    x = np.log(values) if hyperparameter.log else values
    fit = stats.linregress(x, panel["score"])
    reach = float(np.ptp(x))
    away = x - x.mean()
    squares = float((away**2).sum())
    residuals = panel["score"].to_numpy("float64") - fit.intercept - fit.slope * x
    error = _standard_error(
        away * reach / squares, residuals, 1 / len(x) + away**2 / squares, len(x) - 2
    )
    half = stats.t.ppf((1 + level) / 2, len(x) - 2) * error
    value = float(fit.slope) * reach
    ends = labels.value(float(values.min())), labels.value(float(values.max()))
    return Effect(
        hyperparameter.name,
        *ends,
        value,
        value - half,
        value + half,
        len(x),
        is_number=True,
    )


def _means(hyperparameter: Hyperparameter, panel: pd.DataFrame, level: float) -> Effect:
    """Compare the highest mean with the lowest.

    The Tukey-Kramer interval allows for this choice. With two values it is Student's.
    Source: Kramer, "Extension of multiple range tests", Biometrics 12 (1956).
    """
    groups = panel.groupby("value")["score"]
    means = groups.mean()
    start, end = str(means.idxmin()), str(means.idxmax())
    if start == end:  # all means are equal
        end = next(str(name) for name in means.index if name != start)
    freedom = len(panel) - len(means)
    share = 1 / groups.transform("count").to_numpy("float64")
    sign = panel["value"].map({start: -1.0, end: 1.0}).fillna(0.0).to_numpy("float64")
    residuals = (panel["score"] - groups.transform("mean")).to_numpy("float64")
    error = _standard_error(sign * share, residuals, share, freedom)
    half = _reach(level, len(means), freedom) * error
    value = float(means[end] - means[start])
    return Effect(
        hyperparameter.name, start, end, value, value - half, value + half, len(panel),
        is_number=False,
    )  # fmt: skip


def _standard_error(
    weights: Floats, residuals: Floats, leverage: Floats, freedom: int
) -> float:
    """Return the standard error of sum(weights * scores): the larger of two.

    The usual one assumes that scores scatter equally everywhere. HC3, the sum of
    (weight * residual / (1 - leverage))^2, does not: with the usual one alone, a
    hyperparameter that changes only the scatter of scores was called real on up to 11 %
    of pages. HC3 alone is sometimes small by chance with so few trials.

    Args:
        weights: Shape (trials,).
        residuals: Shape (trials,), of the line or the means.
        leverage: Shape (trials,), each < 1: the weight of a score in its own fit.
        freedom: Degrees of freedom of the residuals, > 0.

    Source: MacKinnon and White, "Some heteroskedasticity-consistent covariance matrix
    estimators", J. Econometrics 29 (1985); the larger of the two: Angrist and
    Pischke, "Mostly Harmless Econometrics" (2009), 8.1.
    """
    usual = (residuals**2).sum() / freedom * (weights**2).sum()
    robust = ((weights * residuals / (1 - leverage)) ** 2).sum()
    return math.sqrt(max(usual, robust))


@functools.cache
def _reach(level: float, groups: int, freedom: int) -> float:
    """Return an interval's half width in standard errors of a difference (slow)."""
    return float(stats.studentized_range.ppf(level, groups, freedom) / math.sqrt(2))


def rows(study: StudyFrames, measured: Effects) -> list[Row]:
    """Write the effects for the page, with accuracies in points."""
    return [
        Row(
            e.name,
            e.start,
            e.end,
            _written(study, e.value),
            f"{_written(study, e.low)} to {_written(study, e.high)}",
            str(e.trials),
            e.word(),
        )
        for e in measured.estimated
    ]


def _written(study: StudyFrames, value: float) -> str:
    if study.objective.is_accuracy:
        return labels.gap(value)
    return labels.number(value, 3).replace("-", labels.MINUS)


def note(study: StudyFrames, measured: Effects) -> str:
    """Explain the table's contents and limits."""
    ranked = labels.several(measured.trials, "ranked trial")
    proposed = f"{ranked} that the search proposed"
    if not measured.estimated:
        few = "is" if measured.trials == 1 else "are"
        return f"The {proposed} {few} too few to estimate any hyperparameter's effect."
    m = len(measured.estimated)
    each = f"(each {labels.level(measured.level)})"
    together = ""
    if m > 1:
        together = f" that hold together for all {m} hyperparameters {each}"
    sentences = [
        f"Main effects on {labels.metric(study.objective.name)} in the {proposed}.",
        _HOW,
        f"95 % intervals{together}. Inconclusive: the interval contains 0.",
        _OTHERS,
    ]
    if not study.draws_at_random:
        sentences.append(_NOT_RANDOM)
    if measured.refused:
        names = labels.listing(list(measured.refused))
        sentences.append(f"Too few trials to estimate the effect of {names}.")
    return " ".join(sentences)
