"""Open a study in Python: tidy frames, the report's figures and its verdicts.

The reports are made from the same objects, so the numbers are the same.

Example:
>>> from reports import draw, open_study, ranked
>>> study = open_study("runs/architecture-cifar10")  # doctest: +SKIP
>>> study.trials.groupby("status")["seconds"].sum()  # doctest: +SKIP
>>> ranked(study).head()  # doctest: +SKIP
>>> draw(study, "dumbbell")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from reports.figures.catalog import FIGURES
from reports.figures.style import STYLE, new_axes
from reports.read.study import StudyFrames, read_study
from reports.stats.analysis import Analysis


def open_study(folder: str | Path) -> StudyFrames:
    """Read a study.

    Args:
        folder: The study's folder, which holds study.json. The search may still run.

    Returns:
        The study's record and frames: `trials`, one row per trial; `executions`, one
        row per run; `epochs`, one row per epoch; `configs`, one row per trial and one
        column per hyperparameter. Accuracies are fractions, times are seconds.

    Raises:
        FileNotFoundError: The folder has no study.json.
        RecordError: study.json is cut off, has another schema, or is not a study's.
    """
    return read_study(Path(folder))


def ranked(study: StudyFrames) -> pd.DataFrame:
    """Rank a study's trials by validation, as its report does.

    Returns:
        `StudyFrames.trials` in order, with `place` from 1; the score, `objective`; its
        95 % interval for the choice of images, from `objective_low` to
        `objective_high`; and `gap_half`, half the width of the gap's interval. Empty
        if the study has no validation split to choose by.
    """
    return Analysis(study).ranking.ranked


def verdicts(study: StudyFrames) -> pd.DataFrame:
    """Compare trials on the test images, as the report does.

    Returns:
        One row per comparison: `trial` and `other`; the `difference` of their test
        accuracies and its interval, `low` and `high`, as fractions; the `level` of
        that interval, so that all rows together hold at 95 %; `trainings`, the runs of
        each; `verdict`.
    """
    rows = [
        {
            "trial": c.trial,
            "other": c.other,
            "difference": c.difference.value,
            "low": c.difference.low,
            "high": c.difference.high,
            "level": c.difference.level,
            "trainings": c.difference.trainings,
            "verdict": c.difference.word(),
        }
        for c in Analysis(study).comparisons
    ]
    columns = ["trial", "other", "difference", "low", "high", "level", "trainings"]
    return pd.DataFrame(rows, columns=[*columns, "verdict"])


def draw(
    study: StudyFrames,
    figure: str,
    ax: Axes | Sequence[Axes] | None = None,
    **options: Any,
) -> Axes | list[Axes]:
    """Draw one of the report's figures.

    Args:
        study: A study from `open_study`.
        figure: "leaders", "differences", "dumbbell", "gaps", "learning_curves",
            "importance", "hyperparameters", "progress", "expected_best" or "cost".
        ax: One axes per panel of the figure. None makes them in the report's style.
        options: Further options of the figure. `trial` makes "learning_curves" draw
            only that trial.

    Returns:
        The axes; a list if the figure has several panels.

    Raises:
        ValueError: The figure does not exist, the study has no data for it, or `ax`
            does not match its panels.
    """
    names = [name for name, entry in FIGURES.items() if entry.page == "study"]
    if figure not in names:
        raise ValueError(f"A figure must be one of {', '.join(names)}, got {figure!r}.")
    data = FIGURES[figure].gather(Analysis(study), **options)
    if data is None:
        choices = "".join(f", {name}={value!r}" for name, value in options.items())
        raise ValueError(f"Study {study.name} has no data to draw {figure!r}{choices}.")
    if ax is None:
        with mpl.rc_context(STYLE):
            drawn: Axes | list[Axes] = new_axes(data.size, plt.figure)
            FIGURES[figure].draw(data, drawn)
        return drawn
    panels = data.size.rows * data.size.columns
    axes = [ax] if isinstance(ax, Axes) else list(ax)
    if len(axes) != panels:
        raise ValueError(
            f"Figure {figure!r} needs {panels} axes, one per panel, got {len(axes)}. "
            "Leave `ax` out to have them made."
        )
    drawn = axes[0] if panels == 1 else axes
    FIGURES[figure].draw(data, drawn)
    return drawn
