"""Every figure: pages, notebooks and exports find them here, and nowhere else.

To add one, write a file beside this one with a NamedTuple that holds what the figure
shows (its data, `title`, `alt`, `note` and `size`), `gather`, which makes it or says
None, and `draw`, which draws it; then give it a line below.
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
    """What every `gather` returns: data to draw, and the words around them."""

    @property
    def title(self) -> str:
        """The finding, a sentence that stands above."""

    @property
    def alt(self) -> str:
        """What the figure shows to who cannot see it; it holds a number."""

    @property
    def note(self) -> str:
        """What must be said below, or ""."""

    @property
    def size(self) -> Size:
        """Of the drawing, and how many panels it has."""


class Figure(NamedTuple):
    """One figure.

    Attributes:
        gather: Takes an `Analysis` for a study's page, or a `Group` for the comparison,
            and perhaps options; gives what `draw` draws, or None where there is nothing
            to show.
        draw: Takes that, and an ax, or a flat list of axes where its size has several
            panels.
        page: Where it stands.
        section: The id of the page's section that holds it.
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
    """Render a figure; None where the source has nothing for it.

    Args:
        name: A key of `FIGURES`.
        source: What the figure's `gather` takes.
    """
    figure = FIGURES[name]
    data = figure.gather(source)
    if data is None:
        return None
    drawing = render(lambda axes: figure.draw(data, axes), data.size)
    return Image(data.title, data.alt, data.note, figure.section, drawing)


def images(page: Page, source: Any) -> dict[str, Image]:
    """Render every figure of a page that the source has something for, by its name."""
    names = [name for name, figure in FIGURES.items() if figure.page == page]
    rendered = {name: image(name, source) for name in names}
    return {name: made for name, made in rendered.items() if made is not None}
