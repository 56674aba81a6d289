"""Facts about a study and how to use it again, as pairs of label and value."""

from __future__ import annotations

import datetime as dt
import itertools
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from reports.read import labels
from reports.read.study import StudyFrames
from reports.read.trial_names import in_sentence
from reports.stats import speed as speeds
from reports.stats.ranking import Ranking
from tuner.export.snippet import load_snippet
from tuner.study.descriptions import DataRecord
from tuner.study.records import StudyRecord

if TYPE_CHECKING:
    from reports.pages.final import Final


class Use(NamedTuple):
    """How to export a model and use it.

    Attributes:
        who: The trial in words, for example "trial 7, ranked first".
        export: The export command.
        snippet: Python code that loads the exported model.
        note: What else is needed, or "".
        config: Hyperparameters and their values, as text.
    """

    who: str
    export: str
    snippet: str
    note: str
    config: tuple[tuple[str, str], ...]


_KINDS = {
    "confirm": "finalists on fresh seeds",
    "try": "changes compared on several seeds",
    "noise": "one config, many seeds",
    "final": "the finished network of its parent study",
}


def status(study: StudyFrames) -> str:
    """Say how far the study got: "interrupted, 23 of 40 trials".

    A search with --in ends by its clock, so it has no target number of trials:
    "completed, 15 trials and the baseline, planned for 30m00s".
    """
    ended = study.trials["status"].isin(["completed", "failed"])
    done = int(ended.sum())
    failed = int((study.trials["status"] == "failed").sum())
    planned = study.record.plan.trials
    has_baseline = bool((ended & (study.trials["trial"] == 0)).any())
    planned_s = study.record.settings.in_s
    if study.candidates:
        configs = labels.several(len(study.candidates), "config")
        progress = f"{labels.count(done)} of {configs}"
    elif isinstance(planned, int) and not study.has_rungs:
        searched = max(done - has_baseline, 0)
        progress = f"{labels.count(searched)} of {labels.several(planned, 'trial')}"
        progress = labels.several(searched, "trial") if planned_s else progress
        progress += " and the baseline" if has_baseline else ""
    else:
        progress = labels.several(done, "trial")
    parts = [study.state, progress, *([f"{failed} failed"] if failed else [])]
    if planned_s:
        parts.append(f"planned for {labels.duration(planned_s)}")
    return ", ".join(parts)


def about(study: StudyFrames) -> tuple[tuple[str, str], ...]:
    """List the study's space, algorithm, data, epochs, seed, device and times."""
    record, data, settings = study.record, study.record.data, study.record.settings
    seconds = float(study.trials["seconds"].fillna(0).sum())
    epochs = record.plan.epochs
    clock, in_trials = labels.duration(record.seconds), labels.duration(seconds)
    how = [
        ("Space", _space(study)),
        ("Algorithm", _algorithm(study)),
        (
            "Ranked by",
            labels.metric(study.objective.name)
            if study.has_validation
            else "nothing; listed in declared order",
        ),
        ("Seeds per trial", str(settings.executions)),
    ]
    if study.is_imported:
        return (*how[:3], ("Last written", _when(record.created)))
    if study.candidates:
        seeds = sorted({candidate.seeds for candidate in study.candidates})
        how = [
            ("Kind", _KINDS.get(study.kind, study.kind)),
            ("Seeds", labels.listing([str(n) for n in seeds])),
        ]
    rows = [
        *how,
        ("Data", _data(data)),
        ("Epochs", _epochs(record, epochs)),
        ("Study seed", str(settings.seed)),
        ("Device", _device(record.hardware)),
        ("Precision", _precision(settings.precision)),
        ("Time", f"{clock} in all; the trials' times add up to {in_trials}"),
        ("Started", _when(record.created)),
    ]
    speed = speeds.speed(study)
    if speed:
        rows.insert(-1, ("Speed", speeds.words(speed)))
    if settings.base_study:
        rows.insert(1, ("Baseline", f"the best trial of {settings.base_study}"))
    if study.enqueued:
        configs = labels.several(study.enqueued, "config")
        rows.insert(2, ("Enqueued", f"{configs}, tried before the search's own"))
    if record.rejected:
        reasons = [f"{reason}: {n}" for reason, n in record.rejected.items()]
        rows.append(("Rejected proposals", ", ".join(reasons)))
    return tuple(rows)


