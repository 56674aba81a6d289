"""The finding that stands above each figure, and the note below it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from reports.figures.style import MARKS
from reports.figures.views import BASELINE, Knobs, View
from reports.pages import findings
from reports.read import labels
from reports.read.study import Study
from reports.stats.importance import Importance
from reports.stats.ranking import Ranking

DARKER = "The darker a hexagon, the more trials lie in it. "
_GAP = labels.GAP.capitalize()


def leaders(study: Study, ranking: Ranking) -> str:
    """Say by how much the first is ahead, and how many intervals overlap."""
    ranked = ranking.ranked
    first = f"trial {int(ranked['trial'].iloc[0])}"
    if ranked["trial"].iloc[0] == BASELINE:
        first = "the baseline"
    score = labels.score(study.objective, float(ranked["objective"].iloc[0]))
    if len(ranked) == 1:
        return f"One trial to rank: {first}, {score}"
    near = len(findings.overlapping(ranking))
    word = "Highest" if study.objective.higher_is_better else "Lowest"
    if not study.has_intervals:
        return f"{word}: {first}, {score}, of {labels.count(len(ranked))} trials"
    others = f"{labels.count(near)} of {labels.count(len(ranked) - 1)}"
    return f"{word}: {first}, {score}; {others} other intervals overlap its"


def dumbbell(view: View) -> str:
    """Say how far train lies above test at the top, and in the baseline."""
    rows = view.frame
    if len(rows) == 1:
        only = rows.iloc[0]
        return f"{_GAP}: {labels.gap(only['gap'])} points in {_row_name(only)}"
    widest = rows.sort_values("gap").iloc[-1]
    first, baseline = rows.iloc[0], rows[rows["is_baseline"]]
    said = [f"{labels.gap(first['gap'])} in {_row_name(first)}"]
    if len(baseline) and not first["is_baseline"]:
        said.append(f"{labels.gap(baseline['gap'].iloc[0])} in the baseline")
    if widest["label"] != first["label"] and not widest["is_baseline"]:
        most = "at most" if view.total == len(rows) else "of those shown at most"
        said.append(f"{most} {labels.gap(widest['gap'])}, in {widest['label']}")
    return f"{_GAP}, in points: {labels.listing(said)}"


def gap_against(view: View) -> str:
    """Choose what the gap is drawn against: size, unless all have one size."""
    frame = view.frame
    one_size = len(set(frame["params"])) == 1 and frame["score"].notna().all()
    return "score" if one_size else "params"


def gaps(study: Study, view: View) -> str:
    """Say which range the gap spans, and its rank correlation with the x axis."""
    frame = view.frame
    low = labels.gap(frame["gap"].min() / 100)
    high = labels.gap(frame["gap"].max() / 100)
    if len(frame) < 2:
        return f"The gap is {low} points"
    said = f"The gap spans {low} to {high} points"
    against = gap_against(view)
    if len(frame) < 10 or len(set(frame[against])) < 3 or len(set(frame["gap"])) < 2:
        return said
    rho = float(frame["gap"].corr(frame[against], method="spearman"))
    sign = "+" if rho > 0 else labels.MINUS
    what = "parameters"
    if against == "score":
        what = labels.metric(study.objective.name)
    return f"{said}; rank correlation with {what} {sign}{labels.number(abs(rho), 2)}"


def curves(ranking: Ranking, view: View) -> str:
    """Say how many of the trials were at their best before the last epoch."""
    shown = view.frame["trial"].nunique()
    if not ranking.by_validation:
        last = view.frame.groupby("trial")[["train", "test"]].last()
        low, high = (labels.number(v, 1) for v in (last.min().train, last.max().train))
        return f"Train accuracy ends between {low} and {high} % in {shown} trials"
    early, known = findings.peaked_earlier(ranking)
    if not known:
        return f"Learning curves of the first {shown}"
    if known == 1:
        was = "was at its best" if early else "was not better"
        return f"The ranked trial {was} before its last epoch"
    if not early:
        n = labels.count(known)
        return f"No ranked trial of {n} was better before its last epoch"
    return (
        f"{labels.count(early)} of {labels.several(known, 'ranked trial')} had "
        "their best epoch before the last"
    )


def knobs(view: Knobs) -> str:
    """Say what all of the five highest share, where anything else was tried."""
    shared: list[str] = []
    for knob, panel in zip(view.knobs, view.panels, strict=True):
        top = panel[panel["place"] <= 5]["value"]  # fewer where it is switched off
        if len(panel) >= 10 and len(top) == 5 and len(set(top)) == 1:
            shared.append(f"{knob.name} {labels.value(top.iloc[0])}")
    if shared:
        return f"The first five share {labels.listing(shared)}"
    n = max(len(panel) for panel in view.panels)
    return (
        f"{labels.several(len(view.panels), 'knob')} over "
        f"{labels.several(n, 'ranked trial')}, one at a time"
    )


def progress(study: Study, ranking: Ranking, view: View) -> str:
    """Say when the best score first came."""
    ended = len(view.frame)
    if not len(ranking.ranked):
        return f"{labels.several(ended, 'trial')} ended, none of them with a place"
    best = view.frame["best"]
    at = int(view.frame.loc[best == best.iloc[-1], "order"].iloc[0])
    if ended == 1:
        return "One trial has ended"
    if len(ranking.ranked) == 1:
        return f"One trial of {labels.count(ended)} has a place, the {_ordinal(at)}"
    word = "highest" if study.objective.higher_is_better else "lowest"
    if (view.frame["kind"] == "shorter").any():
        word = f"{word} with all its epochs"
    return f"The {word} came {_ordinal(at)} of {labels.count(ended)}"


def expected_best(study: Study, frame: pd.DataFrame) -> str:
    """Say what the second half of the trials brought, on average."""
    n = int(frame["n"].iloc[-1])
    half = n // 2
    at_half = np.interp(half, frame["n"], frame["score"])
    gained = abs(float(frame["score"].iloc[-1]) - float(at_half))
    digits, unit = (1, " points") if study.objective.is_accuracy else (3, "")
    lost = f"{labels.number(gained, digits)}{unit}"
    few = f"{labels.count(half)} of {labels.count(n)}"
    return f"Half as many trials, {few}, would have cost {lost} on average"


def importance(found: Importance) -> str:
    """Say which hyperparameters are above their null."""
    frame = found.frame
    names = list(frame.loc[frame["importance"] > frame["null"].clip(lower=0), "name"])
    if not names:
        return "No hyperparameter stands out from shuffled scores"
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    return f"Scores depend on {labels.listing([*names[:3], *more])}"


def cost(study: Study, ranking: Ranking, view: View) -> str:
    """Say what the leader took, and which quicker trial comes near it."""
    frame = view.frame
    leader = frame[frame["trial"] == ranking.ranked["trial"].iloc[0]]
    if not len(leader):
        return f"Time of {labels.several(len(frame), 'trial')}"
    took = float(leader["seconds"].iloc[0])
    who = _name(int(leader["trial"].iloc[0]))
    said = f"{who} took {labels.duration(took)}"
    front = frame[frame["on_front"] & (frame["seconds"] < took)]
    near = front.sort_values("seconds").tail(1)
    if not len(near):
        return f"{said}, and none was quicker"
    name, seconds = int(near["trial"].iloc[0]), float(near["seconds"].iloc[0])
    score = ranking.ranked.set_index("trial")["objective"]
    away = abs(float(score.iloc[0] - score[name]))
    unit = labels.number(away, 3)
    if study.objective.is_accuracy:
        unit = labels.points(away)
    return (
        f"{said}; {_name(name).lower()} took {labels.duration(seconds)} "
        f"and is {unit} away"
    )


def showing(shown: int, total: int) -> str:
    """Say that a figure holds a part: "Showing 30 of 500; all in the table"."""
    if shown >= total:
        return ""
    return f"Showing {shown} of {labels.count(total)}; all are in the table."


def darker(marks: int) -> str:
    """Say what hexagons are, where there are too many trials for a mark each."""
    return DARKER if marks > MARKS else ""


def clipped(n: int) -> str:
    """Say how many marks lie beyond the axis."""
    if not n:
        return ""
    lie = "trial lies" if n == 1 else "trials lie"
    drawn = "is drawn" if n == 1 else "are drawn"
    return f"{n} {lie} far outside the rest and {drawn} at the edge."


def beyond(drawn: pd.DataFrame) -> str:
    """Say how many intervals go on beyond a figure's axis."""
    cut = (drawn["low"] < drawn["drawn_low"]) | (drawn["high"] > drawn["drawn_high"])
    n = int(cut.sum())
    if not n:
        return ""
    goes = "interval goes" if n == 1 else "intervals go"
    return f"{n} {goes} on beyond the axis, to what the table says."


def _row_name(row: pd.Series[Any]) -> str:
    return "the baseline" if row["label"] == "baseline" else str(row["label"])


def _name(trial: int) -> str:
    return "The baseline" if trial == BASELINE else f"Trial {trial}"


def _ordinal(n: int) -> str:
    ending = (
        "th"
        if n % 100 in (11, 12, 13)
        else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    )
    return f"{labels.count(n)}{ending}"
