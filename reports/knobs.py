"""The hyperparameters of a study: what each config holds, and which of them vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tuner.records import StudyRecord, TrialRecord


@dataclass(frozen=True)
class Knob:
    """One hyperparameter that varies over a study's trials.

    Attributes:
        name: Its column in `Study.configs`.
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
    """Take what is active in each config, and what only the space has a name for."""
    known = {key for trial in trials for key in trial.config}
    rows = []
    for trial in trials:
        proposed = dict(trial.values)
        only = {k: v for k, v in proposed.items() if k not in known}
        rows.append({**only, **trial.config})
    declared = [h.get("name") for h in _declared(record)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns.sort(key=lambda k: declared.index(k) if k in declared else len(declared))
    index = pd.Index([t.trial for t in trials], name="trial", dtype="int64")
    # As objects, so that a depth of 2 does not turn into 2.0 beside a gap.
    return pd.DataFrame(rows, index=index, columns=columns, dtype="object")


def varying(record: StudyRecord, configs: pd.DataFrame) -> tuple[Knob, ...]:
    """Find the declared hyperparameters that vary; of a space without any, all."""
    declared = {str(h.get("name")): h for h in _declared(record)}
    names = list(declared) or list(configs.columns)
    used = [name for name in names if name in configs and _varies(configs[name])]
    return tuple(_knob(name, declared.get(name, {})) for name in used)


def _varies(column: pd.Series[Any]) -> bool:
    return len({repr(value) for value in column.dropna()}) > 1


def _knob(name: str, declared: Mapping[str, Any]) -> Knob:
    low, high = declared.get("min"), declared.get("max")
    return Knob(
        name=name,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        log=declared.get("sampling") == "log",
        choices=tuple(declared.get("values") or ()),
    )


def _declared(record: StudyRecord) -> list[Mapping[str, Any]]:
    declared = record.space.get("hyperparameters") or ()
    return [h for h in declared if isinstance(h, Mapping) and h.get("name")]
