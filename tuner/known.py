"""Start from what is known: configs from a file, or another study's best."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search_spaces.config import BASELINE
from tuner.ranking import best_first
from tuner.settings import SettingsError, StudySettings
from tuner.study import Study, find_study


def read_configs(path: Path) -> list[dict[str, Any]]:
    """Read the configs to enqueue.

    Args:
        path: A JSON list of objects, each with values by hyperparameter, as
            `tune show STUDY TRIAL --json` prints them under `config`; such a whole
            trial does, too.

    Raises:
        SettingsError: It is no such file; the text names the config and the reason.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--enqueue must name a JSON file: {error}.") from error
    rows = rows if isinstance(rows, list) else [rows]
    return [_checked(path, number, row) for number, row in enumerate(rows, 1)]


def best_config(directory: Path, name: str, folder: Path) -> tuple[dict[str, Any], str]:
    """Give a study's best config by its objective, and the study's name.

    Args:
        directory: Where the studies lie.
        name: The study's name, or its folder's path.
        folder: The study that will be based on it. Where that exists already, it
            keeps the base that it was made with, whatever the other has found since.

    Raises:
        NotAStudyError: There is no such study.
        SettingsError: It has no trial that could be called its best.
    """
    source = find_study(directory, name)
    if (folder / "study.json").exists():
        stored = StudySettings.from_dict(Study.open(folder).record.settings)
        if stored.base is not None and stored.base_study == source.name:
            return dict(stored.base), source.name
    study = Study.open(source)
    ranked = best_first(study.trials.values(), study.record.settings)
    if not ranked:
        raise SettingsError(
            "--base must name a study with a finished trial that has a "
            f"{study.record.settings['objective']}, and {source.name} has none. "
            "Let it finish first, or put a config into a file and --enqueue that."
        )
    return dict(ranked[0].config), source.name


def _checked(path: Path, number: int, row: Any) -> dict[str, Any]:
    given = row.get("config", row) if isinstance(row, Mapping) else None
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"Config {number} of {path} must be an object with values by "
            f'hyperparameter, such as {{"filters_1": 48}}, got {str(row)[:80]!r}.'
        )
    try:
        BASELINE.changed(given)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"Config {number} of {path}: {error}") from error
    return dict(given)
