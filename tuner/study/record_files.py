"""Read and write the files of a study folder."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TypeVar

import numpy as np

from tuner.study.records import Record, StudyRecord, TrialRecord, to_json
from tuner.study.schema import RecordError
from tuner.system.files import atomic_file

R = TypeVar("R", StudyRecord, TrialRecord)


def study_name(folder: Path) -> str:
    """Return a study's name in commands: "STUDY", or "OUTER/STUDY" if nested."""
    is_inner = (folder.parent / "study.json").exists()
    return f"{folder.parent.name}/{folder.name}" if is_inner else folder.name


def read_study(folder: Path) -> StudyRecord:
    """Read `study.json` of a study folder.

    Raises:
        FileNotFoundError: There is no `study.json`.
        RecordError: It is cut off, has another schema, or is not a study record.
    """
    return _read(folder / "study.json", StudyRecord)


def read_trial(path: Path) -> TrialRecord:
    """Read one trial's record.

    Raises:
        RecordError: It is cut off, has another schema, or is not a trial record.
    """
    return _read(path, TrialRecord)


def write_study(folder: Path, record: StudyRecord) -> None:
    """Write `study.json` atomically."""
    _write(folder / "study.json", record)


def write_trial(folder: Path, record: TrialRecord) -> None:
    """Write a trial's record atomically."""
    _write(trial_path(folder, record.trial), record)


def trial_path(folder: Path, trial: int) -> Path:
    """Return the path of a trial's record; without `.json`, of the trial's folder."""
    return folder / "trials" / f"{trial:04d}.json"


def trial_paths(folder: Path) -> list[Path]:
    """List the paths of a study's trial records, sorted by number."""
    paths = (folder / "trials").glob("*.json")
    return sorted((p for p in paths if p.stem.isdigit()), key=lambda p: int(p.stem))


def space_path(folder: Path) -> Path:
    """Return the path of the study's copy of a user's space file."""
    return folder / "space.py"


def predictions_path(folder: Path, trial: int, execution: int) -> Path:
    """Return the path of an execution's predictions."""
    trial_folder = trial_path(folder, trial).with_suffix("")
    return trial_folder / f"predictions-{execution}.npz"


def labels_path(folder: Path) -> Path:
    """Return the path of the true classes."""
    return folder / "labels.npz"


def read_predictions(folder: Path, trial: int, execution: int) -> dict[str, np.ndarray]:
    """Read the predicted class of each image, by split; empty if not stored."""
    return _read_arrays(predictions_path(folder, trial, execution))


def read_labels(folder: Path) -> dict[str, np.ndarray]:
    """Read the true class of each image, by split; empty if not stored."""
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


def _read(path: Path, kind: type[R]) -> R:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(
            f"{path} must contain one JSON record, but it cannot be read: {error}. "
            "It was cut off or edited."
        ) from error
    if not isinstance(data, dict):
        raise RecordError(f"{path} must contain one JSON object, got {type(data)}.")
    try:
        return kind.from_json(data)
    except RecordError as error:
        raise type(error)(f"{path}: {error}") from error
