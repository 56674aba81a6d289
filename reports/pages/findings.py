"""The sentences and small tables of a study report.

No sentence here says "better": one run per config cannot show that. It says which
score is higher, by how much, and how wide the intervals are.
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

_NOTHING = 0.0005  # a fraction; a smaller one would be written as 0.0 points
_REASON = 240  # characters of an error message on the page
_OUT_OF_MEMORY = "out of memory"
_LITTLE = "less than 0.1 points"
_NUMBER = re.compile(r"\d+")


class Verdict(NamedTuple):
    """The first sentences of a report.

    Attributes:
        lead: Which trial is ahead, and by how much.
        support: How far that can be trusted, one sentence or two per entry.
    """

    lead: str
    support: tuple[str, ...]


class Reason(NamedTuple):
    """Failed trials with the same error.

    Attributes:
        error: The first line of the error.
        trials: How many trials failed with it.
        numbers: Their trial numbers, the first 8.
        lost: The time they took.
    """

    error: str
    trials: int
    numbers: str
    lost: str


def verdict(study: StudyFrames, ranking: Ranking) -> Verdict:
    """Say which trial has the best validation score, and by what margin."""
    if not ranking.by_validation:
        return _listing(study, ranking)
    if not len(ranking.ranked):
        return Verdict(_nothing(study, ranking), ())
    objective = study.objective
    ranked = ranking.ranked
    first = ranked.iloc[0]
    value = _with_interval(study, first)
    name = f"{_superlative(study)} {labels.metric(objective.name)}, {value}"
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
        others = f" and {len(tied) - 4} more" if len(tied) > 4 else ""
        lead = f"{labels.capital(names)}{others} share the {name}."
    else:
        side = "above" if objective.higher_is_better else "below"
        distance = (
            labels.points(margin) if objective.is_accuracy else labels.number(margin, 3)
        )
        lead = (
            f"{labels.capital(_who(first))} has the {name}. That is {distance} {side} "
            f"second place, {_who(ranked.iloc[1])}."
        )
    baseline = ranked[ranked["trial"] == BASELINE]
    named = {int(first["trial"]), int(ranked.iloc[1]["trial"])}
    if len(baseline) and BASELINE not in named:
        score = labels.score(objective, float(baseline["objective"].iloc[0]))
        lead += f" The baseline has {score}."
    return Verdict(lead, _caveats(study, ranking))


def luck(optimism: Optimism | None, trials: int) -> str:
    """Say by how much picking the best trial inflates its score; "" if unknown.

    If other trials may be equally good, also say what the amount would then be. Where
    the two amounts differ by more than is too small to matter, say that the images
    cannot tell them apart.
    """
    if optimism is None:
        return ""
    near, most = optimism.near, optimism.most
    value = min(optimism.value, most) if near else optimism.value
    amount = f"about {labels.points(value)}" if value >= _NOTHING else _LITTLE
    text = (
        f"Picking the best of {labels.count(trials)} inflates its validation accuracy "
        f"by {amount} ({_how(optimism)})"
    )
    if not near:
        return f"{text}."
    equal = f"if the {labels.count(near)} other trials that may be as good really are"
    if near == 1:
        equal = "if the one other trial that may be as good really is"
    if most - max(0.0, value) <= MARGIN:
        return f"{text}, or by {labels.points(most)} {equal}."
    return (
        f"{text}, or by up to {labels.points(most)} {equal}. "
        f"{labels.count(optimism.images)} images cannot tell which."
    )


def _how(optimism: Optimism) -> str:
    """Say how the inflation was estimated, and whether it covers luck in training."""
    images = "cross-validated over the images"
    if optimism.training_sd is None:
        return f"{images}; luck in training comes on top"
    measured = {
        "executions": "on the better half of these trials",
        "noise study": "by this study's tune noise",
    }
    source = measured[optimism.source or "executions"]
    return (
        f"{images}, and with a standard deviation of {100 * optimism.training_sd:.2f} "
        f"points between runs, measured {source}"
    )


def peaked_words(study: StudyFrames, ranking: Ranking) -> str:
    """Say which epoch a trial is scored at; "" if there are no learning curves."""
    early, known = peaked_earlier(ranking)
    if not known:
        return ""
    if study.patience:
        return (
            f"A run stopped after {labels.several(study.patience, 'epoch')} without a "
            "lower validation loss, or after its last epoch. It is scored at the epoch "
            "with the lowest loss."
        )
    if known == 1:
        when = "peaked earlier" if early else "did not peak earlier"
        return f"A trial is scored after its last epoch; the ranked one {when}."
    few = labels.count(early) if early else "none"
    return (
        "Trials are scored after their last epoch; "
        f"{few} of {labels.count(known)} peaked earlier."
    )


def harmful_overfitting(study: StudyFrames, ranking: Ranking) -> str:
    """Count the trials whose validation loss rose while their train loss fell.

    A wide gap alone does no harm; this does. Return "" if no trial has both losses.
    """
    is_ranked = study.epochs["trial"].isin(ranking.ranked["trial"])
    losses = study.epochs[is_ranked].dropna(subset=["loss", "val_loss"])
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
    is_single = len(ends) == 1
    total = f"{labels.count(len(ends))} ranked trials"
    if hurt.empty:
        if is_single:
            return "Validation loss did not rise at the end while train loss fell."
        return (
            f"In none of {total} did validation loss rise at the end while train loss "
            "fell."
        )
    worst = hurt.sort_values("rise").reset_index().iloc[-1]
    name = in_sentence(worst["trial"])
    rise = (
        f"from {labels.number(worst['val_loss'], 2)} after epoch {worst['epoch']:.0f} "
        f"to {labels.number(worst['val_loss_last'], 2)}."
    )
    trials = name if is_single else f"{labels.count(len(hurt))} of {total}"
    return (
        f"In {trials}, validation loss rose at the end while train loss fell: harmful "
        f"overfitting. It rose {'' if is_single else f'most in {name}, '}{rise}"
    )


def failures(study: StudyFrames) -> tuple[Reason, ...]:
    """Group the failed trials by the first line of their error, most frequent first.

    Lines that differ only in their numbers form one group, which shows the first.
    """
    failed = study.trials[study.trials["status"] == "failed"]
    groups = []
    for kind, rows in failed.groupby(failed["error"].map(_kind), sort=True):
        numbers = [str(t) for t in rows["trial"].head(8)]
        others = f" and {len(rows) - 8} more" if len(rows) > 8 else ""
        first = str(rows["error"].iloc[0])
        text = _OUT_OF_MEMORY if kind == _OUT_OF_MEMORY and len(rows) > 1 else first
        text = text if len(text) <= _REASON else f"{text[: _REASON - 1]}…"
        spent = float(rows["seconds"].fillna(0).sum())
        lost = labels.duration(spent or None)
        groups.append(Reason(text, len(rows), ", ".join(numbers) + others, lost))
    return tuple(sorted(groups, key=lambda g: -g.trials))


def time_lost(study: StudyFrames) -> str:
    """Say how much time the failed trials took; "" if none."""
    failed = study.trials[study.trials["status"] == "failed"]
    spent = float(failed["seconds"].fillna(0).sum())
    total = float(study.trials["seconds"].fillna(0).sum())
    if not spent:
        return ""
    return (
        f"{labels.several(len(failed), 'failed trial')} took {labels.duration(spent)} "
        f"of {labels.duration(total)} spent on trials."
    )


def notes(study: StudyFrames, ranking: Ranking) -> tuple[str, ...]:
    """List what a reader must know before the numbers.

    That is the study's own notes, the trials without a score and the unread files.
    """
    sentences = [str(note) for note in study.record.notes]
    if ranking.unscored:
        sentences.append(
            f"{labels.several(ranking.unscored, 'trial')} ended without a finite "
            f"{labels.metric(study.objective.name)} and "
            f"{'is' if ranking.unscored == 1 else 'are'} not ranked."
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
        scores = f"{labels.count(len(ranking.ranked))} scores"
        sentences.append(
            f"The {_superlative(study)} of {scores} is partly luck; the records cannot "
            "tell how much."
        )
    else:
        sentences.append(_seeds_sentence(study, ranking))
    return tuple(sentence for sentence in sentences if sentence)


def _rung_sentence(ranking: Ranking) -> str:
    epochs = f"trained for {ranking.epochs} epochs"
    if not ranking.shorter:
        return f"All finished trials {epochs}."
    return (
        f"Only trials that {epochs} are ranked; "
        f"{labels.several(ranking.shorter, 'shorter trial')} "
        f"{'is' if ranking.shorter == 1 else 'are'} left out."
    )


def _overlap_sentence(ranking: Ranking, near: pd.DataFrame) -> str:
    others = len(ranking.ranked) - 1
    if not len(near):
        any_of = f"any of the {labels.count(others)} other trials"
        trials = "the other trial" if others == 1 else any_of
        return f"Its interval does not overlap that of {trials}."
    if others == 1:
        close = "The other trial is too close to call: the intervals overlap."
    else:
        close = (
            f"{labels.count(len(near))} of the {labels.count(others)} other trials "
            f"{'is' if len(near) == 1 else 'are'} too close to call: the intervals "
            "overlap."
        )
    leader = ranking.ranked.iloc[0]
    smallest = near.sort_values(["params", "trial"]).iloc[0]
    if smallest["params"] < leader["params"]:
        which = "It" if len(near) == 1 else "The smallest network among them"
        return (
            f"{close} {which} is {_who(smallest)}, with "
            f"{labels.params(smallest['params'])} parameters against the leader's "
            f"{labels.params(leader['params'])}."
        )
    fewer = "It does not have" if len(near) == 1 else "None of them has"
    return f"{close} {fewer} fewer parameters than the leader."


def _seeds_sentence(study: StudyFrames, ranking: Ranking) -> str:
    most = int(ranking.ranked["executions"].max())
    n = len(ranking.ranked)
    if n < 2:
        return "It was trained once." if most == 1 else f"It was trained {most} times."
    by_luck = f"The {_superlative(study)} of {labels.count(n)} scores is partly luck."
    if most == 1:
        return (
            "The search trained each config once, so a small difference can be noise. "
            f"{by_luck}"
        )
    return (
        f"Each score is the mean of up to {most} runs. The intervals cover only the "
        f"choice of images. {by_luck}"
    )


def _superlative(study: StudyFrames) -> str:
    return "highest" if study.objective.higher_is_better else "lowest"


def _listing(study: StudyFrames, ranking: Ranking) -> Verdict:
    done = ranking.listed[ranking.listed["status"] == "completed"]
    if not len(done):
        return Verdict(_nothing(study, ranking), ())
    total = labels.several(len(done), "trial")
    tested = done[done["test_accuracy"].notna()]["test_accuracy"]
    reach = ""
    if len(tested):
        low, high = labels.percent(tested.min()), labels.percent(tested.max())
        reach = f" Test accuracy ranges from {low} to {high}."
    return Verdict(
        f"{total}, in the order they were declared.{reach} No winner is chosen.",
        (
            "The study trained on all training images, so it has no validation split.",
            "Choosing a winner by test accuracy would make that accuracy worthless.",
        ),
    )


def _nothing(study: StudyFrames, ranking: Ranking) -> str:
    status = study.trials["status"]
    failed = int((status == "failed").sum())
    if failed and failed == len(status):
        reason = failures(study)[0]
        trials = "The only trial" if failed == 1 else f"All {failed} trials"
        some = f", {reason.trials} of them with" if reason.trials < failed else ""
        return f"{trials} failed{some}: {reason.error}."
    if ranking.unscored:
        name = labels.metric(study.objective.name)
        return (
            f"{labels.several(ranking.unscored, 'trial')} finished without a finite "
            f"{name}."
        )
    if ranking.shorter:
        return (
            f"No trial has trained for all {ranking.epochs} epochs"
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
    return f"{text} (95 % interval {interval})"


def _who(row: pd.Series[Any]) -> str:
    return in_sentence(row["trial"])


def _kind(error: object) -> str:
    """Strip an error of its numbers, so that errors of one kind are equal."""
    text = " ".join(str(error).split())
    return _OUT_OF_MEMORY if _OUT_OF_MEMORY in text else _NUMBER.sub("#", text)
