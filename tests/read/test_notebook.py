"""A study opened from Python has the same numbers as its page."""

from __future__ import annotations

import pytest
import studies
from matplotlib import pyplot as plt

import reports
from reports import draw, open_study, ranked, verdicts
from reports.figures.catalog import FIGURES
from reports.pages.fresh_seeds import outcome
from reports.pages.study import write_report


@pytest.fixture
def folder(tmp_path):
    """Write a finished study of 25 trials whose scores depend on hyperparameters."""
    return studies.write_study(tmp_path, n=25, space="hyperparams")


def test_the_package_offers_what_a_notebook_needs():
    """`reports` exports these names and no others."""
    assert set(reports.__all__) == {"open_study", "ranked", "verdicts", "draw"}
    with pytest.raises(AttributeError, match="no attribute 'open'"):
        _ = reports.open


def test_frames_are_tidy_and_ranked_as_the_page_ranks(folder):
    """Frames have one row per trial, run or epoch."""
    study = open_study(folder)
    assert study.trials["trial"].is_unique
    assert len(study.executions) >= len(study.trials)
    first = ranked(study).iloc[0]
    assert first["place"] == 1
    assert first["objective_low"] < first["objective"] < first["objective_high"]
    page = write_report(folder).read_text(encoding="utf-8")
    assert f"trial {int(first['trial'])}" in page.lower()


def test_verdicts_are_those_of_the_page(tmp_path):
    """The same words and intervals, as fractions."""
    folder = studies.write_candidates(tmp_path / "tried", studies.TRIED, "try", 5)
    study = open_study(folder)
    frame = verdicts(study)
    facts = outcome(folder).facts["candidates"][1:]
    assert len(frame) == len(facts) > 1
    for name, fact in (("difference", "difference"), ("low", "low"), ("high", "high")):
        assert list(frame[name]) == [candidate[fact] for candidate in facts]
    assert list(frame["verdict"]) == [candidate["verdict"] for candidate in facts]
    assert set(frame["trainings"]) == {5}
    assert draw(study, "differences").has_data()
    plt.close("all")


ON_STUDY_PAGES = [name for name, figure in FIGURES.items() if figure.page == "study"]


@pytest.mark.parametrize("figure", sorted({*ON_STUDY_PAGES} - {"differences"}))
def test_every_figure_of_the_page_can_be_drawn(folder, figure):
    """Into new axes, and into axes that the user passes."""
    study = open_study(folder)
    made = draw(study, figure)
    several = made if isinstance(made, list) else [made]
    assert any(ax.has_data() for ax in several)
    axes = plt.subplots(1, len(several), squeeze=False)[1]
    assert draw(study, figure, axes.flat if len(several) > 1 else axes[0, 0])
    assert any(ax.has_data() for ax in axes.flat)
    plt.close("all")


def test_the_curves_of_one_trial_are_one_panel(folder):
    """Any trial can be drawn, not only those on the page."""
    study = open_study(folder)
    last = int(ranked(study)["trial"].iloc[-1])
    ax = draw(study, "learning_curves", plt.subplots()[1], trial=last)
    assert ax.get_title() == f"trial {last}"
    plt.close("all")


def test_what_cannot_be_drawn_says_why(tmp_path, folder):
    """A misspelt figure, too few axes, no trials, a trial that is not there."""
    study = open_study(folder)
    with pytest.raises(ValueError, match="must be one of leaders, differences, dumb"):
        draw(study, "dumbell")
    with pytest.raises(ValueError, match="needs 6 axes, one per panel, got 1"):
        draw(study, "learning_curves", plt.subplots()[1])
    with pytest.raises(ValueError, match="draw 'learning_curves', trial=999"):
        draw(study, "learning_curves", trial=999)
    empty = studies.write_study(tmp_path, "empty-cifar10", n=0)
    with pytest.raises(ValueError, match="has no data to draw 'dumbbell'"):
        draw(open_study(empty), "dumbbell")
    plt.close("all")
