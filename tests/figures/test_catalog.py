"""Pages show the figures that the catalog lists, in the sections that it names."""

from __future__ import annotations

import importlib
import pkgutil
import re

import pytest
import studies
from matplotlib.figure import Figure as Canvas

from reports import figures
from reports.figures import catalog, leaders
from reports.figures.style import Drawing
from reports.pages.study import comparison_html, report_html
from reports.read.study import read_study
from reports.stats.analysis import Analysis
from reports.stats.groups import read_studies


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Build pages that show every figure."""
    runs = tmp_path_factory.mktemp("runs")
    change = studies.shared_baseline
    search = studies.write_study(runs, "a", 25, space="hyperparams", change=change)
    studies.write_study(runs, "b", 6, change=change)
    tried = studies.write_candidates(runs / "tried", studies.TRIED, "try", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "render", lambda draw, size: Drawing("data:", 9, 9))
        return {
            "study": [report_html(read_study(folder)) for folder in (search, tried)],
            "comparison": [comparison_html(read_studies(runs))],
        }


def _sections(html):
    """Return each section's HTML by its id."""
    parts = re.split(r'<section id="([^"]+)">', html)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("name", catalog.FIGURES)
def test_a_figure_stands_once_in_its_section(pages, name):
    """The catalog alone decides which section shows a figure."""
    figure = catalog.FIGURES[name]
    figcaptions = [
        _sections(html).get(figure.section, "").count("<figcaption>")
        for html in pages[figure.page]
    ]
    in_section = [
        other
        for other, listed in catalog.FIGURES.items()
        if (listed.page, listed.section) == (figure.page, figure.section)
    ]
    assert max(figcaptions) == len(in_section)


def test_a_new_figure_is_one_file_and_one_line(tmp_path, monkeypatch):
    """A pair of `gather` and `draw` is on the page once it is listed."""

    def gather(analysis):
        data = leaders.gather(analysis)
        return data and data._replace(title="A finding of its own")

    line = catalog.Figure(gather, leaders.draw, "study", "overfit")
    monkeypatch.setitem(catalog.FIGURES, "mine", line)
    monkeypatch.setattr(catalog, "render", lambda draw, size: Drawing("data:", 9, 9))
    study = read_study(studies.write_study(tmp_path, n=4))

    assert (
        "A finding of its own</figcaption>" in _sections(report_html(study))["overfit"]
    )


SECTIONS = sorted({f.section for f in catalog.FIGURES.values() if f.page == "study"})


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_needs_none_of_its_usual_figures(tmp_path, monkeypatch, section):
    """A new figure is shown also if the others of its section have nothing to show."""
    for name, figure in catalog.FIGURES.items():
        if figure.section == section:
            line = figure._replace(gather=lambda analysis: None)
            monkeypatch.setitem(catalog.FIGURES, name, line)
    line = catalog.Figure(leaders.gather, leaders.draw, "study", section)
    monkeypatch.setitem(catalog.FIGURES, "mine", line)
    monkeypatch.setattr(catalog, "render", lambda draw, size: Drawing("data:", 9, 9))
    study = read_study(studies.write_study(tmp_path, n=4))

    assert _sections(report_html(study))[section].count("<figcaption>") == 1


def test_every_file_that_gathers_is_listed():
    """A figure that is not listed would never be shown."""
    listed = {figure.gather.__module__ for figure in catalog.FIGURES.values()}
    modules = [
        importlib.import_module(f"{figures.__name__}.{module.name}")
        for module in pkgutil.iter_modules(figures.__path__)
    ]
    assert {m.__name__ for m in modules if hasattr(m, "gather")} == listed


def test_gathering_draws_nothing(tmp_path, monkeypatch):
    """`gather` works without Matplotlib, for tests and for exports."""

    def no_canvas(self, *args, **options):
        raise AssertionError("a figure was made")

    monkeypatch.setattr(Canvas, "__init__", no_canvas)
    source = read_study(studies.write_study(tmp_path, n=4))
    for figure in catalog.FIGURES.values():
        if figure.page == "study":
            figure.gather(Analysis(source))
