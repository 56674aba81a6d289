"""Describe a new study, or open one and check that it is the same; then store it."""

from __future__ import annotations

import platform
import shlex
import subprocess
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tuner.algorithms.screening import Limits
from tuner.data.dataset import Dataset
from tuner.study.descriptions import DataRecord, PlanRecord, SpaceRecord
from tuner.study.folder import Study, StudyChangedError
from tuner.study.record_files import read_study, space_path
from tuner.study.records import StudyRecord
from tuner.study.settings import StudySettings, fingerprint
from tuner.study.tasks import Ready
from tuner.system.machine import cores, memory_bytes


def refuse_changed_settings(settings: StudySettings, folder: Path) -> None:
    """Compare what needs no data, so that the answer comes at once.

    Raises:
        StudyChangedError: The study exists with other settings; they are listed.
    """
    if not (folder / "study.json").exists():
        return
    stored = Study.open(folder).record.settings
    asked, known = settings.identity(), stored.identity()
    # A base is named by its study; two bases of one study never meet here.
    changed = [n for n in asked if n != "base" and known.get(n) != asked[n]]
    if settings.executions < stored.executions and "executions" not in changed:
        changed.append("executions")  # more may be added, and none is dropped
    differences = [
        f"  --{name.removesuffix('_study').replace('_', '-')}: "
        f"{stored.to_dict()[name]} in the study, {settings.to_dict()[name]} now"
        for name in changed
    ]
    if differences:
        raise StudyChangedError(_with_advice(folder.name, differences))


def open_or_describe(
    folder: Path,
    settings: StudySettings,
    *,
    command: str,
    space: SpaceRecord,
    plan: PlanRecord,
    limits: Limits,
    data: Dataset,
    ready: Ready,
) -> tuple[Study, bool]:
    """Give a study as `store` will write it, and whether it was there before.

    Args:
        folder: The study's; locked by the caller.
        settings: What was asked for.
        command: Typed again, it goes on with the study.
        space: What is searched.
        plan: How much will be trained.
        limits: For a new study; an old one keeps its own.
        data: The images and their split.
        ready: What a worker said of itself.

    Raises:
        StudyChangedError: The study exists with another space, data or split.
    """
    mark = fingerprint(settings, space.to_dict(), data.split)
    if (folder / "study.json").exists():
        study = Study.open(folder, mend=True)
        if _mark(study.record) != mark:
            raise StudyChangedError(_changed(study, space, data))
        study.record = replace(
            study.record, settings=settings, plan=plan, command=command
        )
        return study, True
    record = StudyRecord(
        study=folder.name,
        state="running",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        settings=settings,
        space=space,
        data=_describe_data(data),
        fingerprint=mark,
        versions={"tune": version("tune-keras"), **ready.versions},
        hardware={
            "device": ready.device,
            "workers": ready.workers,
            "cpu": platform.processor() or platform.machine(),
            "cores": cores(),
            "memory_bytes": memory_bytes(),
        },
        limits=asdict(limits),
        plan=plan,
        commit=_commit(),
    )
    return Study(folder, record), False


def store(study: Study, data: Dataset, code: str | None) -> None:
    """Write a study once its search can begin.

    Args:
        study: From `open_or_describe`.
        data: The images and their split.
        code: The source of the user's space file, or None.
    """
    if (study.folder / "study.json").exists():
        study.update()
    else:
        Study.create(study.folder, study.record)
        study.put_labels(data.y_train[data.validation], data.y_test[data.test])
    study.store_space(code)


def stored_limits(folder: Path) -> Limits | None:
    """Read the limits that a study was made with, or None where there is none."""
    if not (folder / "study.json").exists():
        return None
    return Limits(**read_study(folder).limits)


def _mark(record: StudyRecord) -> str:
    """Fingerprint a stored study as this version would."""
    return fingerprint(record.settings, record.space.to_dict(), record.data.split)


def _describe_data(data: Dataset) -> DataRecord:
    return DataRecord(
        name=data.name,
        fingerprint=data.fingerprint,
        split=data.split,
        train=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
        input_shape=tuple(data.input_shape),
        classes=tuple(data.classes),
    )


def _changed(study: Study, space: SpaceRecord, data: Dataset) -> str:
    record, differences = study.record, []
    if record.space != space:
        differences.append(
            "  the space: its hyperparameters, ranges or file changed"
            + _new_and_gone(record.space, space)
        )
        if record.space.source and space_path(study.folder).exists():
            files = (str(space_path(study.folder)), record.settings.space)
            kept = shlex.join(["cp", *files])
            differences.append(f"  ({kept} brings back what was searched)")
    if record.data.fingerprint != data.fingerprint:
        differences.append("  the data: other images or labels")
    elif record.data.split != data.split:
        differences.append("  the split: other training or validation images")
    return _with_advice(record.study, differences)


def _new_and_gone(then: SpaceRecord, now: SpaceRecord) -> str:
    """Name the hyperparameters that a space gained and lost."""
    old, new = ([h.name for h in s.hyperparameters] for s in (then, now))
    changes = {"new": [n for n in new if n not in old]}
    changes["gone"] = [n for n in old if n not in new]
    words = [f"{word}: {', '.join(names)}" for word, names in changes.items() if names]
    return f" ({'; '.join(words)})" if words else ""


def _with_advice(study: str, differences: list[str]) -> str:
    return "\n".join(
        [
            f"Study {study} exists with other settings:",
            *differences,
            "Use those to go on with it, --name to keep both, or --overwrite to start",
            "anew (the old study is kept aside).",
        ]
    )


def _commit() -> str | None:
    """Name the git commit of the working folder, where there is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
