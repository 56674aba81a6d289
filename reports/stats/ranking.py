"""Which trials may be ranked together, and in what order; test is never asked."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from reports.read.study import Study
from reports.stats import intervals


class Ranking(NamedTuple):
    """The trials of a study, in order.

    Attributes:
        ranked: Rows of `Study.trials` with `place` from 1, `objective_low` and
            `objective_high` (its interval, missing for a loss), `gap_half`.
        listed: All trials: the ranked first, then completed ones without a
            place, then running, then failed ones; `place` missing where none.
        epochs: Under Hyperband the epochs of the rung that is ranked, else None.
        shorter: Completed trials of shorter rungs, which are left out.
        unscored: Completed trials without a finite score, which are left out.
        by_validation: False where nothing may be chosen: `ranked` is then empty
            and `listed` has the trials in their declared order.
    """

    ranked: pd.DataFrame
    listed: pd.DataFrame
    epochs: int | None
    shorter: int
    unscored: int
    by_validation: bool


def rank(study: Study) -> Ranking:
    """Rank the completed trials by the study's validation objective.

    Ties go to fewer parameters, then to the lower trial number. Under Hyperband
    only trials of the last rung are ranked: fewer epochs are no result.
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
    scored = completed[completed["objective"].notna()]
    epochs = None
    ranked = scored
    if study.has_rungs and len(scored):
        last = study.record.settings.epochs
        epochs = int(last if isinstance(last, int) else scored["epochs"].max())
        ranked = scored[scored["epochs"] >= epochs]
    ranked = _in_order(ranked, higher_is_better=study.objective.higher_is_better)
    ranked = ranked.assign(place=range(1, len(ranked) + 1))
    return Ranking(
        ranked=ranked,
        listed=_listed(trials, ranked),
        epochs=epochs,
        shorter=len(scored) - len(ranked),
        unscored=len(completed) - len(scored),
        by_validation=True,
    )


def searched(study: Study, ranking: Ranking) -> pd.DataFrame:
    """Take the ranked trials that the search drew: not trial 0, nor enqueued ones."""
    ranked = ranking.ranked
    drawn: pd.DataFrame = ranked[ranked["trial"] > study.enqueued]
    return drawn


def _in_order(trials: pd.DataFrame, *, higher_is_better: bool) -> pd.DataFrame:
    return trials.sort_values(
        ["objective", "params", "trial"],
        ascending=[not higher_is_better, True, True],
        na_position="last",
        ignore_index=True,
    )


def _listed(trials: pd.DataFrame, ranked: pd.DataFrame) -> pd.DataFrame:
    rest = trials[~trials["trial"].isin(ranked["trial"])]
    weight = rest["status"].map({"completed": 0, "running": 1, "failed": 2})
    rest = (
        rest.assign(weight=weight)
        .sort_values(["weight", "trial"])
        .drop(columns="weight")
        .assign(place=float("nan"))
    )
    parts = [part for part in (ranked, rest) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else rest
