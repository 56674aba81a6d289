"""Matplotlib figures as self-contained SVG images; equal data give equal bytes."""

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
NARROW = 400  # CSS pixels, as in the page's style sheet
_TWO_PANELS = 760  # CSS pixels
MARKS = 1_000  # figures with more marks aggregate them

# The background of text over marks.
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
    """The size of a figure.

    Attributes:
        width: In CSS pixels.
        height: In CSS pixels.
        rows: Rows of panels.
        columns: Columns of panels.
        narrow: Whether a second drawing fits a phone; several panels never have one.
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
        narrow: The same figure drawn `NARROW` wide for a phone, or "".
    """

    uri: str
    width: int
    height: int
    narrow: str = ""


class Image(NamedTuple):
    """One figure of a page.

    Attributes:
        title: Its finding in one sentence.
        alt: A description for people who cannot see it; it has a number.
        note: The explanation below it, or "".
        section: The id of its section on the page.
        drawing: The drawing itself.
    """

    title: str
    alt: str
    note: str
    section: str
    drawing: Drawing


def panels(count: int, *, height: int, margin: int) -> Size:
    """Lay out panels in rows of three.

    Args:
        count: Number of panels.
        height: Height of a row in CSS pixels.
        margin: Total height above and below the rows in CSS pixels.
    """
    columns = min(count, 3)
    rows = -(-count // columns)
    width = {1: HALF, 2: _TWO_PANELS}.get(columns, FULL)
    return Size(width, margin + height * rows, rows, columns)


def render(draw: Callable[[Any], object], size: Size) -> Drawing:
    """Draw a figure, and once more for a phone if it has one panel.

    Args:
        draw: Takes the ax, or a flat list of axes if there are several.
        size: The figure's size.
    """
    uri = _svg(draw, size)
    if not size.narrow or size.rows * size.columns > 1:
        return Drawing(uri, size.width, size.height)
    return Drawing(
        uri, size.width, size.height, _svg(draw, size._replace(width=NARROW))
    )


def new_axes(size: Size, make: Callable[..., Figure] = Figure) -> Any:
    """Make a figure and return its ax, or a flat list of axes if it has several.

    Args:
        size: The figure's size.
        make: Makes the figure; `pyplot.figure` makes one that a notebook shows.
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
            # Glyphs missing from Matplotlib's font become boxes; page text has them.
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    svg = _compact(out.getvalue().decode())
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _compact(svg: str) -> str:
    """Halve the bytes of an SVG: give repeated styles and links short names."""
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
    """Keep two decimals: a hundredth of a point (1/72 inch) is invisible."""
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
    """Make an axis of seconds logarithmic, with ticks at usual durations."""
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
    """Count marks in hexagons, for data whose single marks would overlap."""
    # Without its lightest third, in which a hexagon of one mark vanishes on white.
    blues = mpl.colormaps["Blues"](np.linspace(0.32, 1, 128))
    ax.hexbin(
        x, y, gridsize=(32, 16), mincnt=1, bins="log", cmap=ListedColormap(blues),
        linewidths=0.1,
        xscale="log" if log_x else "linear",
    )  # fmt: skip
