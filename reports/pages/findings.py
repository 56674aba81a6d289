"""What a study's page says: frames in, sentences and small tables out.

A sentence here never says "better": one training each cannot show it. It says
which is higher, by how much, and how wide the intervals are.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pandas as pd

from reports.read import labels
from reports.read.study import StudyFrames
from reports.read.trial_names import BASELINE, in_sentence
from reports.stats.differences import MARGIN
from reports.stats.optimism import Optimism
from reports.stats.ranking import Ranking, overlapping, peaked_earlier

_NOTHING = 0.0005  # of a score: it would be written as 0.0 points
_REASON = 240  # characters of an error that a page repeats
_OUT_OF_MEMORY = "out of memory"
_NUMBER = re.compile(r"\d+")


class Verdict(NamedTuple):
    """The page's first words.

    Attributes:
        lead: One sentence: who is ahead, and by how much.
        support: Sentences that say how much that means.
    """

    lead: str
    support: tuple[str, ...]


class Reason(NamedTuple):
    """Failed trials that share a first error line."""

    error: str
    trials: int
    which: str
    lost: str


def verdict(study: StudyFrames, ranking: Ranking) -> Verdict:
    """Say which trial has the highest validation score, and by which margin."""
    if not ranking.by_validation:
        return _listing(study, ranking)
    if not len(ranking.ranked):
        return Verdict(_nothing(study, ranking), ())
    objective = study.objective
    superlative = "highest" if objective.higher_is_better else "lowest"
    ranked = ranking.ranked
    first = ranked.iloc[0]
    value = _with_interval(study, first)
    name = f"{superlative} {labels.metric(objective.name)}, {value}"
    if len(ranked) == 1:
        lead = (
            f"{labels.capital(_who(first))} is the only trial to rank so far: "
            f"{labels.metric(objective.name)} {value}."
        )
        return Verdict(lead, _caveats(study, ranking))
    margin = abs(float(first["objective"] - ranked.iloc[1]["objective"]))
    if margin == 0:
        tied = ranked[ranked["objective"] == first["objective"]]
        names = labels.listing([_who(row) for _, row in tied.head(4).iterrows()])
        more = f" and {len(tied) - 4} more" if len(tied) > 4 else ""
        lead = f"{labels.capital(names)}{more} share the {name}"
    else:
        side = "above" if objective.higher_is_better else "below"
        distance = (
            labels.points(margin) if objective.is_accuracy else labels.number(margin, 3)
        )
        lead = (
            f"{labels.capital(_who(first))} has the {name}, {distance} {side} the "
            f"next, {_who(ranked.iloc[1])}"
        )
    baseline = ranked[ranked["trial"] == BASELINE]
    named = {int(first["trial"]), int(ranked.iloc[1]["trial"])}
    if len(baseline) and BASELINE not in named:
        score = labels.score(objective, float(baseline["objective"].iloc[0]))
        lead += f"; the baseline has {score}"
    return Verdict(f"{lead}.", _caveats(study, ranking))


def luck(optimism: Optimism | None, trials: int) -> str:
    """Say how much of the first's score is luck, of what, where that was estimated.

    And that it cannot be told where the estimate and what it would be among equals
    lie further apart than what is too small to matter.
    """
    if optimism is None:
        return ""
    value = min(optimism.value, optimism.most) if optimism.near else optimism.value
    among = f"choosing among {labels.count(trials)}"
    amount = labels.points(value) if value >= _NOTHING else "next to nothing"
    others = labels.several(optimism.near, "other")
    as_good = f"that may be as good {'is' if optimism.near == 1 else 'are'}"
    most = f"{labels.points(optimism.most)} if the {others} {as_good}"
    if optimism.most - max(0.0, value) > MARGIN:
        return (
            f"Up to {labels.points(optimism.most)} of the first's validation accuracy "
            f"is luck of {among} (if the {others} {as_good}), or {amount} "
            f"({_how(optimism)}): {labels.count(optimism.images)} images cannot tell."
        )
    how = f"{_how(optimism)}; {most}" if optimism.near else _how(optimism)
    if value < _NOTHING:
        return (
            f"Luck of {among} is estimated to add {amount} to the first's validation "
            f"accuracy ({how})."
        )
    return (
        f"About {amount} of the first's validation accuracy is luck of {among} "
        f"({how}): the validation accuracy of the best is optimistic."
    )


def _how(optimism: Optimism) -> str:
    """Say how its luck was estimated, and which it covers."""
    images = "cross-validated over the images"
    if optimism.training_sd is None:
        return f"{images}; luck of its training comes on top"
    measured = {
        "executions": "the better half of these trials",
        "noise study": "the study's own tune noise",
    }
    where = measured[optimism.source or "executions"]
    return (
        f"{images}, and with a standard deviation of {100 * optimism.training_sd:.2f} "
        f"points between trainings, measured on {where}"
    )


def peaked_words(study: StudyFrames, ranking: Ranking) -> str:
    """Say which epoch counts, or nothing where no curve is known."""
    early, known = peaked_earlier(ranking)
    if not known:
        return ""
    if study.patience:
        return (
            f"A training stopped after {labels.several(study.patience, 'epoch')} "
            "without a lower validation loss, or after its last; it counts with the "
            "epoch where that loss was lowest."
        )
    if known == 1:
        when = "peaked earlier" if early else "did not peak earlier"
        return f"A trial counts after its last epoch; the one that is ranked {when}."
    few = labels.count(early) if early else "none"
    return (
        "Trials are ranked after their last epoch; "
        f"{few} of {labels.count(known)} peaked earlier."
    )


def harm(study: StudyFrames, ranking: Ranking) -> str:
    """Say where the validation loss rose while the train loss fell.

    That is overfitting that hurts, which a wide gap alone is not. Nothing where no
    trial has both losses.
    """
    of = study.epochs["trial"].isin(ranking.ranked["trial"])
    losses = study.epochs[of].dropna(subset=["loss", "val_loss"])
    if losses.empty:
        return ""
    mean = losses.groupby(["trial", "epoch"], as_index=False)[
        ["loss", "val_loss"]
    ].mean()
    by_trial = mean.groupby("trial")
    lowest = mean.loc[by_trial["val_loss"].idxmin()].set_index("trial")
    last = by_trial.last()
    ends = lowest.merge(last, left_index=True, right_index=True, suffixes=("", "_last"))
    ends["rise"] = ends["val_loss_last"] - ends["val_loss"]
    hurt = ends[(ends["rise"] > 0) & (ends["loss_last"] < ends["loss"])]
    of_all = labels.several(len(ends), "ranked trial")
    harmed = "Validation loss rose at the end while train loss fell, which hurts, in"
    if hurt.empty:
        return (
            f"{harmed} {'no ranked trial' if len(ends) == 1 else f'none of {of_all}'}."
        )
    most = hurt.sort_values("rise").reset_index().iloc[-1]
    name = in_sentence(most["trial"])
    rise = (
        f"from {labels.number(most['val_loss'], 2)} after epoch {most['epoch']:.0f} "
        f"to {labels.number(most['val_loss_last'], 2)}."
    )
    if len(ends) == 1:
        return f"{harmed} {name}, {rise}"
    return f"{harmed} {labels.count(len(hurt))} of {of_all}; most in {name}, {rise}"


def failures(study: StudyFrames) -> tuple[Reason, ...]:
    """Group the failed trials by their error's first line, most frequent first.

    Lines that differ in their numbers alone are one, shown as the first had it.
    """
    failed = study.trials[study.trials["status"] == "failed"]
    groups = []
    for kind, rows in failed.groupby(failed["error"].map(_kind), sort=True):
        numbers = [str(t) for t in rows["trial"].head(8)]
        more = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
        first = str(rows["error"].iloc[0])
        text = _OUT_OF_MEMORY if kind == _OUT_OF_MEMORY and len(rows) > 1 else first
        text = text if len(text) <= _REASON else f"{text[: _REASON - 1]}…"
        spent = float(rows["seconds"].fillna(0).sum())
        lost_ = labels.duration(spent or None)
        groups.append(Reason(text, len(rows), ", ".join(numbers) + more, lost_))
    return tuple(sorted(groups, key=lambda g: -g.trials))


def lost(study: StudyFrames) -> str:
    """Say what the failed trials cost, or nothing."""
    failed = study.trials[study.trials["status"] == "failed"]
    spent = float(failed["seconds"].fillna(0).sum())
    whole = float(study.trials["seconds"].fillna(0).sum())
    if not spent:
        return ""
    return (
        f"{labels.duration(spent)} of {labels.duration(whole)} in trials went to "
        f"{labels.several(len(failed), 'failed trial')}."
    )


def notes(study: StudyFrames, ranking: Ranking) -> tuple[str, ...]:
    """Say what a reader must know before the numbers: the study's notes, and ours."""
    sentences = [str(note) for note in study.record.notes]
    if ranking.unscored:
        sentences.append(
            f"{labels.several(ranking.unscored, 'trial')} ended without a finite "
            f"{labels.metric(study.objective.name)} and "
            f"{'has' if ranking.unscored == 1 else 'have'} no place."
        )
    return (*sentences, *study.unread)


