"""What a page reads and computes, it reads and computes once."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import studies

from reports.figures import catalog
from reports.figures.style import Drawing
from reports.pages.study import comparison_html, report_html
from reports.read.study import read_study
from reports.stats.comparisons import compare_trials
from reports.stats.groups import read_studies
from reports.stats.importance import importance
from reports.stats.noise import measure
from reports.stats.optimism import study_optimism
from reports.stats.ranking import rank
from tuner.study import record_files


@pytest.fixture
def runs(tmp_path):
    """Write a search with predictions, confirmed and with its noise, and a `try`."""
    folder = studies.write_study(tmp_path, "search", 8, executions=2)
    rng = np.random.default_rng(0)
    labels = {name: rng.integers(0, 10, 400) for name in ("validation", "test")}
    np.savez(record_files.labels_path(folder), **labels)
    for trial in range(8):
        for execution in range(2):
            path = record_files.predictions_path(folder, trial, execution)
            path.parent.mkdir(parents=True, exist_ok=True)
            missed = {name: rng.random(400) < 0.4 for name in labels}
            np.savez(path, **{n: labels[n] + missed[n] for n in labels})
    baseline = {"baseline": studies.TRIED["baseline"]}
    studies.write_candidates(folder / "confirm", studies.TRIED, "confirm", 3)
    studies.write_candidates(folder / "noise", baseline, "noise", 4)
    studies.write_candidates(tmp_path / "tried", studies.TRIED, "try", 5)
    return tmp_path


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    """Leave the drawing out: it takes most of the time, and reads nothing."""
    monkeypatch.setattr(catalog, "render", lambda draw, size: Drawing("data:", 9, 9))


@pytest.fixture
def reads(monkeypatch):
    """Count how often each file of arrays is opened."""
    counts = Counter()
    load = np.load

    def counted(path, *args, **options):
        counts[Path(path)] += 1
        return load(path, *args, **options)

    monkeypatch.setattr(np, "load", counted)
    return counts


@pytest.fixture
def calls(monkeypatch):
    """Count for which study each statistic is computed, wherever it is called from."""
    counts = Counter()
    for function in (rank, compare_trials, importance, study_optimism, measure):

        def counted(study, *args, of=function):
            counts[of.__name__, study.folder] += 1
            return of(study, *args)

        for name, module in list(sys.modules.items()):
            if name.startswith("reports."):
                for attribute, value in list(vars(module).items()):
                    if value is function:
                        monkeypatch.setattr(module, attribute, counted)
    return counts


def build(runs, page):
    """Build the page of one study of a folder, or that of all of them."""
    if page == "comparison":
        return comparison_html(read_studies(runs))
    return report_html(read_study(runs / page))


PAGES = ["search", "search/confirm", "search/noise", "tried", "comparison"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_each_file_of_predictions_once(runs, reads, page):
    """Of its study, and of those within it that it speaks of."""
    build(runs, page)

    assert len(reads) > 4
    assert set(reads.values()) == {1}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_computes_each_statistic_once(runs, calls, page):
    """Ranking, comparisons, importance, optimism and noise, for each study it shows."""
    build(runs, page)

    assert {name for name, _ in calls} >= {"rank"}
    assert set(calls.values()) == {1}


def test_the_next_page_reads_anew(runs, reads):
    """Nothing is kept: a search that runs writes more predictions between two pages."""
    for _ in range(2):
        build(runs, "tried")

    assert set(reads.values()) == {2}
