"""A study from Python: tidy frames, the page's figures, its verdicts.

The objects are those that the pages are made of, so the numbers are the same.

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
        folder: It holds study.json, whatever state the search is in.

    Returns:
        Its record and its frames: `trials`, one row a trial; `executions`, one a
        training; `epochs`, one an epoch; `configs`, one a trial and one column a
        hyperparameter. Accuracies are fractions, times seconds.

    Raises:
        FileNotFoundError: There is no study.json.
        RecordError: study.json is cut off, of another schema, or not a study's.
    """
    return read_study(Path(folder))


def ranked(study: StudyFrames) -> pd.DataFrame:
    """Rank a study's trials by validation, as its page does.

    Returns:
        `StudyFrames.trials` in order, with `place` from 1, the score `objective` with
        its 95 % interval for the choice of images, `objective_low` and
        `objective_high`, and `gap_half`, half that of the gap. Empty where nothing may
        be chosen.
    """
    return Analysis(study).ranking.ranked


def verdicts(study: StudyFrames) -> pd.DataFrame:
    """Set trials against others on the test images, as the page does.

    Returns:
        One row a comparison: `trial`, `other`, `difference` of their test accuracies
        and its interval, `low` and `high`, fractions; `level` of that interval, so
        that all rows together hold at 95 %; `trainings` of each; `verdict` in a word.
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
    """Draw one of the page's figures.

    Args:
        study: From `open_study`.
        figure: "leaders", "differences", "dumbbell", "gaps", "learning_curves",
            "importance", "hyperparameters", "progress", "expected_best" or "cost".
        ax: Where to draw, as many axes as the figure has panels; None makes them in
            the page's style.
        options: What the figure takes besides: `trial` of "learning_curves" draws the
            curve of that trial alone.

    Returns:
        The axes, in a list where the figure has several panels.

    Raises:
        ValueError: There is no such figure, the study has nothing for it, or `ax` does
            not fit its panels.
    """
    names = [name for name, known in FIGURES.items() if known.page == "study"]
    if figure not in names:
        raise ValueError(f"A figure must be one of {', '.join(names)}, got {figure!r}.")
    data = FIGURES[figure].gather(Analysis(study), **options)
    if data is None:
        asked = "".join(f", {name}={value!r}" for name, value in options.items())
        raise ValueError(
            f"Study {study.name} has nothing to draw {figure!r}{asked} from."
        )
    if ax is None:
        with mpl.rc_context(STYLE):
            made: Axes | list[Axes] = new_axes(data.size, plt.figure)
            FIGURES[figure].draw(data, made)
        return made
    panels = data.size.rows * data.size.columns
    axes = [ax] if isinstance(ax, Axes) else list(ax)
    if len(axes) != panels:
        raise ValueError(
            f"Figure {figure!r} takes {panels} axes here, one for each panel, got "
            f"{len(axes)}. Leave `ax` out to have them made."
        )
    chosen = axes[0] if panels == 1 else axes
    FIGURES[figure].draw(data, chosen)
    return chosen
