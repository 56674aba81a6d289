"""Describe a new study, or open one and check that nothing changed; then store it."""

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
    """Check that a study's settings are unchanged, before any data are loaded.

    Raises:
        StudyChangedError: The study exists with other settings; the text lists them.
    """
    if not (folder / "study.json").exists():
        return
    stored = Study.open(folder).record.settings
    now, then = settings.identity(), stored.identity()
    # `base_study` is compared instead of `base`: each study has only one best trial.
    # `executions` identifies a study only under some algorithms; it is compared below.
    skipped = {"base", "executions"}
    changed = [n for n in now if n not in skipped and then.get(n) != now[n]]
    more = settings.executions - stored.executions
    if more < 0 or (more and not settings.takes_more_seeds):
        changed.append("executions")  # it may grow under some algorithms
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
    """Return a study as `store` will write it, and whether it existed before.

    Args:
        folder: The study's folder, locked by the caller.
        settings: The settings of this session.
        command: The command that resumes the study.
        space: The space to search.
        plan: The planned trials and epochs.
        limits: For a new study; an existing one keeps its own.
        data: The images and their split.
        ready: The report of a worker that can train.

    Raises:
        StudyChangedError: The study exists with another space, data or split.
    """
    new_fingerprint = fingerprint(settings, space.to_dict(), data.split)
    if (folder / "study.json").exists():
        study = Study.open(folder, mend=True)
        if _fingerprint(study.record) != new_fingerprint:
            raise StudyChangedError(_changes(study, space, data))
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
        fingerprint=new_fingerprint,
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
        study: The result of `open_or_describe`.
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
    """Read the limits of a study; None if it does not exist."""
    if not (folder / "study.json").exists():
        return None
    return Limits(**read_study(folder).limits)


def _fingerprint(record: StudyRecord) -> str:
    """Compute a stored study's fingerprint with this version's rules."""
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


def _changes(study: Study, space: SpaceRecord, data: Dataset) -> str:
    record, differences = study.record, []
    if record.space != space:
        differences.append(
            "  the space: its hyperparameters, ranges or file changed"
            + _added_and_removed(record.space, space)
        )
        if record.space.source and space_path(study.folder).exists():
            files = (str(space_path(study.folder)), record.settings.space)
            copy = shlex.join(["cp", *files])
            differences.append(f"  (to restore the study's space: {copy})")
    if record.data.fingerprint != data.fingerprint:
        differences.append("  the data: other images or labels")
    elif record.data.split != data.split:
        differences.append("  the split: other training or validation images")
    return _with_advice(record.study, differences)


def _added_and_removed(then: SpaceRecord, now: SpaceRecord) -> str:
    """Name the hyperparameters that were added to or removed from a space."""
    old, new = ([h.name for h in s.hyperparameters] for s in (then, now))
    changes = {"added": [n for n in new if n not in old]}
    changes["removed"] = [n for n in old if n not in new]
    words = [f"{word}: {', '.join(names)}" for word, names in changes.items() if names]
    return f" ({'; '.join(words)})" if words else ""


def _with_advice(study: str, differences: list[str]) -> str:
    return "\n".join(
        [
            f"Study {study} exists with other settings:",
            *differences,
            "Restore them to resume it, use --name to keep both studies, or",
            "--overwrite to start again (the old study is moved aside).",
        ]
    )


def _commit() -> str | None:
    """Return the git commit of the working folder, or None."""
    try:
        process = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return process.stdout.strip()
