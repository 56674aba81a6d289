"""Each study's best score so far, against its training time."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from reports.figures import series
from reports.figures.progress import ended
from reports.figures.style import HALF, Size
from reports.read import labels
from reports.stats.groups import Group


class BestAgainstTime(NamedTuple):
    """The figure's data and texts.

    Attributes:
        frame: One row per finished trial: study, hours (cumulative training time), best
            (in the axis's unit).
        studies: Their names, in order.
        axis: The name of the score's axis.
        title, alt, note, size: See `catalog.Gathered`.
    """

    frame: pd.DataFrame
    studies: list[str]
    axis: str
    title: str
    alt: str
    note: str
    size: Size


def gather(group: Group) -> BestAgainstTime | None:
    """Compute each study's best score so far; return None if there is no study."""
    if not group.entries:
        return None
    parts = []
    for entry in group.entries:
        trials = ended(entry)
        hours = trials["train_seconds"].cumsum() / 3600
        parts.append(
            pd.DataFrame({"study": entry.name, "hours": hours, "best": trials["best"]})
        )
    frame = pd.concat(parts, ignore_index=True).dropna()
    title = _title(group, frame)
    return BestAgainstTime(
        frame,
        series.names(group),
        labels.axis(group.objective),
        title,
        alt=f"Best so far against time. {title}.",
        note=(
            f"{series.showing(group)}Training time is summed over all trials, "
            "including failed ones."
        ),
        size=Size(HALF, 340),
    )


def _title(group: Group, frame: pd.DataFrame) -> str:
    """Write each study's best score after the training time of the shortest study."""
    studies = series.names(group)
    shown = frame[frame["study"].isin(studies)]
    common = float(shown.groupby("study")["hours"].max().min())
    parts = []
    for name in studies[:3]:
        until = shown[(shown["study"] == name) & (shown["hours"] <= common + 1e-12)]
        best = "nothing yet"
        if len(until):
            best = series.score(group, until["best"].iloc[-1])
        parts.append(f"{best} in {name}")
    time = labels.duration(3600 * common)
    return f"Best after {time} of training: {labels.listing(parts)}"


def draw(data: BestAgainstTime, ax: Axes) -> None:
    """Draw each study's best so far against its cumulative training time."""
    frame = data.frame
    longest = frame["hours"].max()
    scale, unit = (60.0, "minutes") if longest < 3 else (1.0, "hours")
    if longest * 3600 < 180:
        scale, unit = 3600.0, "seconds"
    for i, name in enumerate(data.studies):
        rows = frame[frame["study"] == name]
        marker = series.MARKERS[i] if len(rows) <= 60 else ""
        ax.plot(rows["hours"] * scale, rows["best"], drawstyle="steps-post",
                color=series.COLORS[i], linestyle=series.DASHES[i], marker=marker,
                markersize=3.5, linewidth=2, label=series.short(name))  # fmt: skip
    ax.set_xlim(left=0)
    ax.set(
        xlabel=f"Cumulative training time ({unit})", ylabel=f"Best so far: {data.axis}"
    )
    series.legend(ax)
