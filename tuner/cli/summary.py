"""A study as plain values for JSON, and as lines for the terminal."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from tuner.study import rungs, words
from tuner.study.descriptions import SpaceRecord
from tuner.study.folder import Study, finished_network
from tuner.study.objective import Objective
from tuner.study.ranking import best_first, score
from tuner.study.records import MEASURES, Execution, TrialRecord
from tuner.study.schema import SCHEMA
from tuner.system import locks, numbers
from tuner.system.tables import blocks, table

_Row = tuple[str, ...]
_ROW_LINES = 2  # a trial's config, or why it failed, wraps to at most this many


def state(study: Study) -> str:
    """Return a study's state; a search that was killed counts as interrupted."""
    stored = study.record.state
    if stored == "running" and not locks.is_held(study.folder):
        return "interrupted"
    return stored


def has_result(study: Study) -> bool:
    """Whether a trial was completed; the baseline counts only if it is the only one."""
    trials = study.trials.values()
    proposed = [t for t in trials if t.trial or not study.record.settings.baseline]
    return any(t.status == "completed" for t in proposed or trials)


def _status(study: Study, trial: TrialRecord) -> str:
    """Return a trial's status; "cut off" if its session ended while it trained."""
    if trial.status == "running" and state(study) != "running":
        return "cut off"
    return trial.status