def environment(study: StudyFrames) -> tuple[tuple[str, str], ...]:
    """List versions, hardware and commit, for anyone who runs the study again."""
    hardware = study.record.hardware
    rows = [(name, str(version)) for name, version in study.record.versions.items()]
    rows += [
        (name, str(hardware[name])) for name in ("cpu", "cores") if hardware.get(name)
    ]
    memory = hardware.get("memory_bytes")
    if isinstance(memory, int | float):
        rows.append(("memory", f"{labels.number(memory / 1024**3, 1)} GiB"))
    if study.record.commit:
        rows.append(("commit", study.record.commit[:12]))
    rows.append(("data", study.record.data.fingerprint[:12] or labels.MISSING))
    return tuple(rows)


def use(study: StudyFrames, ranking: Ranking) -> Use | None:
    """Say how to export the top trial; return None if no trial has finished."""
    top = ranking.ranked.head(1)
    role = "ranked first"
    if not len(top):
        done = ranking.listed[ranking.listed["status"] == "completed"]
        top, role = done.head(1), "as an example"
    if not len(top):
        return None
    trial = int(top["trial"].iloc[0])
    config = dict(study.configs.loc[trial].dropna())
    return _use(study, f"{in_sentence(trial)}, {role}", (str(trial),), config)


def use_final(study: StudyFrames, network: Final) -> Use | None:
    """Say how to export a finished network; return None if it is not trained yet.

    Args:
        study: Its own study, or the search.
        network: The network.
    """
    if network.test_accuracy is None:
        return None
    return _use(study, network.how, (), network.config)


def _use(
    study: StudyFrames, who: str, trial: tuple[str, ...], config: Mapping[str, Any]
) -> Use:
    return Use(
        who=who,
        export=command(study, "export", *trial, "-o", "model.keras"),
        snippet=load_snippet("model.keras", study.record.data),
        note="If the model has your own layers, export also prints how to load them."
        if study.record.space.user_code is not None
        else "",
        config=tuple((str(key), labels.value(value)) for key, value in config.items()),
    )


def command(study: StudyFrames, verb: str, *words: str) -> str:
    """Write a command about a study, with the --directory of the study's command."""
    line = shlex.join(["tune", verb, study.name, *words])
    try:
        study_words = shlex.split(study.record.command)
    except ValueError:
        return line
    for word, value in itertools.pairwise([*study_words, ""]):
        if word == "--directory" and value:
            return f"{line} --directory {shlex.quote(value)}"
        if word.startswith("--directory="):
            return f"{line} --directory {shlex.quote(word.partition('=')[2])}"
    return line


def _algorithm(study: StudyFrames) -> str:
    if study.record.space.is_published:
        return "none; all configs in order"
    if study.algorithm is None:
        return study.record.settings.algorithm
    return study.algorithm.label


def _space(study: StudyFrames) -> str:
    space = study.record.space
    size = f", {labels.count(space.size)} distinct configs" if space.size else ""
    return f"{space.name}{size}"


def _data(data: DataRecord) -> str:
    splits = [
        f"{labels.count(data.images(split)) if data.images(split) else 'no'} {split}"
        for split in ("train", "validation", "test")
    ]
    return f"{data.name or labels.MISSING}: {' / '.join(splits)} images"


def _epochs(record: StudyRecord, planned: object) -> str:
    settings = record.settings
    if record.space.draws_epochs:
        return "chosen by your own fit"
    text = str(settings.epochs or labels.MISSING)
    if settings.candidates:
        return f"{text} per run"
    if settings.in_s:  # the clock ends the search before the planned epochs do
        return f"{text} for the baseline"
    if isinstance(planned, int):
        most = labels.count(planned)
        text += f" for the baseline; at most {most} for all other trials together"
    return text


def _when(created: str) -> str:
    try:
        return f"{dt.datetime.fromisoformat(created):%Y-%m-%d %H:%M %Z}".strip()
    except (TypeError, ValueError):
        return str(created)


def _precision(precision: str) -> str:
    if precision == "bfloat16":
        return "bfloat16, with weights, logits and loss in float32"
    return precision


def _device(hardware: Mapping[str, Any]) -> str:
    device = str(hardware.get("device", labels.MISSING))
    workers = hardware.get("workers")
    if isinstance(workers, int) and workers > 1:
        return f"{workers} workers, each on {device}"
    return device
