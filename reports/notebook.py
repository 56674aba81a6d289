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

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from reports.figures import study_figures, views
from reports.figures.style import STYLE
from reports.read.study import Study, read_study
from reports.stats import pairs
from reports.stats import verdicts as contrast_words
from reports.stats.differences import MARGIN
from reports.stats.ranking import Ranking, rank


def open_study(folder: str | Path) -> Study:
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


def ranked(study: Study) -> pd.DataFrame:
    """Rank a study's trials by validation, as its page does.

    Returns:
        `Study.trials` in order, with `place` from 1, the score `objective` with its
        95 % interval for the choice of images, `objective_low` and `objective_high`,
        and `gap_half`, half that of the gap. Empty where nothing may be chosen.
    """
    return rank(study).ranked


def verdicts(study: Study) -> pd.DataFrame:
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
        for c in pairs.contrasts(study, rank(study))
    ]
    columns = ["trial", "other", "difference", "low", "high", "level", "trainings"]
    return pd.DataFrame(rows, columns=[*columns, "verdict"])


def draw(
    study: Study, figure: str, ax: Axes | None = None, *, trial: int | None = None
) -> Axes:
    """Draw one of the page's figures.

    Args:
        study: From `open_study`.
        figure: "leaders", "dumbbell", "gaps", "learning_curve", "progress", "cost" or
            "differences".
        ax: Where to draw; None makes a new one in the page's style.
        trial: Of a learning curve; None takes the first by validation.

    Returns:
        The axes.

    Raises:
        ValueError: There is no such figure, or the study has nothing for it.
    """
    if figure not in _FIGURES:
        raise ValueError(
            f"A figure must be one of {', '.join(_FIGURES)}, got {figure!r}."
        )
    ranking = rank(study)
    try:
        draws = _FIGURES[figure](study, ranking, trial)
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(
            f"Study {study.name} has nothing to draw {figure!r} from: {error}"
        ) from error
    if ax is not None:
        draws(ax)
        return ax
    with mpl.rc_context(STYLE):
        made: Axes = plt.subplots(layout="constrained")[1]
        draws(made)
        return made


def _axis(study: Study) -> str:
    return views.axis_of(study.objective)


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        raise ValueError("no trial has what it shows")
    return frame


def _leaders(study: Study, ranking: Ranking, _: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.leaders(study, ranking).frame)
    return lambda ax: study_figures.leaders(frame, ax, _axis(study))


def _dumbbell(study: Study, ranking: Ranking, _: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.dumbbell(study, ranking).frame)
    return lambda ax: study_figures.dumbbell(frame, ax)


def _gaps(study: Study, ranking: Ranking, _: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.gaps(study, ranking).frame)
    return lambda ax: study_figures.gap_by_params(frame, ax)


def _curve(study: Study, ranking: Ranking, trial: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.curves(study, ranking).frame)
    chosen = frame["trial"].iloc[0] if trial is None else trial
    frame = _some(frame[frame["trial"] == chosen])
    band = views.curve_band(study, ranking)
    return lambda ax: study_figures.learning_curve(frame, ax, band)


def _progress(study: Study, ranking: Ranking, _: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.progress(study, ranking).frame)
    by_epochs = study.has_rungs
    return lambda ax: study_figures.progress(
        frame, ax, _axis(study), by_epochs=by_epochs
    )


def _cost(study: Study, ranking: Ranking, _: int | None) -> Callable[[Axes], Any]:
    frame = _some(views.cost(study, ranking).frame)
    return lambda ax: study_figures.cost(frame, ax, _axis(study))


def _differences(
    study: Study, ranking: Ranking, _: int | None
) -> Callable[[Axes], Any]:
    found = pairs.contrasts(study, ranking)
    frame = _some(contrast_words.frame(study, found))
    return lambda ax: study_figures.differences(frame, ax, 100 * MARGIN)


_FIGURES = {
    "leaders": _leaders,
    "dumbbell": _dumbbell,
    "gaps": _gaps,
    "learning_curve": _curve,
    "progress": _progress,
    "cost": _cost,
    "differences": _differences,
}
