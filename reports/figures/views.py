"""What each figure shows, computed before anything is drawn: frames in, frames out.

Columns that are drawn are in the unit of their axis: accuracies in percent, gaps
in points, seconds, parameters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.read import labels as wording
from reports.read.hyperparameters import Knob
from reports.read.study import Study
from reports.stats.ranking import Ranking
from tuner.study.objective import Objective

LEADERS = 15
CURVES = 6
PANELS = 12
BASELINE = 0
_LABEL_CHARS = 20
_ARM_CHARS = 32


class View(NamedTuple):
    """A frame to draw, and how much of the study it holds.

    Attributes:
        frame: What is drawn.
        total: Rows that could have been drawn.
        clipped: Rows drawn at the axis's edge because they lie far beyond it.
    """

    frame: pd.DataFrame
    total: int
    clipped: int = 0


class Knobs(NamedTuple):
    """One panel a knob; `panels` is parallel to `knobs`."""

    knobs: tuple[Knob, ...]
    panels: tuple[pd.DataFrame, ...]
    total: int
    clipped: int


def leaders(study: Study, ranking: Ranking) -> View:
    """Take the top 15 and the baseline: label, score, low, high, is_baseline."""
    ranked = ranking.ranked
    frame = ranked[(ranked["place"] <= LEADERS) | (ranked["trial"] == BASELINE)]
    unit = unit_of(study.objective)
    view = pd.DataFrame(
        {
            "label": labels(frame),
            "score": unit * frame["objective"],
            "low": unit * frame["objective_low"],
            "high": unit * frame["objective_high"],
            "is_baseline": frame["trial"] == BASELINE,
        }
    )
    return View(view.reset_index(drop=True), len(ranked))


def dumbbell(study: Study, ranking: Ranking) -> View:
    """Choose the rows of the train-validation-test figure, in ranking order.

    Up to 30 trials are all shown; of up to 100 the top 25 and the five widest
    gaps; of more the top 30, of more than 1,000 the top 20. The baseline always.
    """
    if ranking.by_validation:
        pool = ranking.ranked
    else:
        pool = ranking.listed[ranking.listed["status"] == "completed"]
    pool = pool[pool["train_accuracy"].notna() & pool["test_accuracy"].notna()]
    n = len(pool)
    top = n if n <= 30 else 25 if n <= 100 else 30 if n <= 1000 else 20
    chosen = set(pool["trial"].head(top)) | {BASELINE}
    if 30 < n <= 100:
        chosen |= set(pool.nlargest(5, "gap")["trial"])
    frame = pool[pool["trial"].isin(chosen)]
    view = pd.DataFrame(
        {
            "trial": frame["trial"],
            "label": names(study, frame),
            "train": 100 * frame["train_accuracy"],
            "validation": 100 * frame["val_accuracy"],
            "test": 100 * frame["test_accuracy"],
            "gap": frame["gap"],
            "gap_half": frame["gap_half"],
            "is_baseline": frame["trial"] == BASELINE,
        }
    )
    return View(view.reset_index(drop=True), n)


def gaps(study: Study, ranking: Ranking) -> View:
    """Take gap in points of all comparable trials, with parameters and score."""
    pool = ranking.ranked if ranking.by_validation else ranking.listed
    pool = pool[pool["gap"].notna() & (pool["params"] > 0)]
    pool = pool[pool["status"] == "completed"]
    leads = (pool["place"] == 1) & (not study.arms)  # arms are given, not ranked
    view = pd.DataFrame(
        {
            "trial": pool["trial"],
            "params": pool["params"],
            "score": unit_of(study.objective) * pool["objective"],
            "gap": 100 * pool["gap"],
            "is_leader": leads,
            "is_baseline": (pool["trial"] == BASELINE) & ~leads,
        }
    )
    return View(view.reset_index(drop=True), len(view))


def curves(study: Study, ranking: Ranking) -> View:
    """Average the learning curves of the top six over their executions.

    Columns: trial, label, epoch, train, validation, test (the final value, the
    same in each row), all in percent.
    """
    if ranking.by_validation:
        top = ranking.ranked.head(CURVES)
    else:
        top = ranking.listed[ranking.listed["status"] == "completed"].head(9)
    epochs = study.epochs[study.epochs["trial"].isin(top["trial"])]
    epochs = epochs.dropna(subset=["accuracy", "val_accuracy"], how="all")
    mean = epochs.groupby(["trial", "epoch"], as_index=False)[
        ["accuracy", "val_accuracy"]
    ].mean()
    label = dict(zip(top["trial"], names(study, top), strict=True))
    test = dict(zip(top["trial"], top["test_accuracy"], strict=True))
    place = {trial: i for i, trial in enumerate(top["trial"])}
    view = pd.DataFrame(
        {
            "trial": mean["trial"],
            "label": mean["trial"].map(label),
            "epoch": mean["epoch"],
            "train": 100 * mean["accuracy"].astype("float64"),
            "validation": 100 * mean["val_accuracy"].astype("float64"),
            "test": 100 * mean["trial"].map(test).astype("float64"),
            "place": mean["trial"].map(place),
        }
    )
    view = view.sort_values(["place", "epoch"], ignore_index=True)
    total = len(ranking.ranked) if ranking.by_validation else len(ranking.listed)
    return View(view, total)


def curve_band(study: Study, ranking: Ranking) -> pd.DataFrame:
    """Find where the middle 80 % of all validation curves lie; empty under 50."""
    if len(ranking.ranked) < 50:
        return pd.DataFrame(columns=["epoch", "low", "high"])
    epochs = study.epochs[study.epochs["trial"].isin(ranking.ranked["trial"])]
    by_epoch = (100 * epochs["val_accuracy"].astype("float64")).groupby(epochs["epoch"])
    band = by_epoch.agg([_tenth, _ninetieth]).dropna()
    return pd.DataFrame(
        {"epoch": band.index, "low": band["_tenth"], "high": band["_ninetieth"]}
    )


def _tenth(values: pd.Series[float]) -> float:
    return float(values.quantile(0.1))


def _ninetieth(values: pd.Series[float]) -> float:
    return float(values.quantile(0.9))


def knobs(study: Study, ranking: Ranking) -> Knobs:
    """Take score against value for each knob.

    Columns of each: value, score, clipped, place, is_leader.
    """
    ranked = ranking.ranked
    score, clipped = clip(unit_of(study.objective) * ranked["objective"])
    panels, used = [], []
    for knob in study.knobs:
        column = study.configs[knob.name]
        panel = pd.DataFrame(
            {
                "value": ranked["trial"].map(column).infer_objects(),
                "score": score,
                "clipped": clipped,
                "place": ranked["place"],
                "is_leader": ranked["place"] == 1,
            }
        ).dropna(subset=["value", "score"])
        if len(set(panel["value"])) > 1:
            panels.append(panel)
            used.append(knob)
    shown = slice(0, PANELS)
    return Knobs(
        tuple(used[shown]), tuple(panels[shown]), len(used), int(clipped.sum())
    )


def progress(study: Study, ranking: Ranking) -> View:
    """Order the trials as they ended, with the best score so far.

    Columns: order, epochs (of all trials so far), trial, kind ("ranked", "shorter" or
    "failed"), score (missing where it failed), best (of the ranked so far), clipped.
    """
    trials = ranking.listed
    ended = trials[trials["status"].isin(["completed", "failed"])]
    ended = ended[(ended["status"] == "failed") | ended["objective"].notna()]
    ended = ended.sort_values("order")
    unit = unit_of(study.objective)
    raw = unit * ended["objective"]
    ranked = ended["trial"].isin(ranking.ranked["trial"])
    only = raw.where(ranked)
    best = only.cummax() if study.objective.higher_is_better else only.cummin()
    score, clipped = clip(raw)
    kind = np.where(ended["status"] == "failed", "failed", "shorter")
    view = pd.DataFrame(
        {
            "order": range(1, len(ended) + 1),
            "epochs": ended["epochs"].fillna(0).cumsum().to_numpy(),
            "trial": ended["trial"].to_numpy(),
            "kind": np.where(ranked, "ranked", kind),
            "score": score.to_numpy(),
            "best": best.ffill().to_numpy(),
            "clipped": clipped.to_numpy(),
            "train_seconds": ended["train_seconds"].fillna(0).to_numpy(),
        }
    )
    return View(view, len(view), int(clipped.sum()))


def cost(study: Study, ranking: Ranking) -> View:
    """Take seconds against score, with the Pareto front marked `on_front`."""
    ranked = ranking.ranked[ranking.ranked["seconds"] > 0]
    score, clipped = clip(unit_of(study.objective) * ranked["objective"])
    signed = ranked["objective"] * (1 if study.objective.higher_is_better else -1)
    view = pd.DataFrame(
        {
            "trial": ranked["trial"],
            "seconds": ranked["seconds"],
            "score": score,
            "clipped": clipped,
            "on_front": pareto(ranked["seconds"], signed),
            "is_baseline": ranked["trial"] == BASELINE,
        }
    )
    return View(view.reset_index(drop=True), len(view), int(clipped.sum()))


def pareto(cost_: pd.Series[float], gain: pd.Series[float]) -> pd.Series[bool]:
    """Mark rows for which no other costs at most as much and gains more."""
    order = pd.DataFrame({"cost": cost_, "gain": -gain}).sort_values(["cost", "gain"])
    best_before = (-order["gain"]).cummax().shift(fill_value=-np.inf)
    front = -order["gain"] > best_before
    return front.reindex(cost_.index)


def clip(values: pd.Series[float]) -> tuple[pd.Series[float], pd.Series[bool]]:
    """Move values that lie far outside the rest to the edge, and mark them.

    Far is more than three interquartile ranges beyond the quartiles, with at
    least eight values to judge by.
    """
    known = values.dropna()
    if len(known) < 8:
        return values, pd.Series(data=False, index=values.index)
    low, high = fences(known)
    inside = values.clip(low, high)
    kept = known[(known >= low) & (known <= high)]
    margin = 0.06 * (kept.max() - kept.min())
    inside = inside.clip(kept.min() - margin, kept.max() + margin)
    return inside, (inside != values) & values.notna()


def fences(known: pd.Series[float]) -> tuple[float, float]:
    """Give the ends beyond which values lie far outside the rest."""
    first, third = known.quantile([0.25, 0.75])
    reach = 3 * max(third - first, 1e-9)
    return float(first - reach), float(third + reach)


def arm_names(trials: pd.DataFrame) -> pd.Series[str]:
    """Name arms in a table: whole."""
    names = [
        str(name or f"trial {trial}")
        for trial, name in zip(trials["trial"], trials["name"], strict=True)
    ]
    return pd.Series(names, index=trials.index, dtype="object")


def arm_labels(trials: pd.DataFrame) -> pd.Series[str]:
    """Name arms on an axis; the middle of a long name goes, where fewest differ."""
    return arm_names(trials).map(lambda name: wording.shorten(name, _ARM_CHARS))


def names(study: Study, trials: pd.DataFrame) -> pd.Series[str]:
    """Name a study's trials on an axis, or its arms."""
    return arm_labels(trials) if study.arms else labels(trials)


def labels(trials: pd.DataFrame) -> pd.Series[str]:
    """Name trials on an axis: "baseline", "trial 7", "trial 7 two-conv"."""

    def label(trial: int, name: object) -> str:
        if trial == BASELINE:
            return "baseline"
        text = (
            ""
            if name is None or name is pd.NA
            else wording.shorten(str(name), _LABEL_CHARS)
        )
        return f"trial {trial} {text}".rstrip()

    names = [
        label(int(trial), name if isinstance(name, str) else None)
        for trial, name in zip(trials["trial"], trials["name"], strict=True)
    ]
    return pd.Series(names, index=trials.index, dtype="object")


def unit_of(objective: Objective) -> float:
    """Return what a score is multiplied with for its axis."""
    return 100.0 if objective.is_accuracy else 1.0


def axis_of(objective: Objective) -> str:
    """Name the axis of a score."""
    name = wording.metric(objective.name)
    return f"{name[0].upper()}{name[1:]}" + (" (%)" if objective.is_accuracy else "")
