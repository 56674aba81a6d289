"""Accuracy by epoch of the best trials, one panel each."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from reports.figures import notes
from reports.figures.marks import limits
from reports.figures.style import TEST, TRAIN, VALIDATION, Size, panels, whole_axis
from reports.read import labels, trial_names
from reports.read.study import StudyFrames
from reports.stats.analysis import Analysis
from reports.stats.ranking import Ranking, peaked_earlier

_SHOWN = 6
_LISTED = 9  # trials shown if the study has no ranking
_MIN_FOR_BAND = 50  # trials


class LearningCurves(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per trial and epoch, in order: trial, label, epoch, train,
            validation, test (percent; its final value, the same in each row), place.
        band: The middle 80 % of all validation curves, or no rows: epoch, low, high.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    band: pd.DataFrame
    title: str
    alt: str
    note: str
    size: Size


def gather(analysis: Analysis, trial: int | None = None) -> LearningCurves | None:
    """Average the curves of the best six trials, or of one trial, over executions.

    Return None if no curve is known.
    """
    study, ranking = analysis.study, analysis.ranking
    if trial is not None:
        chosen = ranking.listed[ranking.listed["trial"] == trial]
    elif ranking.by_validation:
        chosen = ranking.ranked.head(_SHOWN)
    else:
        chosen = ranking.listed[ranking.listed["status"] == "completed"].head(_LISTED)
    frame = _curves(study, chosen)
    if not len(frame):
        return None
    shown = frame["trial"].nunique()
    total = len(ranking.ranked) if ranking.by_validation else len(ranking.listed)
    epoch = "the epoch with the lowest validation loss"
    if not study.patience:
        epoch = "the last epoch"
    note = (
        "Train accuracy is the value that fit prints: a running mean over the epoch, "
        "while weights change and with dropout on. Final scores use the weights of "
        f"{epoch}. "
    )
    return LearningCurves(
        frame,
        _band(study, ranking),
        title=_title(ranking, frame),
        alt=f"Learning curves of {labels.several(shown, 'trial')}: accuracy by epoch.",
        note=note + notes.showing(shown, total),
        size=panels(shown, height=200, margin=60),
    )


def _curves(study: StudyFrames, chosen: pd.DataFrame) -> pd.DataFrame:
    epochs = study.epochs[study.epochs["trial"].isin(chosen["trial"])]
    epochs = epochs.dropna(subset=["accuracy", "val_accuracy"], how="all")
    mean = epochs.groupby(["trial", "epoch"], as_index=False)[
        ["accuracy", "val_accuracy"]
    ].mean()
    label = dict(zip(chosen["trial"], trial_names.on_axis(study, chosen), strict=True))
    test = dict(zip(chosen["trial"], chosen["test_accuracy"], strict=True))
    place = {trial: i for i, trial in enumerate(chosen["trial"])}
    frame = pd.DataFrame(
        {
            "trial": mean["trial"],
            "label": mean["trial"].map(label),
            "epoch": mean["epoch"],
            "train": 100 * mean["accuracy"].astype("float64"),
            "validation": 100 * mean["val_accuracy"].astype("float64"),
            "test": 100 * mean["trial"].map(test).astype("float64"),
            "place": mean["trial"].map(place),
        }
    )
    return frame.sort_values(["place", "epoch"], ignore_index=True)


def _band(study: StudyFrames, ranking: Ranking) -> pd.DataFrame:
    """Find the middle 80 % of all validation curves; no rows under 50 trials."""
    if len(ranking.ranked) < _MIN_FOR_BAND:
        return pd.DataFrame(columns=["epoch", "low", "high"])
    epochs = study.epochs[study.epochs["trial"].isin(ranking.ranked["trial"])]
    by_epoch = (100 * epochs["val_accuracy"].astype("float64")).groupby(epochs["epoch"])
    ends = {"low": by_epoch.quantile(0.1), "high": by_epoch.quantile(0.9)}
    return pd.DataFrame(ends).dropna().rename_axis("epoch").reset_index()


def _title(ranking: Ranking, frame: pd.DataFrame) -> str:
    """Count the trials whose best epoch was not the last."""
    shown = frame["trial"].nunique()
    if not ranking.by_validation:
        last = frame.groupby("trial")[["train", "test"]].last()
        low, high = (labels.number(v, 1) for v in (last.min().train, last.max().train))
        if shown == 1:
            return f"Train accuracy ends at {low} %"
        return f"Train accuracy ends between {low} and {high} % in {shown} trials"
    early, known = peaked_earlier(ranking)
    if not known:
        return f"Learning curves of the first {labels.several(shown, 'trial')}"
    if known == 1:
        when = "before its last epoch" if early else "in its last epoch"
        return f"The ranked trial was at its best {when}"
    if not early:
        return f"All {labels.count(known)} ranked trials were best in their last epoch"
    return (
        f"{labels.count(early)} of {labels.several(known, 'ranked trial')} had "
        f"{'its' if early == 1 else 'their'} best epoch before the last"
    )


def draw(data: LearningCurves, axes: Any) -> None:
    """Draw one panel per trial: train dashed, validation solid, test at the end."""
    frame, band = data.frame, data.band
    flat = axes if isinstance(axes, list) else [axes]
    shown = [frame[["train", "validation", "test"]], band[["low", "high"]]]
    low, high = limits(pd.concat(shown))
    last = int(frame["epoch"].max())
    curves = list(frame.groupby("place", sort=True))
    columns = data.size.columns
    for i, (ax, (_, rows)) in enumerate(zip(flat, curves, strict=False)):
        _draw_panel(ax, rows, band)
        ax.set_ylim(low, high)
        ax.set_xlim(0.8, last + max(0.3, 0.05 * last))
        whole_axis(ax.xaxis, 6)
        if i % columns:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
        if i + columns < len(curves):  # another panel lies below
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    for ax in flat[len(curves) :]:
        ax.set_axis_off()
    _legend_above(flat[0])


def _draw_panel(ax: Axes, frame: pd.DataFrame, band: pd.DataFrame) -> None:
    """Draw one trial's learning curve over the band of all trials."""
    marker = "o" if len(frame) == 1 else ""
    if len(band):
        ax.fill_between(
            band["epoch"], band["low"], band["high"], color="#eceff1", zorder=0,
            label="middle 80 % of all",
        )  # fmt: skip
    ax.plot(
        frame["epoch"], frame["train"], "--", marker=marker, color=TRAIN, label="train"
    )
    if frame["validation"].notna().any():
        ax.plot(
            frame["epoch"], frame["validation"], marker=marker, color=VALIDATION,
            label="validation",
        )  # fmt: skip
    ax.plot(
        frame["epoch"].tail(1), frame["test"].tail(1), "o", color=TEST, label="test",
        clip_on=False, zorder=5,
    )  # fmt: skip
    ax.set_title(str(frame["label"].iloc[0]))
    ax.set(xlabel="Epoch", ylabel="Accuracy (%)")


def _legend_above(ax: Axes) -> None:
    """Draw one legend above all panels, so that it covers no curve."""
    figure = ax.get_figure()
    if figure is None or figure.get_layout_engine() is None:  # no room above
        ax.legend()
        return
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names))
