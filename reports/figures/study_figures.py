"""The figures of a study's page: a frame of `views` and an ax -> the ax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures import placing
from reports.figures.style import (
    FAINT,
    GREY,
    HALO,
    INK,
    MARKS,
    TEST,
    TRAIN,
    VALIDATION,
    density,
    duration_axis,
    log_axis,
    whole_axis,
)
from reports.read import labels

_WIDEST = 0.5  # half an interval that is written, as a fraction
_ENDED = "Trials in the order they ended"
_RINGED = {"is_leader": "leader", "is_baseline": "baseline"}


def leaders(frame: pd.DataFrame, ax: Axes, axis: str) -> Axes:
    """Draw scores with their intervals, the highest on top."""
    y = np.arange(len(frame))
    for i, low, high in zip(y, frame["low"], frame["high"], strict=True):
        ax.plot([low, high], [i, i], color=VALIDATION, linewidth=1.3, zorder=2)
    colors = np.where(frame["is_baseline"], "white", INK).tolist()
    ax.scatter(frame["score"], y, s=30, c=colors, edgecolors=INK, zorder=3)
    _baseline_line(ax, frame, "score")
    _rows(ax, frame)
    ax.set_xlabel(axis)
    return ax


def differences(frame: pd.DataFrame, ax: Axes, margin: float) -> Axes:
    """Draw differences with the intervals that their verdicts use, in points."""
    y = np.arange(len(frame))
    ax.axvspan(-margin, margin, color=FAINT, alpha=0.55, linewidth=0, zorder=0)
    ax.axvline(0, color=GREY, linewidth=1, zorder=1)
    for i, (_, row) in zip(y, frame.iterrows(), strict=True):
        color = {"better": TEST, "worse": TRAIN}.get(str(row["word"]), VALIDATION)
        fill = color if row["word"] in ("better", "worse") else "white"
        ends = [row["drawn_low"], row["drawn_high"]]
        ax.plot(ends, [i, i], color=color, zorder=2)
        for end, whole, arrow in zip(ends, row[["low", "high"]], "<>", strict=True):
            if end != whole:
                ax.plot([end], [i], arrow, color=color, markersize=5, zorder=2)
        ax.scatter([row["value"]], [i], s=34, c=fill, edgecolors=color, zorder=3)
        ax.annotate(
            labels.gap(row["value"] / 100), (1.0, i),
            xycoords=("axes fraction", "data"), xytext=(8, 0), va="center",
            textcoords="offset points", annotation_clip=False,
        )  # fmt: skip
    _rows(ax, frame)
    ax.set_xlabel("Difference of test accuracy (points)")
    return ax


def dumbbell(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw train, validation and test of each trial on one line, gap at the right."""
    y = np.arange(len(frame))
    ax.hlines(y, frame["test"], frame["train"], color="#b9bfc6", linewidth=2, zorder=2)
    ax.scatter(frame["test"], y, s=40, color=TEST, zorder=4)
    ax.scatter(
        frame["train"], y, s=36, facecolors="white", edgecolors=TRAIN,
        linewidths=1.6, zorder=4,
    )  # fmt: skip
    ax.scatter(
        frame["validation"], y, s=90, marker="|", color=VALIDATION, linewidths=2,
        zorder=5,
    )  # fmt: skip
    has_validation = frame["validation"].notna().any()
    _baseline_line(ax, frame, "validation" if has_validation else "test")
    _rows(ax, frame)
    for i, gap, half in zip(y, frame["gap"], frame["gap_half"], strict=True):
        ax.annotate(
            _gap_and_half(gap, half), (1.0, i), xycoords=("axes fraction", "data"),
            xytext=(8, 0), textcoords="offset points", va="center",
            annotation_clip=False,
        )  # fmt: skip
    ax.annotate(
        labels.GAP, (1.0, -0.9), xycoords=("axes fraction", "data"),
        xytext=(8, 0), textcoords="offset points", va="bottom", fontweight="bold",
        annotation_clip=False,
    )  # fmt: skip
    ax.set_xlabel("Accuracy (%)")
    handles = [
        Line2D([], [], marker="o", color=TEST, linestyle="", label="test"),
        Line2D(
            [], [], marker="o", markerfacecolor="white", markeredgewidth=1.6,
            color=TRAIN, linestyle="", label="train",
        ),
    ]  # fmt: skip
    if has_validation:
        handles.insert(1, Line2D(
            [], [], marker="|", markersize=10, markeredgewidth=2, color=VALIDATION,
            linestyle="", label="validation",
        ))  # fmt: skip
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
        borderaxespad=0.2,
    )  # fmt: skip
    return ax


