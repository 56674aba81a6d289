"""The candidates and settings of `confirm`, `try`, `noise` and `finish`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from search_spaces.config import BASELINE, HYPERPARAMETERS, LAYERED, CnnConfig
from search_spaces.user_code import Config, UserConfig
from tuner.study import words
from tuner.study.candidates import Candidate
from tuner.study.configs import read_config, user_space
from tuner.study.folder import NotAStudyError, Study, find_study
from tuner.study.ranking import best_first
from tuner.study.records import TrialRecord
from tuner.study.settings import SettingsError, StudySettings

SPACE = "combined"  # has every hyperparameter of a config


def open_search(directory: Path, name: str) -> Study:
    """Open a study that is a search.

    Raises:
        NotAStudyError: There is no such study.
        SettingsError: It trains configs that were chosen before.
    """
    study = Study.open(find_study(directory, name))
    settings = study.record.settings
    if settings.kind == "final":
        outer = study.name.partition("/")[0]
        raise SettingsError(
            f"STUDY must be a search, and {study.name} is the finished network of "
            f"{outer}. Name {outer}."
        )
    if settings.candidates:
        raise SettingsError(
            f"STUDY must be a search, and {study.name} compares configs that were "
            "chosen by hand. Name another study, or add seeds to this one with its "
            f"own command: {study.record.command}"
        )
    return study


def settings_like(study: Study, data: str | None) -> StudySettings:
    """Return the settings of a search on which the result of a config depends.

    Args:
        study: The search.
        data: Where its images are now, if they moved.
    """
    settings = study.record.settings
    data = data or settings.data
    if user_space(study):  # the user's file may have changed or gone since
        return replace(settings, data=data, kept_space=str(study.space_file))
    return replace(settings, data=data, space=SPACE)


def finalist(study: Study, trial: TrialRecord, epochs: int | None) -> Candidate:
    """Return the candidate that trains a trial's config on all images.

    Args:
        study: A study that was searched.
        trial: One of its completed trials.
        epochs: Epochs to train, or None for the epochs of the trial: all that the
            study gives a trial with Hyperband, those that were kept with --patience.
    """
    settings, config = study.record.settings, _config(study, trial.trial)
    kept = [e.best_epoch for e in trial.executions if e.best_epoch is not None]
    if settings.has_rungs and settings.epochs:
        config["epochs"] = settings.epochs
    if settings.patience and kept:
        config["epochs"] = round(sum(kept) / len(kept))
    if epochs is not None:
        config["epochs"] = epochs
    return Candidate(words.candidate(trial), config, {}, looks=(1,))


def finalists(study: Study, trials: Sequence[int], top: int) -> list[Candidate]:
    """Choose the candidates to confirm: trial 0, then the best or the named trials.

    Args:
        study: A study that was searched.
        trials: Numbers of trials; if empty, the best by validation are chosen.
        top: How many of the best to choose.

    Raises:
        NotAStudyError: The study has no trial of one of these numbers.
        SettingsError: No trial is ranked, or none differs from trial 0.
    """
    first = _trial_0(study)
    unknown = [t for t in trials if t not in study.trials]
    if unknown:
        numbers = ", ".join(map(str, sorted(study.trials))) or "none"
        raise NotAStudyError(
            f"Study {study.name} has no trial {unknown[0]}. It has: {numbers}."
        )
    ranked = best_first(study.trials.values(), study.record.settings)
    if not trials and not ranked:
        raise SettingsError(
            f"Study {study.name} has no finished trial with a validation score. Let "
            f"the search finish, or name trials: {study.command('confirm', 1, 2)}"
        )
    chosen = list(trials) or [t.trial for t in ranked if t.trial][:top]
    others = [
        _candidate(first, config, words.candidate(study.trials[number]))
        for number in dict.fromkeys(chosen)
        if (config := _config(study, number)) != dict(first.config)
    ]
    if not others:
        raise SettingsError(
            "At least one trial must differ from trial 0, and none chosen from "
            f"{study.name} does. Search further, or name other trials."
        )
    return [first, *others]


def changed(base: Config, changes: Sequence[str], name: str) -> list[Candidate]:
    """Make two candidates: a config, and the same config with some values changed.

    Args:
        base: The config to change.
        changes: "filters=48", "units=256,64", "filters_2=64", "dropout=0.3", ...
            A size without a layer's number applies to every layer; layers that are
            added without a size copy the last one.
        name: The name of `base`.

    Raises:
        SettingsError: A change cannot be read, or changes nothing.
    """
    values: dict[str, Any] = {}
    for change in changes:
        key, is_pair, text = change.partition("=")
        if not is_pair or not key or not text:
            raise SettingsError(
                f"A change must read like filters=48 or dropout=0.3, got {change!r}. "
                f"Names: {', '.join(_names(base))}."
            )
        if key in values:
            raise SettingsError(
                f"A command must set each name once, got {key} twice. Write layers "
                "as filters=32,64, and try two values with two commands."
            )
        values[key] = [_value(part) for part in text.split(",")]
    _refuse_unknown(base, values)
    try:
        config = base.changed(_flat(base, values))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{' '.join(changes)} is not valid: {error}") from error
    if config.to_dict() == base.to_dict():
        raise SettingsError(
            f"A change must change something, and {name} has {' '.join(changes)} "
            "already. Try another value."
        )
    first = Candidate(name, base.to_dict(), {})
    return [first, _candidate(first, config.to_dict(), " ".join(changes))]


def known_candidates(folder: Path) -> list[Candidate]:
    """List the candidates that a study compares; none if it does not exist yet."""
    if not (folder / "study.json").exists():
        return []
    return list(Study.open(folder).record.settings.candidates)


def settings_for(
    kind: str,
    candidates: Sequence[Candidate],
    like: StudySettings,
    how: Mapping[str, Any],
) -> StudySettings:
    """Make the settings of a study that compares candidates.

    Args:
        kind: "confirm", "try" or "noise".
        candidates: All candidates, candidate 0 first.
        like: Settings whose data and training apply.
        how: Options for where and how long to train.
    """
    return replace(
        like,
        kind=kind,
        candidates=tuple(candidates),
        algorithm=StudySettings.algorithm,
        max_trials=None,
        epochs=candidates[0].config["epochs"],
        executions=1,
        baseline=True,
        keep_models=0,
        min_epochs=1,
        audit=0,
        enqueue=(),
        base=None,
        base_study=None,
        in_s=None,
        max_params=None,
        **how,
    )


def _trial_0(study: Study) -> Candidate:
    """Return trial 0 as a candidate, even if the study did not train it."""
    first = study.trials.get(0)
    settings = study.record.settings
    if first is not None:
        return Candidate(first.name or "baseline", _config(study, 0), {})
    if study.record.space.user_code is not None:
        raise SettingsError(
            f"Study {study.name} has no trial 0 to compare with. Search again without "
            "--no-baseline."
        )
    base = CnnConfig.from_dict(settings.base) if settings.base else BASELINE
    config = replace(base, epochs=settings.epochs or base.epochs)
    return Candidate("baseline", config.to_dict(), {})


def _config(study: Study, number: int) -> dict[str, Any]:
    """Give a trial's config with what is younger than its record."""
    return read_config(study, study.trials[number].config).to_dict()


