"""The one list of all figures, for pages, notebooks and exports.

To add a figure, write a module in this folder with a NamedTuple of its data, `title`,
`alt`, `note` and `size`, a function `gather` that returns it or None, and a function
`draw` that draws it. Then add a line to `FIGURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

from reports.figures import (
    best_against_time,
    best_of_each,
    cost,
    differences,
    distribution,
    dumbbell,
    expected_best,
    gap_by_study,
    gaps,
    hyperparameters,
    importance,
    leaders,
    learning_curves,
    progress,
)
from reports.figures.style import Image, Size, render

Page = Literal["study", "comparison"]


class Gathered(Protocol):
    """The result of every `gather`: data to draw, and the texts around them."""

    @property
    def title(self) -> str:
        """The finding in one sentence, shown above the figure."""

    @property
    def alt(self) -> str:
        """A description for people who cannot see the figure; it has a number."""

    @property
    def note(self) -> str:
        """The explanation below the figure, or ""."""

    @property
    def size(self) -> Size:
        """The size of the drawing and its number of panels."""


class Figure(NamedTuple):
    """One figure.

    Attributes:
        gather: Takes an `Analysis` (study report) or a `Group` (comparison report), and
            options if it has any; returns the input of `draw`, or None if there is
            nothing to show.
        draw: Takes that result and an ax, or a flat list of axes if there are several
            panels.
        page: The report that shows it.
        section: The id of the report's section that shows it.
    """

    gather: Callable[..., Gathered | None]
    draw: Callable[[Any, Any], None]
    page: Page
    section: str


FIGURES = {
    "leaders": Figure(leaders.gather, leaders.draw, "study", "who"),
    "differences": Figure(differences.gather, differences.draw, "study", "baseline"),
    "dumbbell": Figure(dumbbell.gather, dumbbell.draw, "study", "overfit"),
    "gaps": Figure(gaps.gather, gaps.draw, "study", "overfit"),
    "learning_curves": Figure(
        learning_curves.gather, learning_curves.draw, "study", "overfit"
    ),
    "importance": Figure(
        importance.gather, importance.draw, "study", "hyperparameters"
    ),
    "hyperparameters": Figure(
        hyperparameters.gather, hyperparameters.draw, "study", "hyperparameters"
    ),
    "progress": Figure(progress.gather, progress.draw, "study", "converge"),
    "expected_best": Figure(
        expected_best.gather, expected_best.draw, "study", "converge"
    ),
    "cost": Figure(cost.gather, cost.draw, "study", "cost"),
    "best_of_each": Figure(
        best_of_each.gather, best_of_each.draw, "comparison", "best"
    ),
    "distribution": Figure(
        distribution.gather, distribution.draw, "comparison", "spread"
    ),
    "best_against_time": Figure(
        best_against_time.gather, best_against_time.draw, "comparison", "spread"
    ),
    "gap_by_study": Figure(
        gap_by_study.gather, gap_by_study.draw, "comparison", "overfit"
    ),
}


def image(name: str, source: Any) -> Image | None:
    """Render a figure; return None if there is nothing to show.

    Args:
        name: A key of `FIGURES`.
        source: The argument of the figure's `gather`.
    """
    figure = FIGURES[name]
    data = figure.gather(source)
    if data is None:
        return None
    drawing = render(lambda axes: figure.draw(data, axes), data.size)
    return Image(data.title, data.alt, data.note, figure.section, drawing)


def images(page: Page, source: Any) -> dict[str, Image]:
    """Render every figure of a page that has something to show, by name."""
    names = [name for name, figure in FIGURES.items() if figure.page == page]
    rendered = {name: image(name, source) for name in names}
    return {name: shown for name, shown in rendered.items() if shown is not None}
