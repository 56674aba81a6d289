"""The figures across studies: a frame of `comparison_views` and an ax -> the ax."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from reports.figures.style import GREY, INK, TEST, TRAIN, VALIDATION
from reports.read import labels

# Each reaches 3:1 on white; lines and marks differ in shape too.
COLORS = (TEST, TRAIN, "#00795C", "#7A3E9D", VALIDATION, "#A3195B")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (9, 3)), (0, (3, 3)))
MARKERS = ("o", "s", "^", "D", "v", "P")
_POINTS = 400  # marks a study in a strip
_NAME = 20  # characters of a study's name: two stand side by side on a phone


def best_of_each(
    frame: pd.DataFrame, ax: Axes, axis: str, baseline: float | None, *, accuracy: bool
) -> Axes:
    """Draw each study's first trial and the baselines, with intervals and test.

    A dashed line goes through the baseline that all of them share, if they do.
    """
    y = np.arange(len(frame))
    for i, low, high in zip(y, frame["low"], frame["high"], strict=True):
        ax.plot([low, high], [i, i], color=VALIDATION, linewidth=1.6, zorder=2)
    ax.scatter(frame["score"], y, marker="|", s=120, color=VALIDATION, linewidths=2.4,
               zorder=4)  # fmt: skip
    handles = [
        Line2D([], [], marker="|", markersize=11, markeredgewidth=2.4,
               color=VALIDATION, label="validation and interval"),
    ]  # fmt: skip
    if accuracy:
        ax.scatter(frame["test"], y, s=36, color=TEST, zorder=3)
        handles.append(
            Line2D([], [], marker="o", color=TEST, linestyle="", label="test")
        )
    if baseline is not None:
        ax.axvline(baseline, color=GREY, linestyle=(0, (4, 3)),
                   linewidth=1, zorder=1)  # fmt: skip
    ax.set_yticks(y, list(frame["label"]))
    ax.set_ylim(len(frame) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2,
              borderaxespad=0.2)  # fmt: skip
    ax.set_xlabel("Accuracy (%)" if accuracy else axis)
    return ax


def distribution(
    frame: pd.DataFrame, ax: Axes, axis: str, studies: Sequence[str],
    baseline: float | None,
) -> Axes:  # fmt: skip
    """Draw the share of each study's trials at or below a score."""
    for i, name in enumerate(studies):
        scores = frame.loc[frame["study"] == name, ["score"]]
        if len(scores):
            sns.ecdfplot(scores, x="score", ax=ax, color=COLORS[i], linestyle=DASHES[i],
                         linewidth=2, label=labels.shorten(name, _NAME))  # fmt: skip
    if baseline is not None:
        ax.axvline(baseline, color=INK, linestyle=(0, (4, 3)), linewidth=1,
                   label="baseline")  # fmt: skip
    low = float(frame["score"].quantile(0.01))
    high = float(frame["score"].max())
    low = min(low, baseline) if baseline is not None else low
    high = max(high, baseline) if baseline is not None else high
    margin = 0.04 * (high - low) or 1.0
    ax.set_xlim(low - margin, high + margin)
    ax.set(xlabel=axis, ylabel="Share of trials at or below")
    _legend(ax)
    return ax


def best_against_time(
    frame: pd.DataFrame, ax: Axes, axis: str, studies: Sequence[str]
) -> Axes:
    """Draw each study's best so far against its cumulative training time."""
    longest = frame["hours"].max()
    scale, unit = (60.0, "minutes") if longest < 3 else (1.0, "hours")
    if longest * 3600 < 180:
        scale, unit = 3600.0, "seconds"
    for i, name in enumerate(studies):
        rows = frame[frame["study"] == name]
        marker = MARKERS[i] if len(rows) <= 60 else ""
        ax.plot(rows["hours"] * scale, rows["best"], drawstyle="steps-post",
                color=COLORS[i], linestyle=DASHES[i], marker=marker, markersize=3.5,
                linewidth=2, label=labels.shorten(name, _NAME))  # fmt: skip
    ax.set_xlim(left=0)
    ax.set(xlabel=f"Cumulative training time ({unit})", ylabel=f"Best so far: {axis}")
    _legend(ax)
    return ax


def gap_by_study(
    frame: pd.DataFrame, ax: Axes, studies: Sequence[str], baseline: float | None
) -> Axes:
    """Draw each trial's gap in its study's row, with the median."""
    rng = np.random.default_rng(0)
    for i, name in enumerate(studies):
        gaps = frame.loc[frame["study"] == name, "gap"].dropna()
        if not len(gaps):
            continue
        shown = gaps.sample(min(len(gaps), _POINTS), random_state=0)
        ax.scatter(shown, i + rng.uniform(-0.2, 0.2, len(shown)), s=22, alpha=0.6,
                   color=COLORS[i], marker=MARKERS[i], linewidths=0)  # fmt: skip
        ax.plot([gaps.median()] * 2, [i - 0.34, i + 0.34], color=INK, linewidth=2.4)
        ax.annotate(labels.gap(gaps.median() / 100), (gaps.median(), i - 0.36),
                    ha="center", va="bottom", fontweight="bold")  # fmt: skip
    if baseline is not None:
        ax.axvline(baseline, color=GREY, linestyle=(0, (4, 3)), linewidth=1,
                   zorder=1)  # fmt: skip
    ax.set_yticks(
        range(len(studies)), [labels.shorten(name, _NAME) for name in studies]
    )
    ax.set_ylim(len(studies) - 0.5, -0.7)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_xlabel(f"{labels.GAP} (points)")
    return ax


def _legend(ax: Axes) -> None:
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2,
              handlelength=2.8)  # fmt: skip