def _gap_and_half(gap: float, half: float) -> str:
    """Write a gap and half its interval; over 50 points that is as good as none."""
    if np.isnan(half):
        return labels.gap(gap)
    reach = labels.number(100 * half, 1) if half <= _WIDEST else "over 50"
    return f"{labels.gap(gap)} ± {reach}"


def gap_by_params(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw the gap against the number of parameters, in log."""
    _gap_cloud(frame, ax, "params", log_x=True)
    log_axis(ax.xaxis, lambda n: labels.params(n).replace(".0 ", " "))
    ax.set(xlabel="Parameters (log)", ylabel=f"{labels.GAP} (points)")
    _name_rings(frame, ax, "params")
    return ax


def gap_by_score(frame: pd.DataFrame, ax: Axes, axis: str) -> Axes:
    """Draw the gap against the score, where all networks have one size."""
    _gap_cloud(frame, ax, "score", log_x=False)
    ax.set(xlabel=axis, ylabel=f"{labels.GAP} (points)")
    _name_rings(frame, ax, "score")
    return ax


def _gap_cloud(frame: pd.DataFrame, ax: Axes, x: str, *, log_x: bool) -> None:
    ax.axhline(0, color=FAINT, zorder=1)
    few = len(frame) <= 200
    if len(frame) > MARKS:
        density(ax, frame[x], frame["gap"], log_x=log_x)
    else:
        sns.scatterplot(
            frame, x=x, y="gap", ax=ax, color=INK, linewidth=0, legend=False,
            alpha=0.65 if few else 0.4, s=28 if few else 16,
        )  # fmt: skip
    for column in _RINGED:
        row = frame[frame[column]]
        ring(ax, row[x], row["gap"])


def _name_rings(frame: pd.DataFrame, ax: Axes, x: str) -> None:
    names = [
        (row[x], row["gap"], name)
        for column, name in _RINGED.items()
        for _, row in frame[frame[column]].iterrows()
    ]
    placing.write_names(ax, names, placing.pixels(ax, frame[x], frame["gap"]))


def learning_curves(
    frame: pd.DataFrame, axes: Sequence[Axes], band: pd.DataFrame
) -> Sequence[Axes]:
    """Draw one panel a trial: train dashed, validation solid, test at the end."""
    shown = [frame[["train", "validation", "test"]], band[["low", "high"]]]
    low, high = limits(pd.concat(shown))
    last = int(frame["epoch"].max())
    panels = list(frame.groupby("place", sort=True))
    grid = axes[0].get_gridspec()
    columns = grid.ncols if grid else 1
    for i, (ax, (_, rows)) in enumerate(zip(axes, panels, strict=False)):
        learning_curve(rows, ax, band)
        ax.set_ylim(low, high)
        ax.set_xlim(0.8, last + max(0.3, 0.05 * last))
        whole_axis(ax.xaxis, 6)
        if i % columns:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
        if i + columns < len(panels):  # another panel lies below
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    _legend_above(axes[0])
    return axes


def _legend_above(ax: Axes) -> None:
    """Write the legend of panels above them all, where it covers no curve."""
    figure = ax.get_figure()
    assert figure is not None, "an ax of a figure"  # noqa: S101
    handles, names = ax.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names))


def learning_curve(frame: pd.DataFrame, ax: Axes, band: pd.DataFrame) -> Axes:
    """Draw the learning curve of one trial, over the band of all trials."""
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
    return ax


def progress(
    frame: pd.DataFrame, ax: Axes, axis: str, *, by_epochs: bool = False
) -> Axes:
    """Draw the trials in the order they ended, and the best so far as a step.

    Hyperband's trials are of unequal cost: with `by_epochs` each stands where the
    epochs of all trials had come to when it ended.
    """
    x = "epochs" if by_epochs else "order"
    ranked = frame[frame["kind"] == "ranked"]
    shorter = frame[frame["kind"] == "shorter"]
    if len(ranked) > MARKS:
        density(ax, ranked[x], ranked["score"])
    else:
        ax.scatter(
            ranked[x], ranked["score"], s=20, color=VALIDATION, alpha=0.7,
            linewidths=0, label="trial",
        )  # fmt: skip
    if len(shorter):
        ax.scatter(
            shorter[x], shorter["score"], s=18, facecolors="none",
            edgecolors="#8c959f", label="fewer epochs",
        )  # fmt: skip
    drawn = frame["best"].clip(frame["score"].min(), frame["score"].max())
    ax.step(
        frame[x], drawn, where="post", color=TEST, linewidth=2,
        label="best so far",
    )  # fmt: skip
    failed = frame[frame["kind"] == "failed"]
    if len(failed):
        ax.plot(
            failed[x], np.full(len(failed), 0.02), "x", color=TRAIN,
            markersize=6, transform=ax.get_xaxis_transform(), label="failed",
        )  # fmt: skip
    whole_axis(ax.xaxis)
    said = "Epochs of all trials that have ended" if by_epochs else _ENDED
    ax.set(xlabel=said, ylabel=axis)
    ax.margins(y=0.1)
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    return ax


def expected_best(frame: pd.DataFrame, ax: Axes, axis: str) -> Axes:
    """Draw the expected best score of fewer random trials, against their time."""
    ax.fill_between(
        frame["seconds"], frame["low"], frame["high"], color=TEST, alpha=0.15,
        linewidth=0,
    )  # fmt: skip
    ax.plot(frame["seconds"], frame["score"], color=TEST, linewidth=2)
    wanted = [1, 5, 20, 100, 1000, frame["n"].iloc[-1]]
    places = {int((frame["n"] - n).abs().idxmin()) for n in wanted}
    marked = frame.loc[sorted(places)]
    ax.plot(marked["seconds"], marked["score"], "o", color=TEST, markersize=5)
    for _, row in marked.iterrows():
        ax.annotate(
            f"{row['n']:.0f}", (row["seconds"], row["score"]), xytext=(0, -13),
            textcoords="offset points", ha="center", color=TEST, bbox=HALO,
        )  # fmt: skip
    duration_axis(ax.xaxis)
    ax.set(xlabel="Training time, all trials together (log)", ylabel=axis)
    ax.margins(x=0.06, y=0.12)
    return ax


def importance(frame: pd.DataFrame, ax: Axes) -> Axes:
    """Draw importances as bars, and what shuffled scores reach as ticks."""
    y = np.arange(len(frame))
    matters = frame["importance"] > frame["null"].clip(lower=0)
    colors = np.where(matters, TEST, "#b9bfc6").tolist()
    ax.barh(y, frame["importance"].clip(lower=0), color=colors, height=0.6, zorder=2)
    ax.scatter(
        frame["null"].clip(lower=0), y, marker="|", s=130, color=INK, linewidths=1.8,
        zorder=3, label="highest of 20 with shuffled scores",
    )  # fmt: skip
    _rows(ax, frame.assign(label=frame["name"].str.replace("_", " ")))
    ax.set_xlim(left=0)
    ax.set_xlabel("Increase of squared error (1 is the scores' variance)")
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)
    return ax


def cost(frame: pd.DataFrame, ax: Axes, axis: str) -> Axes:
    """Draw score against seconds, with the Pareto front labelled."""
    if len(frame) > MARKS:
        density(ax, frame["seconds"], frame["score"], log_x=True)
    else:
        ax.scatter(
            frame["seconds"], frame["score"], s=22, color=VALIDATION, alpha=0.6,
            linewidths=0,
        )  # fmt: skip
    front = frame[frame["on_front"]].sort_values("seconds")
    ax.plot(
        front["seconds"], front["score"], "o-", color=TEST, markersize=5,
        linewidth=1.2, drawstyle="steps-post",
    )  # fmt: skip
    ax.margins(x=0.08, y=0.12)
    duration_axis(ax.xaxis)
    ax.set(xlabel="Time a trial (log)", ylabel=axis)
    _name_front(ax, frame, front)
    return ax


def _name_front(ax: Axes, frame: pd.DataFrame, front: pd.DataFrame) -> None:
    """Name what lies on the front, the best first, where there is room."""
    names = [
        (row["seconds"], row["score"], f"{row['trial']:.0f}")
        for _, row in front.iloc[::-1].iterrows()
    ]
    line = placing.along(placing.pixels(ax, front["seconds"], front["score"]))
    marks = np.vstack([line, placing.pixels(ax, frame["seconds"], frame["score"])])
    placing.write_names(ax, names, marks, covers=1, fontweight="bold")


def ring(ax: Axes, x: Any, y: Any) -> None:
    """Ring marks that the text speaks of."""
    for color, width in (("white", 5), (TEST, 1.8)):  # white parts it from what is blue
        ax.scatter(
            x, y, s=95, facecolors="none", edgecolors=color, linewidths=width, zorder=6
        )  # fmt: skip


def _rows(ax: Axes, frame: pd.DataFrame) -> None:
    ax.set_yticks(np.arange(len(frame)), list(frame["label"]))
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")


def _baseline_line(ax: Axes, frame: pd.DataFrame, column: str) -> None:
    baseline = frame.loc[frame["is_baseline"], column].dropna()
    if len(baseline) and len(frame) > 1:
        ax.axvline(
            baseline.iloc[0], color=GREY, linestyle=(0, (4, 3)), linewidth=1,
            zorder=1,
        )  # fmt: skip


def limits(values: pd.DataFrame) -> tuple[float, float]:
    """Find one scale for several panels, with a margin."""
    low, high = np.nanmin(values.to_numpy()), np.nanmax(values.to_numpy())
    margin = 0.06 * (high - low) or 0.5
    return float(low - margin), float(high + margin)