def _caveats(study: StudyFrames, ranking: Ranking) -> tuple[str, ...]:
    sentences = []
    if ranking.epochs is not None:
        sentences.append(_rung_sentence(ranking))
    near = overlapping(ranking)
    if study.has_intervals and len(ranking.ranked) > 1:
        sentences.append(_overlap_sentence(ranking, near))
    if study.is_imported:
        first = f"The first of {labels.count(len(ranking.ranked))}"
        sentences.append(
            f"{first} is partly first by luck; by how much cannot be said."
        )
    else:
        sentences.append(_seeds_sentence(ranking))
    return tuple(sentence for sentence in sentences if sentence)


def _rung_sentence(ranking: Ranking) -> str:
    epochs = f"{ranking.epochs} epochs"
    if not ranking.shorter:
        return f"All finished trials had {epochs}."
    have = "trial that had" if ranking.shorter == 1 else "trials that had"
    return (
        f"Only trials with {epochs} are ranked; {ranking.shorter} {have} fewer "
        f"{'is' if ranking.shorter == 1 else 'are'} left out."
    )


def _overlap_sentence(ranking: Ranking, near: pd.DataFrame) -> str:
    others = labels.count(len(ranking.ranked) - 1)
    if not len(near):
        return f"No other trial's interval overlaps its interval ({others} ranked)."
    overlaps = (
        f"{labels.count(len(near))} of the {others} other intervals overlap its "
        "interval"
    )
    if others == "1":
        overlaps = "The other trial's interval overlaps its interval"
    elif len(near) == 1:
        overlaps = f"1 of the {others} other intervals overlaps its interval"
    leader = ranking.ranked.iloc[0]
    smallest = near.sort_values(["params", "trial"]).iloc[0]
    if smallest["params"] < leader["params"]:
        return (
            f"{overlaps}; the smallest network among them is {_who(smallest)}, "
            f"{labels.params(smallest['params'])} parameters against "
            f"{labels.params(leader['params'])}."
        )
    return f"{overlaps}; none of them has fewer parameters."


