"""Which trials are ranked, and in what order; test scores have no influence."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.read.study import StudyFrames
from reports.stats import intervals


class Ranking(NamedTuple):
    """The trials of a study, in order.

    Attributes:
        ranked: Rows of `StudyFrames.trials` with `place` from 1, `objective_low` and
            `objective_high` (its interval, missing for a loss), `gap_half`.
        listed: All trials: first the ranked, then completed ones without a place, then
            running ones, then failed ones; `place` is missing for trials without one.
        epochs: Under Hyperband the epochs of the rung that is ranked, else None.
        shorter: Number of completed trials of shorter rungs, which are not ranked.
        unscored: Number of completed trials without a finite score, not ranked either.
        by_validation: False if there is no validation to choose by: then `ranked` is
            empty and `listed` has the trials in their declared order.
    """

    ranked: pd.DataFrame
    listed: pd.DataFrame
    epochs: int | None
    shorter: int
    unscored: int
    by_validation: bool


def rank(study: StudyFrames) -> Ranking:
    """Order the trials by the study's validation objective.

    `tuner.study.ranking` decides which trials may be ranked and in what order, both for
    the terminal and for pages.
    """
    trials = intervals.with_gap_interval(
        study.trials, study.images("train"), study.images("test")
    )
    images = study.images("validation") if study.objective.is_accuracy else 0
    trials = intervals.with_accuracy_interval(trials, "objective", images)
    completed = trials[trials["status"] == "completed"]
    if not study.has_validation:
        listed = trials.sort_values("trial", ignore_index=True)
        return Ranking(
            ranked=completed.iloc[:0].assign(place=0),
            listed=listed.assign(place=float("nan")),
            epochs=None,
            shorter=0,
            unscored=0,
            by_validation=False,
        )
    by_trial = completed.set_index("trial", drop=False)
    ranked = by_trial.loc[list(study.best_first)].reset_index(drop=True)
    ranked = ranked.assign(place=range(1, len(ranked) + 1))
    scored = completed[completed["objective"].notna()]
    unranked = int((~scored["trial"].isin(ranked["trial"])).sum())
    shorter = unranked if study.has_rungs else 0
    full_length = study.record.settings.epochs
    return Ranking(
        ranked=ranked,
        listed=_listed(trials, ranked),
        epochs=full_length if study.has_rungs and len(scored) else None,
        shorter=shorter,
        unscored=len(completed) - len(ranked) - shorter,
        by_validation=True,
    )


def overlapping(ranking: Ranking) -> pd.DataFrame:
    """Return the trials, without the leader, whose intervals overlap the leader's."""
    ranked = ranking.ranked
    if not len(ranked):
        return ranked
    first = ranked.iloc[0]
    near = (ranked["objective_high"] >= first["objective_low"]) & (
        ranked["objective_low"] <= first["objective_high"]
    )
    others: pd.DataFrame = ranked[near & (ranked["place"] > 1)]
    return others


def peaked_earlier(ranking: Ranking) -> tuple[int, int]:
    """Count the ranked trials whose best epoch was before the last.

    Returns:
        Their number, and the number of ranked trials whose curve is known.
    """
    known = ranking.ranked[ranking.ranked["peak_epoch"].notna()]
    return int((known["peak_epoch"] < known["epochs"]).sum()), len(known)


def searched(study: StudyFrames, ranking: Ranking) -> pd.DataFrame:
    """Return the ranked trials that the search drew: not trial 0 or enqueued ones."""
    ranked = ranking.ranked
    drawn: pd.DataFrame = ranked[ranked["trial"] > study.enqueued]
    return drawn


def _listed(trials: pd.DataFrame, ranked: pd.DataFrame) -> pd.DataFrame:
    unranked = trials[~trials["trial"].isin(ranked["trial"])]
    weight = unranked["status"].map({"completed": 0, "running": 1, "failed": 2})
    unranked = (
        unranked.assign(weight=weight)
        .sort_values(["weight", "trial"])
        .drop(columns="weight")
        .assign(place=float("nan"))
    )
    parts = [part for part in (ranked, unranked) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else unranked
