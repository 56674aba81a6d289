"""What a study is and how to use it again: label and value, in words."""

from __future__ import annotations

import datetime as dt
import itertools
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from reports.read import labels
from reports.read.study import StudyFrames
from reports.stats import speed as speeds
from reports.stats.ranking import Ranking
from tuner.export.snippet import load_snippet
from tuner.study.descriptions import DataRecord
from tuner.study.records import StudyRecord


class Use(NamedTuple):
    """How the page says to take a trial out of a study.

    Attributes:
        trial: Its number.
        who: For example "trial 7, the highest".
        export: The command.
        snippet: Python that loads what the command wrote.
        note: What it leaves out, or "".
        config: Hyperparameter and value, as text.
    """

    trial: int
    who: str
    export: str
    snippet: str
    note: str
    config: tuple[tuple[str, str], ...]


_KINDS = {
    "confirm": "finalists on fresh seeds",
    "try": "changes that were tried",
    "noise": "one config, many seeds",
}


def status(study: StudyFrames) -> str:
    """Say how far the study came: "interrupted, 23 of 40 trials".

    Of a search that was planned for a time, which its clock ends, no number of trials
    was asked for: "completed, 15 trials and the baseline, planned for 30m00s".
    """
    ended = study.trials["status"].isin(["completed", "failed"])
    done = int(ended.sum())
    failed = int((study.trials["status"] == "failed").sum())
    plan = study.record.plan.trials
    base = int((ended & (study.trials["trial"] == 0)).any())
    time = study.record.settings.in_s
    if study.candidates:
        configs = labels.several(len(study.candidates), "config")
        progress = f"{labels.count(done)} of {configs}"
    elif isinstance(plan, int) and not study.has_rungs:
        searched = max(done - base, 0)
        progress = labels.several(searched if time else plan, "trial")
        progress = progress if time else f"{labels.count(searched)} of {progress}"
        progress += " and the baseline" if base else ""
    else:
        progress = labels.several(done, "trial")
    parts = [study.state, progress, *([f"{failed} failed"] if failed else [])]
    if time:
        parts.append(f"planned for {labels.duration(time)}")
    return ", ".join(parts)


def about(study: StudyFrames) -> tuple[tuple[str, str], ...]:
    """List what the study is: space, data, seed, device, versions, times."""
    record, data, settings = study.record, study.record.data, study.record.settings
    seconds = float(study.trials["seconds"].fillna(0).sum())
    epochs = record.plan.epochs
    clock = labels.duration(record.seconds)
    how = [
        ("Space", _space(study)),
        ("Algorithm", _algorithm(study)),
        (
            "Ranked by",
            labels.metric(study.objective.name)
            if study.has_validation
            else "nothing: listed in declared order",
        ),
        ("Seeds a trial", str(settings.executions)),
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
        ("Time", f"{clock} on the clock, {labels.duration(seconds)} in trials"),
        ("Started", _when(record.created)),
    ]
    speed = speeds.speed(study)
    if speed:
        rows.insert(-1, ("Speed", speeds.words(speed)))
    if settings.base_study:
        rows.insert(1, ("Baseline", f"the best trial of {settings.base_study}"))
    if study.enqueued:
        configs = labels.several(study.enqueued, "config")
        rows.insert(
            2, ("Enqueued", f"{configs} of the user's own, before the search's")
        )
    if record.rejected:
        reasons = [f"{reason}: {n}" for reason, n in record.rejected.items()]
        rows.append(("Rejected proposals", ", ".join(reasons)))
    return tuple(rows)


def environment(study: StudyFrames) -> tuple[tuple[str, str], ...]:
    """List versions, hardware and commit, for who runs it again."""
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
    """Say how to take the first trial out; None where there is none."""
    first = ranking.ranked.head(1)
    what = "first by validation"
    if not len(first):
        done = ranking.listed[ranking.listed["status"] == "completed"]
        first, what = done.head(1), "as an example"
    if not len(first):
        return None
    trial = int(first["trial"].iloc[0])
    config = study.configs.loc[trial].dropna()
    return Use(
        trial=trial,
        who=f"{'the baseline' if trial == 0 else f'trial {trial}'}, {what}",
        export=command(study, "export", str(trial), "-o", "model.keras"),
        snippet=load_snippet("model.keras", study.record.data),
        note="Where it has layers of your own, export prints what loads them too."
        if study.record.space.user_code is not None
        else "",
        config=tuple((str(key), labels.value(value)) for key, value in config.items()),
    )


def command(study: StudyFrames, verb: str, *words: str) -> str:
    """Write a command about a study, with the --directory that its own command had."""
    written = shlex.join(["tune", verb, study.name, *words])
    try:
        typed = shlex.split(study.record.command)
    except ValueError:
        return written
    for word, value in itertools.pairwise([*typed, ""]):
        if word == "--directory" and value:
            return f"{written} --directory {shlex.quote(value)}"
        if word.startswith("--directory="):
            return f"{written} --directory {shlex.quote(word.partition('=')[2])}"
    return written


def _algorithm(study: StudyFrames) -> str:
    if study.record.space.is_published:
        return "none: all of them, in order"
    if study.algorithm is None:
        return study.record.settings.algorithm
    return study.algorithm.label


def _space(study: StudyFrames) -> str:
    space = study.record.space
    size = space.size
    reach = f", {labels.count(size)} distinct configs" if size else ""
    return f"{space.name}{reach}"


def _data(data: DataRecord) -> str:
    splits = [
        f"{labels.count(data.images(split)) if data.images(split) else 'no'} {split}"
        for split in ("train", "validation", "test")
    ]
    return f"{data.name or labels.MISSING}: {' / '.join(splits)} images"


def _epochs(record: StudyRecord, planned: object) -> str:
    settings = record.settings
    if record.space.draws_epochs:
        return "drawn by their own fit"
    text = str(settings.epochs or labels.MISSING)
    if settings.in_s:  # the clock ends it, before what is planned to spare
        return f"{text} for the baseline"
    if isinstance(planned, int):
        text += f" for the baseline; at most {labels.count(planned)} for all others"
    return text


def _when(created: str) -> str:
    try:
        return f"{dt.datetime.fromisoformat(created):%Y-%m-%d %H:%M %Z}".strip()
    except (TypeError, ValueError):
        return str(created)


def _device(hardware: Mapping[str, Any]) -> str:
    device = str(hardware.get("device", labels.MISSING))
    workers = hardware.get("workers")
    several = isinstance(workers, int) and workers > 1
    return f"{workers} at a time, each {device}" if several else device
