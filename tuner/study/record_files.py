"""Records on disk: where each lies, and how it is read and written."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tuner.study.records import (
    Record,
    RecordError,
    StudyRecord,
    TrialRecord,
    UnknownSchemaError,
    to_json,
    without_schema,
)
from tuner.system.files import atomic_file


def study_name(folder: Path) -> str:
    """Name a study for a command: its folder, behind that of a study it lies in."""
    is_inner = (folder.parent / "study.json").exists()
    return f"{folder.parent.name}/{folder.name}" if is_inner else folder.name


def read_study(folder: Path) -> StudyRecord:
    """Read `study.json` of a study folder.

    Raises:
        FileNotFoundError: There is none.
        RecordError: It is cut off, of another schema, or not a study's.
    """
    return StudyRecord.from_json(_read(folder / "study.json"))


def read_trial(path: Path) -> TrialRecord:
    """Read one trial's record.

    Raises:
        RecordError: It is cut off, of another schema, or not a trial's.
    """
    return TrialRecord.from_json(_read(path))


def write_study(folder: Path, record: StudyRecord) -> None:
    """Write `study.json` whole, or leave the old one."""
    _write(folder / "study.json", record)


def write_trial(folder: Path, record: TrialRecord) -> None:
    """Write a trial's record whole, or leave the old one."""
    _write(trial_path(folder, record.trial), record)


def trial_path(folder: Path, trial: int) -> Path:
    """Name a trial's record; without `.json` it is the trial's own folder."""
    return folder / "trials" / f"{trial:04d}.json"


def trial_paths(folder: Path) -> list[Path]:
    """List a study's trial records by their number."""
    paths = (folder / "trials").glob("*.json")
    return sorted((p for p in paths if p.stem.isdigit()), key=lambda p: int(p.stem))


def space_path(folder: Path) -> Path:
    """Name the copy of a user's own space, as it was searched."""
    return folder / "space.py"


def predictions_path(folder: Path, trial: int, execution: int) -> Path:
    """Name the file of what an execution predicted for each split."""
    own = trial_path(folder, trial).with_suffix("")
    return own / f"predictions-{execution}.npz"


def labels_path(folder: Path) -> Path:
    """Name the file of each split's right classes."""
    return folder / "labels.npz"


def read_predictions(folder: Path, trial: int, execution: int) -> dict[str, np.ndarray]:
    """Read the class chosen for each image, by split; empty where there is none."""
    return _read_arrays(predictions_path(folder, trial, execution))


def read_labels(folder: Path) -> dict[str, np.ndarray]:
    """Read the right class of each image, by split; empty where there is none."""
    return _read_arrays(labels_path(folder))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as stored:
            return dict(stored)
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, EOFError):
        return {}


def _write(path: Path, record: Record) -> None:
    text = json.dumps(to_json(record), indent=1, allow_nan=False)
    with atomic_file(path) as file:
        file.write(text + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path} must hold one JSON record, but it cannot be read: {error}. "
            "It was cut off or edited."
        ) from error
    if not isinstance(data, dict):
        raise RecordError(f"{path} must hold one JSON object, got {type(data)}.")
    try:
        without_schema(data)
    except UnknownSchemaError as error:
        raise UnknownSchemaError(f"{path}: {error}") from error
    return data
