"""The hyperparameters of a study: their values in each config, and which ones vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.read.keras_tuner_project import KIND
from search_spaces.config import completed
from tuner.study import descriptions
from tuner.study.records import StudyRecord, TrialRecord


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter that varies over a study's trials.

    Attributes:
        name: Its column in `StudyFrames.configs`.
        low: Lower end of the searched range, or None for a choice.
        high: Upper end of the searched range, or None for a choice.
        log: Whether it was sampled on a log scale.
        choices: Possible values of a choice; empty for a range.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()


def configs_frame(record: StudyRecord, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Build a frame with one row per trial and one column per active hyperparameter.

    It includes proposed values that no config has a field for. If a trial is older
    than a hyperparameter, its row has the baseline's value.
    """
    fields = {key for trial in trials for key in trial.config}
    is_cnn = record.space.user_code is None and record.settings.kind != KIND
    rows = []
    for trial in trials:
        config = completed(trial.config) if is_cnn else trial.config
        extra = {k: v for k, v in dict(trial.values).items() if k not in fields}
        rows.append({**extra, **config})
    order = list(declared(record))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns.sort(key=lambda k: order.index(k) if k in order else len(order))
    index = pd.Index([t.trial for t in trials], name="trial", dtype="int64")
    # As objects: a missing value in the column would turn a depth of 2 into 2.0.
    return pd.DataFrame(rows, index=index, columns=columns, dtype="object")


def varying(record: StudyRecord, configs: pd.DataFrame) -> tuple[Hyperparameter, ...]:
    """Return the declared hyperparameters that vary, or all if none is declared."""
    by_name = declared(record)
    names = list(by_name) or list(configs.columns)
    used = [name for name in names if name in configs and _varies(configs[name])]
    return tuple(by_name.get(name, Hyperparameter(name)) for name in used)


def declared(record: StudyRecord) -> dict[str, Hyperparameter]:
    """Return every hyperparameter that the space declares, by name."""
    return {h.name: _hyperparameter(h) for h in record.space.hyperparameters}


def _varies(column: pd.Series[Any]) -> bool:
    return len({repr(value) for value in column.dropna()}) > 1


def _hyperparameter(declared: descriptions.Hyperparameter) -> Hyperparameter:
    low, high = declared.min, declared.max
    return Hyperparameter(
        name=declared.name,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        log=declared.sampling == "log",
        choices=declared.choices or (),
    )
