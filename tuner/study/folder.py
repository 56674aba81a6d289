"""A study folder: make it, open it, and keep what trainings bring."""

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
from tuner.study.records import (
    RecordError,
    StudyRecord,
    TrialRecord,
    UnknownSchemaError,
)
from tuner.study.tasks import Assessment, State
from tuner.system.files import DIRECTORY, atomic_file


class StudyError(ExpectedError):
    """There is no such study, or it cannot be gone on with."""


class NotAStudyError(StudyError):
    """What was named is no study, or has no such trial."""

    exit_code = 2


class StudyChangedError(StudyError):
    """The study on disk was made with other settings."""

    exit_code = 3


@dataclass
class Study:
    """One study on disk; what is set here is written at once.

    Attributes:
        folder: Where it lies.
        record: `study.json` as it stands.
        trials: Every readable trial record, by number.
        quarantined: Trial records that could not be read and were moved away.
    """

    folder: Path
    record: StudyRecord
    trials: dict[int, TrialRecord] = field(default_factory=dict)
    quarantined: list[Path] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, record: StudyRecord) -> Self:
        """Make a study's folder and its first record."""
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        write_study(folder, record)
        return cls(folder, record)

    @classmethod
    def open(cls, folder: Path, *, mend: bool = False) -> Self:
        """Read a study.

        Args:
            folder: Where it lies.
            mend: Move trial records that cannot be read aside, so that their
                trials run again. For the holder of the lock alone.

        Raises:
            NotAStudyError: There is no `study.json`.
            RecordError: It cannot be read, or a record is of another schema.
        """
        try:
            study = cls(folder, read_study(folder))
        except FileNotFoundError as error:
            raise NotAStudyError(_no_study(folder)) from error
        if mend:
            for part in folder.rglob(".*.part"):  # of a process killed in mid-write
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
        """What commands take: its folder's name, behind that of a study it lies in."""
        return study_name(self.folder)

    def command(self, verb: str, *words: object) -> str:
        """Write a command about this study that works where this one was typed."""
        directory = self.folder.parents[self.name.count("/")]
        where = [] if directory == DIRECTORY else ["--directory", directory]
        return shlex.join(map(str, ["tune", verb, self.name, *words, *where]))

    @property
    def objective(self) -> Objective:
        """What chooses between its trials."""
        return Objective.parse(self.record.settings.objective)

    @property
    def space_file(self) -> Path:
        """A user's own space: the study's copy, or theirs where it has none."""
        kept = space_path(self.folder)
        return kept if kept.exists() else Path(self.record.settings.space)

    def keep_space(self, code: str | None) -> None:
        """Store what a user's own space says, if it is one and is not stored yet."""
        path = space_path(self.folder)
        if code is not None and not path.exists():
            with atomic_file(path) as file:
                file.write(code)

    def update(self, **changes: Any) -> None:
        """Change fields of `study.json`."""
        self.record = replace(self.record, **changes)
        write_study(self.folder, self.record)

    def put(self, trial: TrialRecord) -> None:
        """Store a trial's record in place of its last."""
        write_trial(self.folder, trial)
        self.trials[trial.trial] = trial

    def put_labels(self, validation: np.ndarray, test: np.ndarray) -> None:
        """Store the right classes, in the order of every prediction."""
        kind = self._class_dtype()
        _save(
            labels_path(self.folder),
            {"validation": validation.astype(kind), "test": test.astype(kind)},
        )

    def put_predictions(
        self, trial: int, execution: int, of: Mapping[str, Assessment | None]
    ) -> None:
        """Store the class that an execution chose for each image of some splits."""
        kind = self._class_dtype()
        top = np.iinfo(kind).max
        arrays = {
            split: np.minimum(a.predictions, top).astype(kind)
            for split, a in of.items()
            if a is not None
        }
        _save(predictions_path(self.folder, trial, execution), arrays)

    def put_state(self, trial: int, execution: int, state: State) -> None:
        """Store where an execution's training stands, in place of the last."""
        arrays = {f"{i:04d}": a for i, a in enumerate(state.arrays)}
        arrays["epoch"] = np.asarray(state.epoch)
        _save(self._state_path(trial, execution), arrays)

    def state(self, trial: int, execution: int) -> State | None:
        """Read where an execution's training stands, or None where it is not kept."""
        path = self._state_path(trial, execution)
        try:
            with path.open("rb") as file, np.load(file) as stored:
                names = sorted(n for n in stored.files if n != "epoch")
                arrays = tuple(stored[n] for n in names)
                return State(int(stored["epoch"]), arrays)
        except (FileNotFoundError, zipfile.BadZipFile, ValueError, KeyError, EOFError):
            return None

    def drop_states(self, trial: int) -> None:
        """Free the disk of a trial's states; its seed can train them again."""
        for path in self._trial_folder(trial).glob("state-*.npz"):
            path.unlink(missing_ok=True)

    def kept_states(self) -> set[int]:
        """List the trials that have a state on disk."""
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
    """List the studies in a directory by name."""
    if not directory.is_dir():
        return []
    return sorted(p.parent for p in directory.glob("[!.]*/study.json"))


def find_study(directory: Path, name: str) -> Path:
    """Find a study by its name, or by the path of its folder.

    Raises:
        NotAStudyError: There is none; the text lists those there are.
    """
    for folder in (directory / name, Path(name)):
        if (folder / "study.json").is_file():
            return folder
    raise NotAStudyError(_no_study(directory / name))


def move_aside(folder: Path) -> Path:
    """Move a study out of the way, whole, and say where it went."""
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    target = folder.parent / ".replaced" / f"{folder.name}-{moment}"
    target.parent.mkdir(parents=True, exist_ok=True)
    return folder.replace(target)


def _no_study(folder: Path) -> str:
    names = [f.name for f in study_folders(folder.parent)]
    known = f"holds: {', '.join(names)}." if names else "holds no study."
    return (
        f"A study must have a study.json, and {folder} has none. "
        f"{folder.parent} {known} "
        "Run a search first, or name another --directory."
    )


def _save(path: Path, arrays: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)  # not its parents: a study that is gone is gone
    with atomic_file(path, "wb") as file:
        np.savez(file, **arrays)  # NumPy 2.0 would store `allow_pickle` as an array
