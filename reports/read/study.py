"""A study folder as tidy pandas frames; nothing here needs Keras.

A record that cannot be read is left out and named, so that one broken file does not
cost the report of a finished search.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.read import keras_tuner_project
from reports.read.hyperparameters import Hyperparameter, configs_frame, varying
from reports.read.predictions import Predictions
from tuner.algorithms import ALGORITHMS
from tuner.algorithms.base import Algorithm
from tuner.study import ranking, record_files
from tuner.study.candidates import Candidate
from tuner.study.objective import Objective
from tuner.study.records import MEASURES, Execution, StudyRecord, TrialRecord
from tuner.study.rungs import sentences
from tuner.study.schema import RecordError
from tuner.system import locks

HISTORY = ("accuracy", "loss", "val_accuracy", "val_loss")
TRIAL_COLUMNS = (
    "trial", "name", "status", "rung", "epochs", "executions", *MEASURES,
    "gap", "gap_variance", "params", "seconds", "train_seconds", "objective",
    "peak_epoch", "order", "error",
)  # fmt: skip
_EXECUTION_COLUMNS = (
    "trial", "execution", "seed", "epochs", "final", *MEASURES,
    "params", "seconds", "train_seconds", "device", "earlier_epochs",
    "continued_from", "continued_trial",
)  # fmt: skip

# Valid JSON may still hold the wrong types, which shows only when it is used.
_UNREADABLE = (RecordError, OSError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class StudyFrames:
    """One study folder: its record, and its trials as frames.

    Attributes:
        folder: The study's folder.
        record: The contents of `study.json`.
        state: The record's state, but "interrupted" if it says "running" and no
            process holds the study.
        trials: One row per trial, columns `TRIAL_COLUMNS`: each metric is the mean
            over the trial's finished executions, missing if any of them lacks it;
            `gap` is train_accuracy - test_accuracy, `gap_variance` its variance
            between executions; `rung` counts Hyperband's promotions from 1;
            `order` is the order in which trials ended, from 1.
        executions: One row per execution; other metrics of a user's model have
            columns such as `val_auc`.
        epochs: One row per epoch: trial, execution, epoch from 1, the histories.
        configs: One row per trial, indexed by it; one column per hyperparameter.
        hyperparameters: The hyperparameters of the space that vary over the trials.
        best_first: Numbers of the trials that may be ranked together, best first.
        unread: One sentence per record that was left out.
        rungs: Sentences on how well Hyperband's rungs predicted the final scores.
    """

    folder: Path
    record: StudyRecord
    state: str
    trials: pd.DataFrame
    executions: pd.DataFrame
    epochs: pd.DataFrame
    configs: pd.DataFrame
    hyperparameters: tuple[Hyperparameter, ...]
    best_first: tuple[int, ...] = ()
    unread: tuple[str, ...] = ()
    rungs: tuple[str, ...] = ()

    @functools.cached_property
    def predictions(self) -> Predictions:
        """The predictions of its runs; each file is read once."""
        return Predictions(self.folder)

    @property
    def name(self) -> str:
        """The name that commands take: its folder's, after that of an outer study."""
        return record_files.study_name(self.folder)

    @property
    def objective(self) -> Objective:
        """The objective that ranks its trials, `val_accuracy` if it is not valid."""
        try:
            return Objective.parse(self.record.settings.objective)
        except ValueError:
            return Objective("val_accuracy", "max")

    @property
    def has_validation(self) -> bool:
        """Whether a trial may be chosen; the published space has no validation."""
        return self.is_imported or (
            not self.record.space.is_published and bool(self.record.data.validation)
        )

    @property
    def has_intervals(self) -> bool:
        """Whether the scores are accuracies on a known number of images."""
        return self.objective.is_accuracy and self.images("validation") > 0

    @property
    def is_imported(self) -> bool:
        """Whether it is a project of plain KerasTuner."""
        return self.kind == keras_tuner_project.KIND

    @property
    def algorithm(self) -> Algorithm | None:
        """The algorithm that proposed its trials; None if KerasTuner's is unknown."""
        return ALGORITHMS.get(self.record.settings.algorithm)

    @property
    def has_rungs(self) -> bool:
        """Whether trials had different numbers of epochs by design."""
        return self.record.settings.has_rungs

    @property
    def draws_at_random(self) -> bool:
        """Whether its trials are independent random draws."""
        return self.algorithm is not None and self.algorithm.draws_at_random

    @property
    def patience(self) -> int | None:
        """Epochs without a lower validation loss that stop a run, or None."""
        return self.record.settings.patience

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The configs that it compares, one per trial; empty for a search."""
        return self.record.settings.candidates

    @property
    def enqueued(self) -> int:
        """Number of configs that the user enqueued: trials 1 to this number."""
        return len(self.record.settings.enqueue)

    @property
    def kind(self) -> str:
        """How it was made: "search", "confirm", "try", "noise" or "keras-tuner"."""
        return self.record.settings.kind

    @property
    def inner(self) -> tuple[str, ...]:
        """Names of the studies inside its folder: confirm, tried, noise, ..."""
        records_within = sorted(self.folder.glob("[!.]*/study.json"))
        return tuple(path.parent.name for path in records_within)

    def images(self, split: str) -> int:
        """Return how many images measure accuracy on `train`, `validation` or `test`.

        Train accuracy uses at most as many images as the test set has.
        """
        n = self.record.data.images(split)
        return min(n, self.images("test") or n) if split == "train" else n


def read_study(folder: Path) -> StudyFrames:
    """Read a study folder in any state, or a KerasTuner project.

    Raises:
        FileNotFoundError: The folder is neither.
        RecordError: study.json is cut off, has another schema, or is not a study's.
    """
    folder = folder.resolve()
    if keras_tuner_project.is_project(folder):
        record, trials, unread = keras_tuner_project.read(folder)
        return _assembled(folder, record, record.state, trials, unread)
    record = record_files.read_study(folder)
    state = record.state
    if state == "running" and not locks.is_held(folder):
        state = "interrupted"
    trials = []
    unread = []
    for path in record_files.trial_paths(folder):
        try:
            trial = record_files.read_trial(path)
            _check_plain(trial)
        except FileNotFoundError:  # removed after it was listed
            continue
        except _UNREADABLE as error:
            unread.append(f"{path.name} was left out: {_short(error, path)}")
        else:
            trials.append(trial)
    return _assembled(folder, record, state, trials, unread)


def _assembled(
    folder: Path,
    record: StudyRecord,
    state: str,
    trials: Sequence[TrialRecord],
    unread: Sequence[str],
) -> StudyFrames:
    executions = _executions_frame(trials)
    epochs = _epochs_frame(trials)
    configs = configs_frame(record, trials)
    study = StudyFrames(
        folder=folder,
        record=record,
        state=state,
        trials=pd.DataFrame(columns=list(TRIAL_COLUMNS)),
        executions=executions,
        epochs=epochs,
        configs=configs,
        hyperparameters=varying(record, configs),
        unread=tuple(unread),
        rungs=tuple(sentences(trials, record.settings)),
    )
    if study.is_imported:
        executions["final"] = True
    frame = _trials_frame(trials, executions, epochs, study.objective)
    full_length = ranking.full_length(trials, record.settings)
    best_first = ranking.in_order(full_length, study.objective)
    if study.is_imported:
        best_first = ranking.in_order(
            full_length, study.objective, lambda trial, _: trial.rungs[-1].score
        )
        scores = [t.rungs[-1].score for t in trials]
        frame["objective"] = np.asarray(scores, dtype="float64")
        frame[["seconds", "train_seconds"]] = np.nan  # KerasTuner stores no times
        frame["epochs"] = frame["epochs"].where(frame["epochs"] > 0)
    return dataclasses.replace(
        study, trials=frame, best_first=tuple(t.trial for t in best_first)
    )


def _trials_frame(
    trials: Sequence[TrialRecord],
    executions: pd.DataFrame,
    epochs: pd.DataFrame,
    objective: Objective,
) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "trial": pd.Series([t.trial for t in trials], dtype="int64"),
            "name": pd.Series([t.name for t in trials], dtype="object"),
            "status": pd.Series([t.status for t in trials], dtype="object"),
            "rung": pd.Series([len(t.rungs) for t in trials], dtype="int64"),
            "error": pd.Series([t.error for t in trials], dtype="object"),
        }
    )
    key = pd.Series([_event(t) for t in trials], dtype="float64")
    ended = pd.DataFrame({"event": key, "trial": frame["trial"]})
    frame["order"] = 0
    order = ended.sort_values(["event", "trial"]).index
    frame.loc[order, "order"] = np.arange(1, len(trials) + 1)

    by_trial = executions.groupby("trial")
    frame["executions"] = _aligned(by_trial["execution"].count(), frame).fillna(0)
    frame["epochs"] = _aligned(by_trial["epochs"].max(), frame)
    for name in ("seconds", "train_seconds"):
        frame[name] = _aligned(by_trial[name].sum(), frame)
    frame["params"] = _aligned(by_trial["params"].max(), frame)

    final = executions[executions["final"]]
    gaps = final["train_accuracy"] - final["test_accuracy"]
    for name in MEASURES:
        frame[name] = _aligned(_complete_mean(final, final[name]), frame)
    frame["gap"] = frame["train_accuracy"] - frame["test_accuracy"]
    frame["gap_variance"] = _aligned(gaps.groupby(final["trial"]).var(), frame)
    scores = final.get(objective.name, pd.Series(np.nan, final.index))
    frame["objective"] = _aligned(_complete_mean(final, scores), frame)
    frame["peak_epoch"] = _aligned(_peak_epoch(epochs, objective), frame)
    return frame[list(TRIAL_COLUMNS)]


def _peak_epoch(epochs: pd.DataFrame, objective: Objective) -> pd.Series[float]:
    """Find the best epoch of each trial's mean curve, the last one of a tie."""
    if objective.name not in epochs or epochs.empty:
        return pd.Series(dtype="float64")
    mean = epochs.groupby(["trial", "epoch"])[objective.name].mean().dropna()
    if mean.empty:
        return pd.Series(dtype="float64")
    signed = mean if objective.higher_is_better else -mean
    best = signed.iloc[::-1].groupby("trial").idxmax()
    return best.map(lambda key: float(key[1]))


