"""A study in plain values and in lines for the terminal."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from tuner.study import rungs, words
from tuner.study.folder import Study
from tuner.study.objective import Objective
from tuner.study.ranking import best_first, score
from tuner.study.records import MEASURES, SCHEMA, Execution, SpaceRecord, TrialRecord
from tuner.system import locks, numbers
from tuner.system.tables import blocks, table

_Row = tuple[str, ...]
_ROW_LINES = 2  # of a trial in a table: its config, or why it failed


def state(study: Study) -> str:
    """Say how a study stands; one whose driver was killed is interrupted."""
    stored = study.record.state
    if stored == "running" and not locks.is_held(study.folder):
        return "interrupted"
    return stored


def has_result(study: Study) -> bool:
    """Whether a trial besides the baseline was completed, where any was trained."""
    trials = study.trials.values()
    rest = [t for t in trials if t.trial or not study.record.settings.baseline]
    return any(t.status == "completed" for t in rest or trials)


def _status(study: Study, trial: TrialRecord) -> str:
    """Say how a trial stands; what nobody trains any more is cut off."""
    if trial.status == "running" and state(study) != "running":
        return "cut off"
    return trial.status


def trial_object(trial: TrialRecord) -> dict[str, Any]:
    """Give a trial as plain values, means over its executions.

    `gap` is train_accuracy - test_accuracy; accuracies and gap are fractions. What a
    user's own network compiles besides is there as `val_auc` is.
    """
    others = {name: None for e in trial.executions for name in e.metrics}
    means = {name: score(trial, name) for name in (*MEASURES, *others)}
    train, test = means["train_accuracy"], means["test_accuracy"]
    return {
        "trial": trial.trial,
        "name": trial.name,
        "status": trial.status,
        "config": dict(trial.config),
        **means,
        "gap": train - test if train is not None and test is not None else None,
        "epochs": trial.rungs[-1].epochs if trial.rungs else None,
        "params": trial.executions[0].params if trial.executions else None,
        "seconds": sum(e.seconds for e in trial.executions),
        "seeds": [e.seed for e in trial.executions],
        "error": trial.error,
    }


def study_object(study: Study) -> dict[str, Any]:
    """Give a study as plain values, its best trial by validation or None."""
    ranked = best_first(study.trials.values(), study.record.settings)
    page = study.folder / "report.html"
    return {
        "schema": SCHEMA,
        "study": study.name,
        "status": state(study),
        "objective": dataclasses.asdict(study.objective),
        "trials": [trial_object(t) for _, t in sorted(study.trials.items())],
        "best": trial_object(ranked[0]) if ranked else None,
        "rejected": dict(study.record.rejected),
        "notes": list(study.record.notes),
        "rungs": [
            a._asdict()
            for a in rungs.agreements(study.trials.values(), study.record.settings)
        ],
        "audit": _audit(study),
        "unreadable": [path.name for path in study.quarantined],
        "seconds": study.record.seconds,
        "report": str(page) if page.exists() else None,
    }


def _audit(study: Study) -> dict[str, Any] | None:
    outcome = rungs.audit(study.trials.values(), study.record.settings)
    return outcome._asdict() if outcome else None


def ending(study: Study) -> list[str]:
    """Sum a search up when it ends."""
    trials = study.trials.values()
    statuses = Counter(t.status for t in trials)
    failures = Counter((t.error or "").split(":")[0] for t in trials if t.error)
    parts = [f"{statuses['completed']} ok"]
    if failures:
        reasons = ", ".join(f"{reason} x{n}" for reason, n in failures.most_common(3))
        parts.append(f"{statuses['failed']} failed: {reasons}")
    if statuses["running"]:
        parts.append(f"{statuses['running']} to go on with")
    took = numbers.duration(study.record.seconds)
    number = len(study.trials)
    trials_ran = f"{number} trial{'' if number == 1 else 's'}"
    lines = [f"{trials_ran} in {took} ({', '.join(parts)})"]
    if study.record.rejected:
        reasons = ", ".join(f"{n} {why}" for why, n in study.record.rejected.items())
        lines.append(f"Not proposed: {reasons}")
    ranked = best_first(trials, study.record.settings)
    if ranked:
        lines.append(f"Best  {_one_line(ranked[0], study.objective)}")
        if len(ranked) > 1:
            lines.append(f"      {_margin(study, ranked)}")
    return lines + rungs.sentences(list(trials), study.record.settings)


def may_confirm(study: Study) -> bool:
    """Whether something was chosen that fresh seeds could confirm."""
    ranked = best_first(study.trials.values(), study.record.settings)
    return any(trial.trial for trial in ranked)


def list_lines(studies: list[Study], width: int | None = None) -> list[str]:
    """Give a table of studies, of lines of at most `width`."""
    rows: list[_Row] = [("study", "status", "trials", "best val %", "test %")]
    for study in studies:
        ranked = best_first(study.trials.values(), study.record.settings)
        done = sum(t.status != "running" for t in study.trials.values())
        rows.append(
            (
                study.name,
                state(study) + ", damaged" * bool(study.quarantined),
                str(done),
                words.points(score(ranked[0], "val_accuracy") if ranked else None),
                words.points(score(ranked[0], "test_accuracy") if ranked else None),
            )
        )
    return table(rows, width)


def study_lines(study: Study, width: int | None = None) -> list[str]:
    """Give a study's trials, best first, then those that are not ranked."""
    record = study.record
    ranked = best_first(study.trials.values(), record.settings)
    rest = [t for _, t in sorted(study.trials.items()) if t not in ranked]
    objective = study.objective
    chosen_by = () if objective.is_accuracy else (objective.name,)
    rows: list[_Row] = [
        ("trial", *chosen_by, "val %", "test %", "gap", "params", "time", "config")
    ]
    rows += [
        _trial_row(trial, record.space, chosen_by, _status(study, trial))
        for trial in ranked + rest
    ]
    unranked = len(study.trials) - len(ranked)
    shown = table(rows, width, lines=_ROW_LINES)
    lines = [f"Study {study.name}, {state(study)}", *shown]
    if unranked and not record.data.validation:
        lines.append("Without validation images no trial is ranked or chosen.")
    elif unranked:
        lines.append(
            f"{words.several(unranked, 'trial')} without a rank: failed, unfinished "
            "or cut short."
        )
    lines += rungs.sentences(list(study.trials.values()), record.settings)
    lines += [
        f"{p.name} cannot be read; a resume runs it again." for p in study.quarantined
    ]
    return lines


