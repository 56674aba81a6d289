"""Matplotlib figures as self-contained SVG images, equal bytes for equal data."""

from __future__ import annotations

import base64
import io
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)

from reports.read import labels

TEST = "#0072B2"
TRAIN = "#B84E00"
VALIDATION = "#595959"
INK = "#1f2328"
GREY = "#6e7781"
FAINT = "#d8dce0"
FULL, HALF = 1040, 508  # CSS pixels: the page's column, and half of it
NARROW = 400  # CSS pixels, as the page's style has it
_TWO_PANELS = 760  # CSS pixels
MARKS = 1_000  # above this many marks, aggregate

# Behind text that stands over marks.
HALO = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}

_CLOCK = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 20, 30)),
    *(3_600 * hours for hours in (1, 2, 5, 12, 24, 48, 120, 240)),
)
_COORDINATES = re.compile(r'\b(?:d|x|y)="[^"]*"')
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_STYLE = re.compile(r'style="([^"]*)"')
_LINK = re.compile(r'(href="#|url\(#)([^")]+)')
_ID = re.compile(r' id="([^"]*)"')
_BETWEEN = re.compile(r">\s+<")
_LINE = re.compile(r"\s*\n\s*")
_DECIMALS = re.compile(r"(\.\d\d)\d+")
_DPI = 96  # a CSS pixel is 1/96 inch
STYLE: Any = {
    "svg.hashsalt": "tune",
    "svg.fonttype": "path",  # the reader's machine may lack the font
    "text.parse_math": False,  # a name may hold dollar signs
    "font.family": "DejaVu Sans",  # ships with matplotlib
    "font.size": 8.25,
    "axes.labelsize": 8.25,
    "axes.titlesize": 8.25,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": "#8c959f",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "axes.unicode_minus": True,
    "grid.color": "#e7eaed",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": "#8c959f",
    "ytick.color": "#8c959f",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.25,
    "ytick.labelsize": 8.25,
    "legend.frameon": False,
    "legend.fontsize": 8.25,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 1.4,
    "lines.linewidth": 1.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


class Size(NamedTuple):
    """How large a figure is drawn.

    Attributes:
        width: In CSS pixels.
        height: In CSS pixels.
        rows: Rows of panels.
        columns: Columns of panels.
        narrow: Whether it is drawn once more for a phone; several panels never are.
    """

    width: int
    height: int
    rows: int = 1
    columns: int = 1
    narrow: bool = True


class Drawing(NamedTuple):
    """A drawn figure.

    Attributes:
        uri: The SVG as a data: address.
        width: In CSS pixels.
        height: In CSS pixels.
        narrow: The same drawn `NARROW` wide, for a phone, or "".
    """

    uri: str
    width: int
    height: int
    narrow: str = ""


class Image(NamedTuple):
    """One figure of a page.

    Attributes:
        title: Its finding, a sentence.
        alt: What it shows to who cannot see it; holds a number.
        note: What must be said below it, or "".
        section: The id of the section that it stands in.
        drawing: What is seen.
    """

    title: str
    alt: str
    note: str
    section: str
    drawing: Drawing


def panels(count: int, *, height: int, margin: int) -> Size:
    """Lay panels out in rows of three.

    Args:
        count: How many.
        height: Of a row, in CSS pixels.
        margin: Height of what stands above and below the rows.
    """
    columns = min(count, 3)
    rows = -(-count // columns)
    width = {1: HALF, 2: _TWO_PANELS}.get(columns, FULL)
    return Size(width, margin + height * rows, rows, columns)


def render(draw: Callable[[Any], object], size: Size) -> Drawing:
    """Draw a figure, and once more for a phone where it is one panel.

    Args:
        draw: Takes the axes, or a flat list of them where there are several.
        size: How large.
    """
    uri = _svg(draw, size)
    if not size.narrow or size.rows * size.columns > 1:
        return Drawing(uri, size.width, size.height)
    return Drawing(
        uri, size.width, size.height, _svg(draw, size._replace(width=NARROW))
    )


def new_axes(size: Size, make: Callable[..., Figure] = Figure) -> Any:
    """Make a figure of a size: its ax, or a flat list of them where it has several.

    Args:
        size: How large.
        make: Makes the figure; pyplot's makes one that a notebook shows.
    """
    inches = size.width / _DPI, size.height / _DPI
    figure = make(figsize=inches, layout="constrained")
    flat = list(figure.subplots(size.rows, size.columns, squeeze=False).flat)
    return flat[0] if len(flat) == 1 else flat


def _svg(draw: Callable[[Any], object], size: Size) -> str:
    with mpl.rc_context(STYLE):
        axes = new_axes(size)
        draw(axes)
        figure = (axes[0] if isinstance(axes, list) else axes).get_figure()
        out = io.BytesIO()
        with warnings.catch_warnings():
            # A box stands for what Matplotlib's font lacks; the page's text has it.
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = _compact(out.getvalue().decode())
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _compact(svg: str) -> str:
    """Say the same in half the bytes: repeated styles and links have short names."""
    svg = _COORDINATES.sub(_shorten, _COMMENT.sub("", svg))
    styles: dict[str, int] = {}
    svg = _STYLE.sub(
        lambda style: f'class="s{styles.setdefault(style[1], len(styles))}"', svg
    )
    rules = "".join(f".s{number}{{{style}}}" for style, number in styles.items())
    svg = svg.replace("</style>", f"{rules}</style>", 1)
    names = sorted({link[2] for link in _LINK.finditer(svg)})
    ids = {name: f"i{number}" for number, name in enumerate(names)}
    svg = _LINK.sub(lambda link: link[1] + ids[link[2]], svg)
    svg = _ID.sub(lambda of: f' id="{ids[of[1]]}"' if of[1] in ids else "", svg)
    return _LINE.sub(" ", _BETWEEN.sub("><", svg))


def _shorten(attribute: re.Match[str]) -> str:
    """Keep two decimals of a point: a hundredth of 1/72 inch is not seen."""
    return _DECIMALS.sub(r"\1", attribute[0])


def log_axis(axis: Any, write: Callable[[float], str]) -> None:
    """Make an axis logarithmic, with few plain tick labels."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    decades = np.log10(max(high, 1e-300) / max(low, 1e-300)) if low > 0 else 1
    subs: tuple[float, ...]
    subs = (1.0,) if decades > 2.5 else (1.0, 3.0) if decades > 1.2 else (1, 2, 5)
    if decades < 0.45:
        subs = (1.0, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8)
    axis.set_major_locator(LogLocator(subs=tuple(float(s) for s in subs), numticks=9))
    axis.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    axis.set_minor_formatter(NullFormatter())


def duration_axis(axis: Any) -> None:
    """Make an axis of seconds logarithmic, with ticks that clocks have."""
    log_axis(axis, labels.duration)
    low, high = axis.get_view_interval()  # a linear axis has wider margins
    inside = [t for t in _CLOCK if low / 1.2 <= t <= high * 1.2]
    if len(inside) >= 2:
        axis.set_major_locator(FixedLocator(inside[:: -(-len(inside) // 7)]))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: _clock(value)))


def _clock(seconds: float) -> str:
    for unit, letter in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= unit:
            return f"{seconds / unit:g}{letter}"
    return f"{seconds:g}s"


def whole_axis(axis: Any, bins: int = 8) -> None:
    """Put ticks at whole numbers only."""
    axis.set_major_locator(MaxNLocator(bins, integer=True))


def density(ax: Axes, x: Any, y: Any, *, log_x: bool = False) -> None:
    """Count marks in hexagons, where single marks would hide one another."""
    # Without its lightest third, where a hexagon of one mark is not seen on white.
    blues = mpl.colormaps["Blues"](np.linspace(0.32, 1, 128))
    ax.hexbin(
        x, y, gridsize=(32, 16), mincnt=1, bins="log", cmap=ListedColormap(blues),
        linewidths=0.1,
        xscale="log" if log_x else "linear",
    )  # fmt: skip
