"""Create and open a study folder, and store what its runs produce."""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from search_spaces.errors import ExpectedError
from tuner.study.objective import Objective
from tuner.study.record_files import (
    labels_path,
    predictions_path,
    read_study,
    read_trial,
    space_path,
    study_name,
    trial_path,
    trial_paths,
    write_study,
    write_trial,
)
from tuner.study.records import StudyRecord, TrialRecord
from tuner.study.schema import RecordError, UnknownSchemaError
from tuner.study.tasks import Assessment, State
from tuner.system.files import DIRECTORY, FINAL, atomic_file


class StudyError(ExpectedError):
    """A study does not exist or cannot be used."""


class NotAStudyError(StudyError):
    """The name is not that of a study, or of a trial in it."""

    exit_code = 2


class StudyChangedError(StudyError):
    """The study on disk has other settings."""

    exit_code = 3


@dataclass
class Study:
    """One study on disk; every change is written at once.

    Attributes:
        folder: Its folder.
        record: The contents of `study.json`.
        trials: Every readable trial record, by number.
        quarantined: Trial records that could not be read.
    """

    folder: Path
    record: StudyRecord
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    quarantined: list[Path] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, record: StudyRecord) -> Self:
        """Create a study's folder and write its record."""
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        write_study(folder, record)
        return cls(folder, record)

    @classmethod
    def open(cls, folder: Path, *, mend: bool = False) -> Self:
        """Read a study.

        Args:
            folder: Its folder.
            mend: Move unreadable trial records aside, so that their trials run
                again. Only the process that holds the lock may do this.

        Raises:
            NotAStudyError: There is no `study.json`.
            RecordError: `study.json` cannot be read, or a record has another schema.
        """
        try:
            study = cls(folder, read_study(folder))
        except FileNotFoundError as error:
            raise NotAStudyError(_no_study(folder)) from error
        if mend:
            for part in folder.rglob(
                ".*.part"
            ):  # left by a process killed while writing
                part.unlink(missing_ok=True)
        for path in trial_paths(folder):
            try:
                record = read_trial(path)
            except UnknownSchemaError:
                raise
            except RecordError:
                study.quarantined.append(path)
                if mend:
                    path.replace(path.with_suffix(".broken"))
            else:
                study.trials[record.trial] = record
        return study

    @property
    def name(self) -> str:
        """Its name in commands: "STUDY", or "OUTER/STUDY" inside another study."""
        return study_name(self.folder)

    def command(self, verb: str, *words: object) -> str:
        """Return a command on this study that works in the current directory."""
        directory = self.folder.parents[self.name.count("/")]
        where = [] if directory == DIRECTORY else ["--directory", directory]
        return shlex.join(map(str, ["tune", verb, self.name, *words, *where]))

    @property
    def objective(self) -> Objective:
        """The metric that ranks its trials."""
        return Objective.parse(self.record.settings.objective)

    @property
    def space_file(self) -> Path:
        """The user's space file: the study's copy if it has one, or the original."""
        stored = space_path(self.folder)
        return stored if stored.exists() else Path(self.record.settings.space)

    def store_space(self, code: str | None) -> None:
        """Store the text of a user's space file, if any and not stored yet."""
        path = space_path(self.folder)
        if code is not None and not path.exists():
            with atomic_file(path) as file:
                file.write(code)

    def update(self, **changes: Any) -> None:
        """Change fields of the record, and write it."""
        self.record = replace(self.record, **changes)
        write_study(self.folder, self.record)

    def put(self, trial: TrialRecord) -> None:
        """Store a trial's record, replacing the previous one."""
        write_trial(self.folder, trial)
        self.trials[trial.trial] = trial

    def put_labels(self, validation: np.ndarray, test: np.ndarray) -> None:
        """Store the true classes, in the order of the predictions."""
        kind = self._class_dtype()
        _save(
            labels_path(self.folder),
            {"validation": validation.astype(kind), "test": test.astype(kind)},
        )

    def put_predictions(
        self, trial: int, execution: int, by_split: Mapping[str, Assessment | None]
    ) -> None:
        """Store the class that an execution predicted for each image of some splits."""
        kind = self._class_dtype()
        top = np.iinfo(kind).max
        arrays = {
            split: np.minimum(a.predictions, top).astype(kind)
            for split, a in by_split.items()
            if a is not None
        }
        _save(predictions_path(self.folder, trial, execution), arrays)

    def put_state(self, trial: int, execution: int, state: State) -> None:
        """Store an execution's training state, replacing the previous one."""
        arrays = {f"{i:04d}": a for i, a in enumerate(state.arrays)}
        arrays["epoch"] = np.asarray(state.epoch)
        _save(self._state_path(trial, execution), arrays)

    def state(self, trial: int, execution: int) -> State | None:
        """Read an execution's training state; return None if it is not stored."""
        path = self._state_path(trial, execution)
        try:
            with path.open("rb") as file, np.load(file) as stored:
                names = sorted(n for n in stored.files if n != "epoch")
                arrays = tuple(stored[n] for n in names)
                return State(int(stored["epoch"]), arrays)
        except (FileNotFoundError, zipfile.BadZipFile, ValueError, KeyError, EOFError):
            return None

    def drop_states(self, trial: int) -> None:
        """Delete a trial's states; training again from its seed restores them."""
        for path in self._trial_folder(trial).glob("state-*.npz"):
            path.unlink(missing_ok=True)

    def trials_with_states(self) -> set[int]:
        """Return the numbers of the trials that have a state on disk."""
        return {
            int(path.parent.name)
            for path in (self.folder / "trials").glob("*/state-*.npz")
        }

    def _class_dtype(self) -> type[np.unsignedinteger[Any]]:
        return np.uint8 if len(self.record.data.classes) <= 256 else np.uint16

    def _trial_folder(self, trial: int) -> Path:
        return trial_path(self.folder, trial).with_suffix("")

    def _state_path(self, trial: int, execution: int) -> Path:
        return self._trial_folder(trial) / f"state-{execution}.npz"