def trial_object(trial: TrialRecord) -> dict[str, Any]:
    """Return a trial as plain values, averaged over its executions.

    `gap` is train_accuracy - test_accuracy; accuracies and gap are fractions. Other
    metrics that a user's model compiles come under their names, such as `val_auc`.
    """
    user_metrics = {name: None for e in trial.executions for name in e.metrics}
    means = {name: score(trial, name) for name in (*MEASURES, *user_metrics)}
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
    """Return a study as plain values; `best` is its best trial by validation."""
    ranked = best_first(study.trials.values(), study.record.settings)
    page = study.folder / "report.html"
    return {
        "schema": SCHEMA,
        "study": study.name,
        "status": state(study),
        "precision": study.record.settings.precision,
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
    """Return the lines that sum up a search when it ends."""
    trials = study.trials.values()
    statuses = Counter(t.status for t in trials)
    failures = Counter((t.error or "").split(":")[0] for t in trials if t.error)
    parts = [f"{statuses['completed']} completed"]
    if failures:
        reasons = ", ".join(f"{reason} x{n}" for reason, n in failures.most_common(3))
        parts.append(f"{statuses['failed']} failed: {reasons}")
    if statuses["running"]:
        parts.append(f"{statuses['running']} unfinished")
    duration = numbers.duration(study.record.seconds)
    trials_ran = words.several(len(study.trials), "trial")
    lines = [f"{trials_ran} in {duration} ({', '.join(parts)})"]
    if study.record.rejected:
        reasons = ", ".join(f"{n} {why}" for why, n in study.record.rejected.items())
        lines.append(f"Rejected configs: {reasons}")
    ranked = best_first(trials, study.record.settings)
    if ranked:
        lines.append(f"Best  {_one_line(ranked[0], study.objective)}")
        if len(ranked) > 1:
            lines.append(f"      {_margin(study, ranked)}")
    return lines + rungs.sentences(list(trials), study.record.settings)


def next_step(study: Study) -> str | None:
    """Return the commands to run after a search; None if no trial is ranked.

    `confirm` needs a ranked trial besides the baseline.
    """
    ranked = best_first(study.trials.values(), study.record.settings)
    if not ranked:
        return None
    last = last_step(study)
    if not any(trial.trial for trial in ranked):
        return last
    return f"{study.command('confirm')} (is it real?) or {last}"


def last_step(study: Study, number: int | None = None) -> str:
    """Return the command that trains a search's finished network, or exports it.

    Args:
        study: A search with a completed trial.
        number: The trial to train; None for the best by validation, or for whichever
            trial has been trained.
    """
    final = finished_network(study)
    which = "the best" if number is None else "it"
    if final is None:
        trial = () if number is None else (number,)
        return f"{study.command('finish', *trial)} (train {which} on all images)"
    name = final.record.settings.candidates[0].name
    if number is None or name == words.candidate(study.trials[number]):
        return f"{study.command('export')} (the finished network)"
    command = study.command("finish", number, "--overwrite")
    return f"{command} (the finished network is {name})"


def list_lines(studies: list[Study], width: int | None = None) -> list[str]:
    """Return a table of studies, in lines of at most `width` characters."""
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
    """Return a table of a study's trials: ranked ones, best first, then the others."""
    record = study.record
    ranked = best_first(study.trials.values(), record.settings)
    unranked = [t for _, t in sorted(study.trials.items()) if t not in ranked]
    objective = study.objective
    chosen_by = () if objective.is_accuracy else (objective.name,)
    rows: list[_Row] = [
        ("trial", *chosen_by, "val %", "test %", "gap", "params", "time", "config")
    ]
    rows += [
        _trial_row(trial, record.space, chosen_by, _status(study, trial))
        for trial in ranked + unranked
    ]
    mixed = ", bfloat16" * (record.settings.precision == "bfloat16")
    lines = [f"Study {study.name}, {state(study)}{mixed}"]
    lines += table(rows, width, lines=_ROW_LINES)
    if record.settings.kind == "final":
        pass  # a single network, which nothing ranks
    elif unranked and not record.data.validation:
        lines.append("Without validation images, no trial is ranked or chosen.")
    elif unranked:
        lines.append(
            f"{words.several(len(unranked), 'trial')} not ranked: failed, unfinished "
            "or eliminated early."
        )
    lines += rungs.sentences(list(study.trials.values()), record.settings)
    lines += [
        f"{path.name} cannot be read; resuming runs its trial again."
        for path in study.quarantined
    ]
    return lines


def trial_lines(
    study: Study, trial: TrialRecord, width: int | None = None
) -> list[str]:
    """Return one trial's config, every epoch of its runs, and their results."""
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
        lines += ["", f"run {e.execution}, seed {e.seed}", *blocks(rows, width)]
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
    """Return lines on the state that a run resumed from and the epoch it kept."""
    lines = []
    if execution.continued_from:
        trial = execution.continued_trial
        source = "its own state" if trial is None else f"trial {trial}'s state"
        lines.append(f"resumed from {source} after epoch {execution.continued_from}")
    if execution.best_epoch not in {None, execution.epochs}:
        lines.append(
            f"kept epoch {execution.best_epoch} of {execution.epochs}, where the "
            "validation loss was lowest"
        )
    return lines


def _one_line(trial: TrialRecord, objective: Objective) -> str:
    facts = trial_object(trial)
    accuracy, value = facts["val_accuracy"], score(trial, objective.name)
    name = f" ({trial.name})" if trial.name else ""
    return (
        f"trial {trial.trial}{name}   {words.validation(objective, accuracy, value)} %"
        f"   test {words.points(facts['test_accuracy'])} %"
        f"   gap {words.points(facts['gap'], signed=True)}"
        f"   {numbers.params(facts['params'])} parameters"
    )


def _margin(study: Study, ranked: list[TrialRecord]) -> str:
    objective = study.objective
    first, second = (score(t, objective.name) or 0.0 for t in ranked[:2])
    if first == second:
        return f"tied with trial {ranked[1].trial} on {objective.name}"
    if objective.is_accuracy:
        ahead = f"{words.points(first - second)} points"
    else:
        ahead = f"{abs(first - second):.4f}"
    runs = study.record.settings.executions
    trained = "once" if runs == 1 else f"{runs} times"
    second_best = f"trial {ranked[1].trial}"
    return f"{ahead} ahead of {second_best} on {objective.name}, each trained {trained}"


def _trial_row(
    trial: TrialRecord,
    space: SpaceRecord,
    chosen_by: tuple[str, ...],
    status: str,
) -> _Row:
    facts = trial_object(trial)
    description = trial.error or words.trial(trial, space)
    return (
        str(trial.trial),
        *(numbers.number(score(trial, name), 4) for name in chosen_by),
        words.points(facts["val_accuracy"]),
        words.points(facts["test_accuracy"]),
        words.points(facts["gap"], signed=True),
        numbers.params(facts["params"]),
        numbers.duration(facts["seconds"]),
        description if trial.status != "running" else f"({status}) {description}",
    )
