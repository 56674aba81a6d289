"""Short words for configs, numbers and times on an 80-column line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_spaces.config import HYPERPARAMETERS, OPTIMIZERS, CnnConfig
from tuner.study.descriptions import SpaceRecord
from tuner.study.objective import Objective
from tuner.study.records import TrialRecord
from tuner.system.numbers import number


def points(fraction: float | None, *, signed: bool = False) -> str:
    """Format a fraction in percent or points: 0.5814 is "58.1"."""
    text = number(None if fraction is None else 100 * fraction, 1)
    return f"+{text}" if signed and fraction and fraction > 0 else text


def validation(
    objective: Objective, accuracy: float | None, value: float | None
) -> str:
    """Format a trial's score: "val 58.1", after the objective if that is another."""
    text = f"val {points(accuracy)}"
    if objective.is_accuracy:
        return text
    return f"{objective.name} {number(value, 4)}  {text}"


def several(n: int, singular: str) -> str:
    """Count things: "1 seed", "3 seeds"."""
    return f"{n:,} {singular}{'' if n == 1 else 's'}"


def about(seconds: float) -> str:
    """Format an estimated duration, rounded."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f}s"
    if seconds < 5400:
        return f"{round(seconds / 60)}m"
    return f"{seconds / 3600:.1f}h"


def brackets(plan: Sequence[Sequence[Sequence[int]]]) -> list[str]:
    """Describe Hyperband's plan, one line per bracket.

    Args:
        plan: Brackets of rungs of (configs, epochs), as a study's record has them.
    """
    return [
        f"bracket {number}: "
        + " -> ".join(f"{configs} to epoch {epochs}" for configs, epochs in rungs)
        for number, rungs in enumerate(plan, 1)
    ]


def config(flat: Mapping[str, Any], names: set[str]) -> str:
    """Describe a config by the hyperparameters that the space varies.

    Args:
        flat: `CnnConfig.to_dict`.
        names: Hyperparameters to show. If one of them is of the architecture, the
            whole architecture is shown.
    """
    c, names = CnnConfig.from_dict(flat), _fields(names)
    of_training = {n for n, h in HYPERPARAMETERS.items() if not h.architecture}
    architecture, training = [], []
    for name, hyperparameter in HYPERPARAMETERS.items():
        word = hyperparameter.words(name, c)
        if not hyperparameter.architecture:
            training += [word] if name in names else []
        elif names - of_training:
            architecture.append(word)
    parts = (" ".join(filter(None, words)) for words in (architecture, training))
    return "  ".join(filter(None, parts))


def _fields(names: set[str]) -> set[str]:
    """Replace the names of one optimizer's ranges, such as `adam_learning_rate`."""
    by_optimizer = {
        f"{o}_{field}": field for o in OPTIMIZERS for field in HYPERPARAMETERS
    }
    return {by_optimizer.get(name, name) for name in names}


def trial(record: TrialRecord, space: SpaceRecord) -> str:
    """Describe a trial's config.

    Args:
        record: Any trial of the study.
        space: The study's space, from its record. If its hyperparameters are not
            those of the config, this shows the space's values.
    """
    varied = _fields({h.name for h in space.hyperparameters}) & set(record.config)
    if varied and space.user_code is not None:
        drawn = [(n, value) for n, value in record.config.items() if n in varied]
        return " ".join(f"{name} {_short(value)}" for name, value in drawn)
    if varied:
        return config(record.config, varied)
    chosen = " ".join(f"{name} {value}" for name, value in record.values.items())
    return record.name or chosen


def candidate(record: TrialRecord) -> str:
    """Name a trial that is trained again: "trial 7", "trial 0 baseline"."""
    return f"trial {record.trial} {record.name or ''}".rstrip()


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
