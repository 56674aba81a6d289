"""The hyperparameters of a study: what each config holds, and which of them vary."""

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
        log: Whether it was sampled in log.
        choices: What a choice could be; empty for a range.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()


def configs_frame(record: StudyRecord, trials: Sequence[TrialRecord]) -> pd.DataFrame:
    """Take what is active in each config, and what only the space has a name for.

    A hyperparameter that is younger than a trial has the baseline's value there.
    """
    known = {key for trial in trials for key in trial.config}
    is_cnn = record.space.user_code is None and record.settings.kind != KIND
    rows = []
    for trial in trials:
        proposed = dict(trial.values)
        only = {k: v for k, v in proposed.items() if k not in known}
        rows.append({**only, **(completed(trial.config) if is_cnn else trial.config)})
    order = list(declared(record))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns.sort(key=lambda k: order.index(k) if k in order else len(order))
    index = pd.Index([t.trial for t in trials], name="trial", dtype="int64")
    # As objects, so that a depth of 2 does not turn into 2.0 beside a gap.
    return pd.DataFrame(rows, index=index, columns=columns, dtype="object")


def varying(record: StudyRecord, configs: pd.DataFrame) -> tuple[Hyperparameter, ...]:
    """Find the declared hyperparameters that vary; of a space without any, all."""
    known = declared(record)
    names = list(known) or list(configs.columns)
    used = [name for name in names if name in configs and _varies(configs[name])]
    return tuple(known.get(name, Hyperparameter(name)) for name in used)


def declared(record: StudyRecord) -> dict[str, Hyperparameter]:
    """Take what a space declares by name, whether or not a trial varied it."""
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
