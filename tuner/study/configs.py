"""Read configs: those in a file, a study's best, and those of a user's code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search_spaces.config import CnnConfig
from search_spaces.space import load_space
from search_spaces.user_code import Config, UserConfig, UserSpace
from tuner.study.folder import Study, find_study
from tuner.study.ranking import best_first
from tuner.study.settings import SettingsError


def read_configs(path: Path) -> list[dict[str, Any]]:
    """Read the configs to enqueue.

    Args:
        path: A JSON list of objects that map hyperparameters to values, or a single
            such object. A trial that `tune show STUDY TRIAL --json` prints is valid
            too: its `config` is read.

    Raises:
        SettingsError: The file is invalid; the message names the config and why.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--enqueue must name a JSON file: {error}.") from error
    rows = rows if isinstance(rows, list) else [rows]
    return [_config(path, number, row) for number, row in enumerate(rows, 1)]


def best_config(
    directory: Path, name: str, folder: Path | None
) -> tuple[dict[str, Any], str]:
    """Return a study's best config by its objective, and the study's name.

    Args:
        directory: The folder of the studies.
        name: The study's name, or its folder's path.
        folder: The folder of the study that will use the config as its base, or None
            for a new study. A resumed study keeps the base that it began with, even
            if the other study has a better one now.

    Raises:
        NotAStudyError: There is no such study.
        SettingsError: The study has no ranked trial.
    """
    if folder and (folder / "study.json").exists():
        stored = Study.open(folder).record.settings
        if stored.base is not None and stored.base_study == Path(name).name:
            return dict(stored.base), stored.base_study
    source = find_study(directory, name)
    study = Study.open(source)
    ranked = best_first(study.trials.values(), study.record.settings)
    if not ranked:
        raise SettingsError(
            "--base must name a study with a completed trial that has a "
            f"{study.objective.name}, and {source.name} has none. "
            "Let it finish a trial, or put a config into a file for --enqueue."
        )
    return dict(ranked[0].config), source.name


def read_config(study: Study | None, flat: Mapping[str, Any]) -> Config:
    """Rebuild a config from its `to_dict`: a user's if the study searches user code."""
    if study and study.record.space.user_code is not None:
        return UserConfig.from_dict(flat)
    return CnnConfig.from_dict(flat)


def user_space(study: Study) -> UserSpace | None:
    """Load the user's code that builds a study's networks, or return None.

    Raises:
        SpaceError: The file no longer exists.
        SettingsError: The file has changed since the study searched it.
    """
    record, settings = study.record.space, study.record.settings
    if record.user_code is None:
        return None
    path = study.space_file
    space = load_space(settings.space, kept=path)
    if not isinstance(space, UserSpace) or space.source != record.source:
        raise SettingsError(
            f"{path} must be unchanged since study {study.name} began, but it has "
            "changed. Restore it, or search the new version under another --name."
        )
    space = replace(space, model=replace(space.model, pixels=settings.pixels))
    return space.with_discovery(record.user_code)


def _config(path: Path, number: int, row: Any) -> dict[str, Any]:
    config = row.get("config", row) if isinstance(row, Mapping) else None
    if not isinstance(config, Mapping):
        raise SettingsError(
            f"Config {number} of {path} must be an object that maps hyperparameters to "
            f'values, such as {{"filters_1": 48}}, got {str(row)[:80]!r}.'
        )
    return dict(config)
