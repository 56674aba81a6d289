"""Start from what is known: configs from a file, or another study's best."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from search_spaces.config import CnnConfig
from search_spaces.space import load_space
from search_spaces.user_code import Config, OwnConfig, OwnSpace
from tuner.study.folder import Study, find_study
from tuner.study.ranking import best_first
from tuner.study.settings import SettingsError


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


def best_config(
    directory: Path, name: str, folder: Path | None
) -> tuple[dict[str, Any], str]:
    """Give a study's best config by its objective, and the study's name.

    Args:
        directory: Where the studies lie.
        name: The study's name, or its folder's path.
        folder: The study that will be based on it, where a session goes on with it:
            it keeps the base that it was made with, whatever the other has found.

    Raises:
        NotAStudyError: There is no such study.
        SettingsError: It has no trial that could be called its best.
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
            "--base must name a study with a finished trial that has a "
            f"{study.objective.name}, and {source.name} has none. "
            "Let it finish first, or put a config into a file and --enqueue that."
        )
    return dict(ranked[0].config), source.name


def read_config(study: Study | None, flat: Mapping[str, Any]) -> Config:
    """Read a config of a study, or of none, as its `to_dict` wrote it."""
    if study and study.record.space.user_code is not None:
        return OwnConfig.from_dict(flat)
    return CnnConfig.from_dict(flat)


def own_space(study: Study) -> OwnSpace | None:
    """Find the user's own code that a study's networks come from, or None.

    Raises:
        SpaceError: The file is not there any more.
        SettingsError: It is not what the study searched.
    """
    searched, settings = study.record.space, study.record.settings
    if searched.user_code is None:
        return None
    path = study.space_file
    space = load_space(settings.space, kept=path)
    if not isinstance(space, OwnSpace) or space.source != searched.source:
        raise SettingsError(
            f"{path} must be as study {study.name} searched it, and it has changed. "
            "Put it back, or search what it is now under another --name."
        )
    space = replace(space, model=replace(space.model, pixels=settings.pixels))
    return space.known(searched.user_code)


def _checked(path: Path, number: int, row: Any) -> dict[str, Any]:
    given = row.get("config", row) if isinstance(row, Mapping) else None
    if not isinstance(given, Mapping):
        raise SettingsError(
            f"Config {number} of {path} must be an object with values by "
            f'hyperparameter, such as {{"filters_1": 48}}, got {str(row)[:80]!r}.'
        )
    return dict(given)
