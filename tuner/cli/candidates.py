"""What `tune confirm`, `tune try` and `tune noise` train: candidates, and settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from search_spaces.config import BASELINE, HYPERPARAMETERS, LAYERED, CnnConfig
from search_spaces.user_code import Config, OwnConfig
from tuner.study.candidates import Candidate
from tuner.study.folder import NotAStudyError, Study
from tuner.study.configs import read_config
from tuner.study.ranking import best_first
from tuner.study.settings import SettingsError, StudySettings


def finalists(study: Study, trials: Sequence[int], top: int) -> list[Candidate]:
    """Choose what to confirm: trial 0, then the best by validation, or those named.

    Args:
        study: Searched before.
        trials: Their numbers; none takes the best.
        top: How many of the best.

    Raises:
        NotAStudyError: A trial that was named is not there.
        SettingsError: There is nothing to choose by, or to set anything against.
    """
    first = _trial_0(study)
    unknown = [t for t in trials if t not in study.trials]
    if unknown:
        known = ", ".join(map(str, sorted(study.trials))) or "none"
        raise NotAStudyError(
            f"Study {study.name} has no trial {unknown[0]}. It has: {known}."
        )
    ranked = best_first(study.trials.values(), study.record.settings)
    if not trials and not ranked:
        raise SettingsError(
            f"A study must have a finished trial with a validation score, and "
            f"{study.name} has none. Let it finish, or name trials: "
            f"{study.command('confirm', 1, 2)}"
        )
    chosen = list(trials) or [t.trial for t in ranked if t.trial][:top]
    others = [
        _candidate(first, config, _named(study, number))
        for number in dict.fromkeys(chosen)
        if (config := _config(study, number)) != dict(first.config)
    ]
    if not others:
        raise SettingsError(
            "There must be a trial to set against trial 0, and nothing else was "
            f"chosen of {study.name}. Search further, or name a trial."
        )
    return [first, *others]


def changed(base: Config, changes: Sequence[str], name: str) -> list[Candidate]:
    """Make two candidates: a config, and the same with some values changed.

    Args:
        base: What the changes are made to.
        changes: "filters=48", "units=256,64", "filters_2=64", "dropout=0.3", ...
            Without a layer's number a size is every layer's; layers that are added
            without a size have the last one's.
        name: What `base` is called.

    Raises:
        SettingsError: A change cannot be read, or changes nothing.
    """
    given: dict[str, Any] = {}
    for change in changes:
        key, is_pair, text = change.partition("=")
        if not is_pair or not key or not text:
            raise SettingsError(
                f"A change must read like filters=48 or dropout=0.3, got {change!r}. "
                f"Names: {', '.join(_names(base))}."
            )
        if key in given:
            raise SettingsError(
                f"A change must name each value once, got {key} twice. Write layers "
                "as filters=32,64, and try two values with two commands."
            )
        given[key] = [_value(part) for part in text.split(",")]
    _refuse_unknown(base, given)
    try:
        config = base.changed(_flat(base, given))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{' '.join(changes)} is not possible: {error}") from error
    if config.to_dict() == base.to_dict():
        raise SettingsError(
            f"A change must change something, and {' '.join(changes)} is what {name} "
            "has already. Try another value."
        )
    first = Candidate(name, base.to_dict(), {})
    return [first, _candidate(first, config.to_dict(), " ".join(changes))]


def known_candidates(folder: Path) -> list[Candidate]:
    """List the candidates that a study compares; none where it is not there yet."""
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
        candidates: All of them, candidate 0 first.
        like: Whose data and training apply.
        how: Options that say where and how long to train.
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
    """Take what the study's trials are set against, also where it was not trained."""
    first = study.trials.get(0)
    settings = study.record.settings
    if first is not None:
        return Candidate(first.name or "baseline", _config(study, 0), {})
    if study.record.space.user_code is not None:
        raise SettingsError(
            f"Study {study.name} must have its trial 0 to compare with, and it has "
            "none. Search without --no-baseline."
        )
    base = CnnConfig.from_dict(settings.base) if settings.base else BASELINE
    config = replace(base, epochs=settings.epochs or base.epochs)
    return Candidate("baseline", config.to_dict(), {})


def _config(study: Study, number: int) -> dict[str, Any]:
    """Give a trial's config with what is younger than its record."""
    return read_config(study, study.trials[number].config).to_dict()


def _named(study: Study, number: int) -> str:
    name = study.trials[number].name
    return f"trial {number}" + (f" {name}" if name else "")


def _candidate(first: Candidate, config: Mapping[str, Any], name: str) -> Candidate:
    differing = {k: v for k, v in config.items() if first.config.get(k) != v}
    return Candidate(name, dict(config), differing)


def _names(base: Config) -> list[str]:
    if isinstance(base, OwnConfig):
        return list(base.to_dict())
    return [*HYPERPARAMETERS, *(layered.count for layered in LAYERED.values())]


def _refuse_unknown(base: Config, given: Mapping[str, Any]) -> None:
    """Refuse a name that no config has, and offer the one it looks like."""
    names, is_own = _names(base), isinstance(base, OwnConfig)
    for name in given:
        size, _, layer = name.rpartition("_")
        is_layer = size in LAYERED and layer.isdecimal() and not is_own
        if name in names or is_layer:
            continue
        near = get_close_matches(name, names, n=1)
        raise SettingsError(
            f"A change must name what a config has, got {name!r}."
            + (f" Did you mean {near[0]}?" if near else "")
            + f" Names: {', '.join(names)}."
        )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _flat(base: Config, given: Mapping[str, list[Any]]) -> dict[str, Any]:
    """Write sizes layer by layer, as `CnnConfig.changed` takes them."""
    is_own = isinstance(base, OwnConfig)
    flat = {
        name: values[0] if len(values) == 1 else values
        for name, values in given.items()
        if is_own or name not in LAYERED
    }
    if is_own:
        return flat
    for sizes, layered in LAYERED.items():
        count = layered.count
        current = list(getattr(base, sizes))
        wanted = given.get(sizes, current)
        layers = flat.get(count, len(wanted) if len(wanted) > 1 else len(current))
        if not isinstance(layers, int) or (not wanted and layers):
            continue  # `changed` says what is wrong
        flat[count] = layers
        if sizes in given and len(given[sizes]) == 1:
            wanted = wanted * layers
        wanted = wanted + wanted[-1:] * (layers - len(wanted))
        if sizes in given or layers > len(current):
            flat |= {
                name: size
                for i, size in enumerate(wanted[:layers], 1)
                if (name := f"{sizes}_{i}") not in given
            }
    return flat