def _complete_mean(final: pd.DataFrame, values: pd.Series[float]) -> pd.Series[float]:
    """Average each trial's executions; missing if one of them lacks the value."""
    grouped = values.groupby(final["trial"])
    is_complete = grouped.count() == grouped.size()
    return grouped.mean().where(is_complete)


def _aligned(values: pd.Series[Any], frame: pd.DataFrame) -> pd.Series[float]:
    return frame["trial"].map(values).astype("float64")


def _executions_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    rows = [
        {
            "trial": trial.trial,
            "final": execution.is_final,
            **{
                name: getattr(execution, name)
                for name in _EXECUTION_COLUMNS
                if name not in ("trial", "final")
            },
            **execution.metrics,
        }
        for trial in trials
        for execution in trial.executions
    ]
    others = sorted({n for t in trials for e in t.executions for n in e.metrics})
    frame = pd.DataFrame(rows, columns=[*_EXECUTION_COLUMNS, *others])
    numbers = [*MEASURES, *others, "params", "seconds", "train_seconds", "epochs"]
    frame[numbers] = frame[numbers].astype("float64")
    return frame.astype({"trial": "int64", "execution": "int64", "final": "bool"})


def _epochs_frame(trials: Sequence[TrialRecord]) -> pd.DataFrame:
    runs = [(t.trial, e) for t in trials for e in t.executions if e.history]
    lengths = [execution.epochs for _, execution in runs]
    others = {n for _, execution in runs for n in execution.history} - set(HISTORY)

    def curve(name: str) -> list[float]:
        parts = (e.history.get(name, [np.nan] * e.epochs) for _, e in runs)
        return [value for part in parts for value in part]

    return pd.DataFrame(
        {
            "trial": np.repeat([trial for trial, _ in runs], lengths).astype("int64"),
            "execution": np.repeat([e.execution for _, e in runs], lengths),
            "epoch": [epoch for n in lengths for epoch in range(1, n + 1)],
            **{n: np.array(curve(n), "float64") for n in (*HISTORY, *sorted(others))},
        }
    )


