"""The published experiments compared with their record: against a known truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import studies

from reports.pages import published
from reports.pages.study import report_html
from reports.read import labels
from reports.read.study import read_study
from reports.stats.analysis import Analysis
from search_spaces.published import EXPERIMENTS
from tuner.study.records import Rung

SD = 0.004


def _study(tmp_path, seeds, shift=0.0, sd=SD):
    """Write the nine with accuracies around the record, `shift` above it."""
    rng = np.random.default_rng(0)
    record = studies.study_record(
        "published", "published", data={**studies.DATA, "validation": 0}
    )
    trials = []
    for number, (name, experiment) in enumerate(EXPERIMENTS.items()):
        trial = studies.make_trial(
            number, experiment.config, rng, executions=seeds, name=name,
            rungs=(Rung(experiment.config.epochs, told=2 * number + 1),),
            epochs=experiment.config.epochs, validation=False,
        )  # fmt: skip
        mean = experiment.recorded_test_accuracy + shift
        runs = tuple(
            dataclasses.replace(e, test_accuracy=float(rng.normal(mean, sd)))
            for e in trial.executions
        )
        trials.append(dataclasses.replace(trial, executions=runs))
    return read_study(studies.write(tmp_path / "published", record, trials))


def test_one_seed_says_nothing_about_agreement(tmp_path):
    """Both figures stand there, and no interval."""
    rows, note = published.replications(_study(tmp_path, 1))
    assert [r.name for r in rows] == list(EXPERIMENTS)
    assert rows[0].recorded == "59.0"
    assert {r.within for r in rows} == {labels.MISSING}
    assert "no spread" in note


def test_one_run_lies_in_the_interval_of_one_run(tmp_path):
    """19 of 20 records of the same truth lie inside; all lie outside far from it."""
    inside = []
    for i in range(40):
        study = _study(tmp_path / str(i), 3)
        pooled = np.random.default_rng(100 + i).normal(0, SD, 9)
        final = study.executions.copy()
        # The record itself is one noisy run of the same truth.
        final["test_accuracy"] += final["trial"].map(dict(enumerate(pooled)))
        moved = dataclasses.replace(study, executions=final)
        rows, _ = published.replications(moved)
        inside += [r.within.startswith("yes") for r in rows]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)

    rows, note = published.replications(_study(tmp_path / "off", 3, shift=-0.05))
    assert all(r.within.startswith("no") for r in rows)
    assert note.startswith("0 of 9 recorded figures")


def test_claims_wait_for_five_seeds(tmp_path):
    """And then each has its figure and a verdict in words."""
    few = _study(tmp_path / "few", 4)
    assert published.claims(few, ()) == []
    study = _study(tmp_path / "five", 5)
    claims = published.claims(study, Analysis(study).comparisons)
    assert len(claims) == 4  # without predictions nothing is compared image by image
    assert claims[0].verdict == "holds here"
    assert "independently" in claims[1].claim
    html = report_html(study)
    assert "Do the results match the record?" in html
    assert "What the original study claimed" in html
    assert "are tested once every experiment has five" in report_html(few)


def test_the_readme_has_the_table_that_the_records_give():
    """No figure in it is typed in by hand."""
    root = Path(__file__).parents[2]
    studies = root / "reports/studies"
    tables = published.markdown(Analysis(read_study(studies / "published-cifar10")))
    assert tables in (studies / "README.md").read_text(encoding="utf-8")
    experiments = tables.partition("\n\n")[0]
    assert experiments in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("seeds", [4, 5])
def test_claims_are_in_the_table_once_there_are_five_seeds(tmp_path, seeds):
    """Before that no word of them."""
    text = published.markdown(Analysis(_study(tmp_path, seeds)))
    assert ("| claim | measured | verdict |" in text) == (seeds == 5)
