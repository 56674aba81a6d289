"""The table of all trials: one list of columns for page, script and CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.read import labels
from reports.read.study import StudyFrames, read_study
from reports.stats.ranking import Ranking, rank
from search_spaces.published import EXPERIMENTS
from tuner.study.records import MEASURES
from tuner.system.files import atomic_file

STATIC_ROWS = 100


class Column(NamedTuple):
    """One column.

    Attributes:
        key: Its name in the CSV and in a filter.
        title: Its heading.
        kind: "percent", "points", "count", "loss", "duration", "params", "number"
            or "text"; decides how this module and the page's script write a value.
        data: One plain value per row, None if missing.
    """

    key: str
    title: str
    kind: str
    data: list[Any]


_WRITERS: dict[str, Callable[[Any], str]] = {
    "percent": lambda v: labels.number(100 * v, 1),
    "points": labels.gap,
    "count": labels.count,
    "loss": lambda v: labels.number(v, 3),
    "duration": labels.duration,
    "params": labels.params,
    "number": labels.value,
    "text": str,
}


def trials_table(study: StudyFrames, ranking: Ranking) -> list[Column]:
    """List every trial, ranked trials first; leave out what cannot vary."""
    rows = ranking.listed
    columns = [
        Column("place", "Place", "count", _plain(rows["place"])),
        Column("trial", "Trial", "count", _plain(rows["trial"])),
    ]
    if rows["name"].notna().sum() > 1:
        columns.append(Column("name", "Name", "text", _plain(rows["name"])))
    columns += [
        Column("status", "Status", "text", _statuses(study, rows)),
        Column("val_accuracy", "Val. %", "percent", _plain(rows["val_accuracy"])),
        Column("test_accuracy", "Test %", "percent", _plain(rows["test_accuracy"])),
        Column("train_accuracy", "Train %", "percent", _plain(rows["train_accuracy"])),
        Column("gap", labels.GAP.capitalize(), "points", _plain(rows["gap"])),
        Column("val_loss", "Val. loss", "loss", _plain(rows["val_loss"])),
        Column("params", "Parameters", "params", _plain(rows["params"])),
        Column("epochs", "Epochs", "count", _plain(rows["epochs"])),
        Column("seconds", "Time", "duration", _plain(rows["seconds"])),
    ]
    name = study.objective.name
    if name not in MEASURES:
        title, values = labels.axis(study.objective), _plain(rows["objective"])
        at = next(i for i, c in enumerate(columns) if c.key == "val_accuracy")
        columns.insert(at, Column(name, title, "loss", values))
    if not ranking.by_validation:
        columns = [
            c for c in columns if c.key not in ("place", "val_accuracy", "val_loss")
        ]
    recorded = _recorded(study, rows)
    if recorded:
        at = next(i for i, c in enumerate(columns) if c.key == "test_accuracy")
        columns.insert(at, Column("recorded", "Recorded test %", "percent", recorded))
    if (rows["executions"] > 1).any():
        columns.append(
            Column("executions", "Seeds", "count", _plain(rows["executions"]))
        )
    keys = {column.key for column in columns}
    for name in _varying(study):
        values = _plain(rows["trial"].map(study.configs[name]))
        numeric = all(
            v is None or (isinstance(v, int | float) and not isinstance(v, bool))
            for v in values
        )
        if not numeric:
            values = [None if v is None else labels.value(v) for v in values]
        key = f"config_{name}" if name in keys else name
        title = name.replace("_", " ")
        title = f"{title} (config)" if name in keys else title
        columns.append(Column(key, title, "number" if numeric else "text", values))
    if rows["error"].notna().any():
        columns.append(Column("error", "Error", "text", _plain(rows["error"])))
    return columns


def _varying(study: StudyFrames) -> list[str]:
    """Name the hyperparameters that were searched or that only some configs have."""
    searched = {hyperparameter.name for hyperparameter in study.hyperparameters}
    searched |= {h.name for h in study.record.space.hyperparameters}
    missing = study.configs.isna()
    partial = {str(n) for n in missing if missing[n].any() and not missing[n].all()}
    return [str(name) for name in study.configs if name in searched | partial]


def cells(column: Column) -> list[str]:
    """Write a column's first rows for the static page."""
    write = _WRITERS[column.kind]
    values = column.data[:STATIC_ROWS]
    return [labels.MISSING if v is None else write(v) for v in values]


def write_csv(folder: Path, path: Path) -> int:
    """Write a study's table as CSV, equal to the page's download.

    Args:
        folder: The study's folder.
        path: The CSV file, written whole or not at all.

    Returns:
        The number of trials.
    """
    study = read_study(folder)
    columns = trials_table(study, rank(study))
    with atomic_file(path) as file:
        writer = csv.writer(file)
        writer.writerow(_quoted(column.key) for column in columns)
        writer.writerows(
            map(_quoted, row)
            for row in zip(*(column.data for column in columns), strict=True)
        )
    return len(columns[0].data)


def _quoted(value: Any) -> Any:
    """Quote a text that a spreadsheet would run as a formula."""
    is_formula = isinstance(value, str) and value[:1] in tuple("=+-@\t\r")
    return f"'{value}" if is_formula else value


def payload(columns: list[Column]) -> dict[str, Any]:
    """Return the table as the page's script reads it."""
    return {"columns": [_packed(column) for column in columns]}


def _packed(column: Column) -> dict[str, Any]:
    """Store each text of a column once, and its index in each row."""
    if column.kind != "text":
        return column._asdict()
    levels = list(dict.fromkeys(text for text in column.data if text is not None))
    number = {text: i for i, text in enumerate(levels)}
    rows = [None if text is None else number[text] for text in column.data]
    return {**column._asdict(), "data": rows, "levels": levels}


def _recorded(study: StudyFrames, rows: pd.DataFrame) -> list[float | None]:
    """List the recorded test accuracy of each published experiment."""
    if not study.record.space.is_published:
        return []
    recorded = {name: e.recorded_test_accuracy for name, e in EXPERIMENTS.items()}
    return [recorded.get(name) for name in rows["name"]]


def _statuses(study: StudyFrames, rows: pd.DataFrame) -> list[Any]:
    cut = "running" if study.state == "running" else "cut off"
    return [cut if status == "running" else status for status in rows["status"]]


def _plain(values: pd.Series[Any]) -> list[Any]:
    return [_plain_value(v) for v in values]


def _plain_value(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        if value.is_integer() and abs(value) < 1e15:
            return int(value)
        return float(f"{value:.6g}")  # a gap is 0.1623, not 0.16230000000000003
    return value if isinstance(value, bool | int) else str(value)