def trial_lines(
    study: Study, trial: TrialRecord, width: int | None = None
) -> list[str]:
    """Give one trial in full."""
    lines = [f"Trial {trial.trial} of {study.name}, {_status(study, trial)}"]
    if trial.error:
        lines.append(f"error  {trial.error}")
    lines += [f"{name:<14} {value}" for name, value in trial.config.items()]
    for e in trial.executions:
        rows: list[_Row] = [("epoch", *e.history)]
        rows += [
            (str(i + 1), *(f"{values[i]:.4f}" for values in e.history.values()))
            for i in range(e.epochs)
        ]
        lines += ["", f"execution {e.execution}, seed {e.seed}", *blocks(rows, width)]
        if e.is_final:
            lines.append(
                f"final: train {words.points(e.train_accuracy)} %, "
                f"validation {words.points(e.val_accuracy)} %, "
                f"test {words.points(e.test_accuracy)} %, "
                f"{numbers.params(e.params)} parameters, {numbers.duration(e.seconds)}"
            )
            lines += [f"       {name} {value:.4f}" for name, value in e.metrics.items()]
        lines += _origin(e)
    return lines


def _origin(execution: Execution) -> list[str]:
    """Say what a training went on from, and which epoch it kept."""
    said = []
    if execution.continued_from:
        trial = execution.continued_trial
        whose = "its own state" if trial is None else f"trial {trial}'s state"
        said.append(f"went on from {whose} after epoch {execution.continued_from}")
    if execution.best_epoch not in {None, execution.epochs}:
        said.append(
            f"kept epoch {execution.best_epoch} of {execution.epochs}, where the "
            "validation loss was lowest"
        )
    return said


def _one_line(trial: TrialRecord, objective: Objective) -> str:
    facts = trial_object(trial)
    accuracy, value = facts["val_accuracy"], score(trial, objective.name)
    return (
        f"trial {trial.trial}   {words.validation(objective, accuracy, value)} %"
        f"   test {words.points(facts['test_accuracy'])} %"
        f"   gap {words.points(facts['gap'], signed=True)}"
        f"   {numbers.params(facts['params'])} parameters"
    )


def _margin(study: Study, ranked: list[TrialRecord]) -> str:
    objective = study.objective
    first, second = (score(t, objective.name) or 0.0 for t in ranked[:2])
    if first == second:
        return f"level with trial {ranked[1].trial} in {objective.name}"
    if objective.is_accuracy:
        ahead = f"{words.points(first - second)} points"
    else:
        ahead = f"{abs(first - second):.4f}"
    runs = study.record.settings.executions
    trained = "once" if runs == 1 else f"{runs} times"
    second_best = f"trial {ranked[1].trial}"
    return f"{ahead} ahead of {second_best} in {objective.name}, each trained {trained}"


def _trial_row(
    trial: TrialRecord,
    space: SpaceRecord,
    chosen_by: tuple[str, ...],
    status: str,
) -> _Row:
    facts = trial_object(trial)
    what = trial.error or words.trial(trial, space)
    return (
        str(trial.trial),
        *(numbers.number(score(trial, name), 4) for name in chosen_by),
        words.points(facts["val_accuracy"]),
        words.points(facts["test_accuracy"]),
        words.points(facts["gap"], signed=True),
        numbers.params(facts["params"]),
        numbers.duration(facts["seconds"]),
        what if trial.status != "running" else f"({status}) {what}",
    )