def _seeds_sentence(ranking: Ranking) -> str:
    most = int(ranking.ranked["executions"].max())
    n = len(ranking.ranked)
    if n < 2:
        return "It was trained once." if most == 1 else f"It was trained {most} times."
    if most == 1:
        return (
            "In the search each was trained once, so a small difference can be noise, "
            f"and the first of {labels.count(n)} is partly first by luck."
        )
    return (
        f"Each score is the mean of up to {most} trainings; the intervals cover "
        f"the choice of images only, and the first of {n} is partly first by luck."
    )


def _listing(study: StudyFrames, ranking: Ranking) -> Verdict:
    done = ranking.listed[ranking.listed["status"] == "completed"]
    if not len(done):
        return Verdict(_nothing(study, ranking), ())
    total = labels.several(len(done), "trial")
    tested = done[done["test_accuracy"].notna()]["test_accuracy"]
    reach = ""
    if len(tested):
        low, high = labels.percent(tested.min()), labels.percent(tested.max())
        reach = f"; test accuracies lie between {low} and {high}"
    return Verdict(
        f"{total}, in the order they were declared{reach}. No winner is chosen.",
        (
            "All training images were used, so there is no validation split.",
            "A choice by test accuracy would make test accuracy worthless.",
        ),
    )


def _nothing(study: StudyFrames, ranking: Ranking) -> str:
    status = study.trials["status"]
    failed = int((status == "failed").sum())
    if failed and failed == len(status):
        reasons = failures(study)
        most = f"{reasons[0].error} ({reasons[0].trials})"
        every = "The only trial" if failed == 1 else f"All {failed} trials"
        return f"{every} failed; the most frequent reason: {most}."
    if ranking.unscored:
        name = labels.metric(study.objective.name)
        return (
            f"{labels.several(ranking.unscored, 'trial')} finished, and none has "
            f"a finite {name}."
        )
    if ranking.shorter:
        return (
            f"No trial has had the full {ranking.epochs} epochs"
            f"{' yet' if study.state == 'running' else ''}; "
            f"{labels.several(ranking.shorter, 'shorter one')} cannot be ranked."
        )
    if study.state == "running":
        return "No trial has finished yet."
    return "No trial finished before this study ended."


def _with_interval(study: StudyFrames, row: pd.Series[Any]) -> str:
    text = labels.score(study.objective, float(row["objective"]))
    if pd.isna(row["objective_low"]):
        return text
    interval = labels.interval(row["objective_low"], row["objective_high"])
    return f"{text} (interval {interval})"


def _who(row: pd.Series[Any]) -> str:
    return in_sentence(row["trial"])


def _kind(error: object) -> str:
    """Take the part of an error that trials share: it has no numbers."""
    text = " ".join(str(error).split())
    return _OUT_OF_MEMORY if _OUT_OF_MEMORY in text else _NUMBER.sub("#", text)