def _event(trial: TrialRecord) -> float:
    """Return the search event that ended a trial; infinity if unknown."""
    if not trial.rungs:
        return float("inf")
    last = trial.rungs[-1]
    return float(last.proposed if last.told is None else last.told)


def _check_plain(trial: TrialRecord) -> None:
    """Reject a record whose JSON is valid but whose types are wrong."""
    if not isinstance(trial.config, Mapping) or not isinstance(trial.values, Mapping):
        raise TypeError("its config must be an object")
    int(trial.trial)
    for rung in trial.rungs:
        for number in (rung.proposed, rung.told):
            if number is not None and not isinstance(number, int | float):
                raise TypeError(f"a rung's event must be a number, got {number!r}")
    for execution in trial.executions:
        for name in (*MEASURES, "params", "seconds", "train_seconds", "epochs"):
            value = getattr(execution, name)
            if value is not None and not isinstance(value, int | float):
                raise TypeError(f"{name} must be a number, got {value!r}")
        int(execution.execution)
        _check_history(execution)


def _check_history(execution: Execution) -> None:
    for name, values in execution.history.items():
        if not all(v is None or isinstance(v, int | float) for v in values):
            raise TypeError(f"history {name!r} must hold numbers")


def _short(error: Exception, path: Path) -> str:
    """Shorten an error to one line without this machine's folders."""
    text = str(error).replace(f"{path}: ", "").replace(str(path), path.name)
    return " ".join(text.split())[:240]