def study_folders(directory: Path) -> list[Path]:
    """List the study folders in a directory, sorted by name."""
    if not directory.is_dir():
        return []
    return sorted(p.parent for p in directory.glob("[!.]*/study.json"))


def find_study(directory: Path, name: str) -> Path:
    """Find a study's folder by its name or path.

    Raises:
        NotAStudyError: There is no such study; the message lists the existing ones.
    """
    for folder in (directory / name, Path(name)):
        if (folder / "study.json").is_file():
            return folder
    raise NotAStudyError(_no_study(directory / name))


def finished_network(study: Study) -> Study | None:
    """Open the study of a search's finished network; None if it is not trained yet."""
    folder = study.folder / FINAL
    if not (folder / "study.json").exists():
        return None
    final = Study.open(folder)
    is_trained = any(t.status == "completed" for t in final.trials.values())
    return final if is_trained else None


def move_aside(folder: Path) -> Path:
    """Move a study to the folder `.replaced`, and return its new path."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    target = folder.parent / ".replaced" / f"{folder.name}-{moment}"
    target.parent.mkdir(parents=True, exist_ok=True)
    return folder.replace(target)


def _no_study(folder: Path) -> str:
    names = [f.name for f in study_folders(folder.parent)]
    existing = f"holds these studies: {', '.join(names)}" if names else "holds no study"
    return (
        f"{folder} is not a study, because it has no study.json. "
        f"{folder.parent} {existing}. "
        "Check the name, run a search first, or set another --directory."
    )


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)  # not its parents: the study may have been deleted
    with atomic_file(path, "wb") as file:
        np.savez(file, **arrays)  # NumPy 2.0 would store `allow_pickle` as an array