def _candidate(first: Candidate, config: Mapping[str, Any], name: str) -> Candidate:
    differing = {k: v for k, v in config.items() if first.config.get(k) != v}
    return Candidate(name, dict(config), differing)


def _names(base: Config) -> list[str]:
    if isinstance(base, UserConfig):
        return list(base.to_dict())
    return [*HYPERPARAMETERS, *(layered.count for layered in LAYERED.values())]


def _refuse_unknown(base: Config, values: Mapping[str, Any]) -> None:
    """Refuse a name that no config has, and suggest a similar one."""
    names, is_user_config = _names(base), isinstance(base, UserConfig)
    for name in values:
        size, _, layer = name.rpartition("_")
        is_layer = size in LAYERED and layer.isdecimal() and not is_user_config
        if name in names or is_layer:
            continue
        similar = get_close_matches(name, names, n=1)
        raise SettingsError(
            f"A change must name a hyperparameter, got {name!r}."
            + (f" Did you mean {similar[0]}?" if similar else "")
            + f" Names: {', '.join(names)}."
        )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flat(base: Config, values: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Write sizes layer by layer, as `CnnConfig.changed` takes them."""
    is_user_config = isinstance(base, UserConfig)
    flat = {
        name: parts[0] if len(parts) == 1 else parts
        for name, parts in values.items()
        if is_user_config or name not in LAYERED
    }
    if is_user_config:
        return flat
    for sizes, layered in LAYERED.items():
        count = layered.count
        current = list(getattr(base, sizes))
        new = values.get(sizes, current)
        layers = flat.get(count, len(new) if len(new) > 1 else len(current))
        if not isinstance(layers, int) or (not new and layers):
            continue  # `changed` raises an error that says what is wrong
        flat[count] = layers
        if sizes in values and len(values[sizes]) == 1:
            new = new * layers
        new = new + new[-1:] * (layers - len(new))
        if sizes in values or layers > len(current):
            flat |= {
                name: size
                for i, size in enumerate(new[:layers], 1)
                if (name := f"{sizes}_{i}") not in values
            }
    return flat
