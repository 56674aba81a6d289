"""Names of trials: in a table, on an axis, in a sentence."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.read import labels
from reports.read.study import StudyFrames

BASELINE = 0  # the trial that all others are compared with
_NAME_CHARS = 20
_CANDIDATE_CHARS = 32  # a candidate's name is its config


def in_table(study: StudyFrames, trials: pd.DataFrame) -> pd.Series[str]:
    """Name trials for a table; candidates have their full names."""
    return _candidates(trials) if study.candidates else _trials(trials)


def on_axis(study: StudyFrames, trials: pd.DataFrame) -> pd.Series[str]:
    """Name trials for an axis: "baseline", "trial 7", "trial 7 two-conv".

    A candidate's long name loses its middle, where names differ least.
    """
    if not study.candidates:
        return _trials(trials)
    return _candidates(trials).map(lambda name: labels.shorten(name, _CANDIDATE_CHARS))


def in_sentence(trial: Any) -> str:
    """Name a trial for a sentence: "trial 7", or "the baseline"."""
    return "the baseline" if trial == BASELINE else f"trial {int(trial)}"


def _candidates(trials: pd.DataFrame) -> pd.Series[str]:
    names = [
        str(name or f"trial {trial}")
        for trial, name in zip(trials["trial"], trials["name"], strict=True)
    ]
    return pd.Series(names, index=trials.index, dtype="object")


def _trials(trials: pd.DataFrame) -> pd.Series[str]:
    names = [
        "baseline"
        if trial == BASELINE
        else f"trial {trial} {_short(name) if isinstance(name, str) else ''}".rstrip()
        for trial, name in zip(trials["trial"], trials["name"], strict=True)
    ]
    return pd.Series(names, index=trials.index, dtype="object")


def _short(name: str) -> str:
    return labels.shorten(name, _NAME_CHARS)
