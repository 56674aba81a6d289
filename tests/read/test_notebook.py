"""Promises to those who open a study from Python: the page's own numbers."""

from __future__ import annotations

import pytest
import studies
from matplotlib import pyplot as plt

import reports
from reports import draw, open_study, ranked, verdicts
from reports.pages.fresh_seeds import outcome
from reports.pages.study import write_report


@pytest.fixture
def folder(tmp_path):
    """Write a finished study of 20 trials."""
    return studies.write_study(tmp_path, n=20)


def test_the_package_offers_what_a_notebook_needs():
    """By name, and nothing else by accident."""
    assert set(reports.__all__) == {"open_study", "ranked", "verdicts", "draw"}
    with pytest.raises(AttributeError, match="no attribute 'open'"):
        _ = reports.open


def test_frames_are_tidy_and_ranked_as_the_page_ranks(folder):
    """One row a trial, a training, an epoch."""
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
    found = verdicts(study)
    facts = outcome(folder).facts["candidates"][1:]
    assert len(found) == len(facts) > 1
    for name, fact in (("difference", "difference"), ("low", "low"), ("high", "high")):
        assert list(found[name]) == [arm[fact] for arm in facts]
    assert list(found["verdict"]) == [arm["verdict"] for arm in facts]
    assert set(found["trainings"]) == {5}
    assert draw(study, "differences").has_data()
    plt.close("all")


@pytest.mark.parametrize(
    "figure", ["leaders", "dumbbell", "gaps", "learning_curve", "progress", "cost"]
)
def test_every_figure_can_be_drawn_into_an_axis(folder, figure):
    """Or into a new one."""
    study = open_study(folder)
    _, ax = plt.subplots()
    assert draw(study, figure, ax) is ax
    assert ax.has_data()
    assert draw(study, figure).has_data()
    plt.close("all")


def test_what_cannot_be_drawn_says_why(tmp_path, folder):
    """A misspelt figure, a study without trials, a trial that is not there."""
    with pytest.raises(ValueError, match="must be one of leaders, dumbbell"):
        draw(open_study(folder), "dumbell")
    with pytest.raises(ValueError, match="has nothing to draw 'learning_curve'"):
        draw(open_study(folder), "learning_curve", trial=999)
    empty = studies.write_study(tmp_path, "empty-cifar10", n=0)
    with pytest.raises(ValueError, match="has nothing to draw 'dumbbell'"):
        draw(open_study(empty), "dumbbell")
    plt.close("all")
