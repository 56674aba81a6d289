"""Promises of the comparison report: what it compares, and what it says."""

from __future__ import annotations

import dataclasses
import json

import pytest
import studies
from studies import scored

from reports.figures import best_against_time, best_of_each, distribution, progress
from reports.pages import comparison as comparison_page
from reports.pages.study import comparison_html
from reports.read import labels
from reports.read.study import read_study
from reports.stats.analysis import Analysis
from reports.stats.groups import group as overlaid
from reports.stats.groups import ranges, read_studies
from tuner.study import record_files


def two_studies(runs, **second):
    studies.write_study(
        runs, "architecture-cifar10", 20, change=studies.shared_baseline
    )
    studies.write_study(
        runs,
        "hyperparams-cifar10",
        20,
        space="hyperparams",
        seed=1,
        change=studies.shared_baseline,
        **second,
    )
    return overlaid(read_studies(runs).entries)


def test_two_studies_share_one_baseline(tmp_path):
    """Equal config, seed and split: trial 0 is shown once."""
    group = two_studies(tmp_path)

    assert {e.name for e in group.entries} == {
        "architecture-cifar10",
        "hyperparams-cifar10",
    }
    assert len(group.baselines) == 1
    assert len(group.baselines[0].studies) == 2
    best = best_of_each.gather(group).frame
    assert best["is_baseline"].sum() == 1
    assert "shared baseline" in set(best["label"])
    assert best["score"].is_monotonic_decreasing


def weak(baseline):
    """Make a change that gives trial 0 the score `baseline`, all others a low one."""

    def change(trial):
        (run,) = studies.shared_baseline(trial).executions
        score = 0.1 if trial.trial else baseline
        run = dataclasses.replace(run, val_accuracy=score)
        return dataclasses.replace(studies.shared_baseline(trial), executions=(run,))

    return change


def chain(runs):
    """Write two searches of one split, the second from the first's best trial."""
    studies.write_study(runs, "first", n=4, change=weak(0.6))

    def other(trial):
        config = {**trial.config, "dropout": 0.2}
        return dataclasses.replace(weak(0.7)(trial), config=config)

    studies.write_study(runs, "second", n=4, change=other)
    return read_studies(runs)


def test_a_baseline_that_leads_its_study_is_shown_once(tmp_path):
    """If no trial ranks above it, it is not listed as a leader as well."""
    studies.write_study(tmp_path, "a", n=4, change=weak(0.6))
    studies.write_study(tmp_path, "b", n=4, change=weak(0.6), seed=5)
    all_studies = read_studies(tmp_path)
    best = best_of_each.gather(overlaid(all_studies.entries)).frame
    assert list(best["label"]) == ["shared baseline"]
    assert comparison_page.page(all_studies).lead == (
        "No trial in any study ranks above the baseline: validation accuracy "
        f"60.0 % (the baseline, 95 % interval 58.6{labels.DASH}61.3)."
    )


def test_several_baselines_that_lead_are_each_their_own(tmp_path):
    """A chain of searches, each from the last one's best trial: one study is ahead."""
    lead = comparison_page.page(chain(tmp_path)).lead

    assert lead.startswith("second has the highest validation accuracy, 70.0 % (its")
    assert lead.endswith(
        "That is 10.0 points above the next study, first, with 60.0 %. No trial in any "
        "study ranks above its own baseline."
    )


def test_only_a_baseline_of_all_is_everybodys(tmp_path):
    """A baseline that some study lacks is neither named nor drawn through."""
    studies.write_study(tmp_path, "a", n=6)
    no_baseline = studies.write_study(tmp_path, "b", n=6, seed=3)
    group = overlaid(read_studies(tmp_path).entries)
    assert group.shared
    assert best_of_each.gather(group).baseline is not None

    record_files.trial_path(no_baseline, 0).unlink()
    all_studies = read_studies(tmp_path)
    group = overlaid(all_studies.entries)
    assert [b.studies for b in group.baselines] == [("a",)]
    assert group.shared is None
    assert best_of_each.gather(group).baseline is None
    assert "baseline" not in comparison_page.page(all_studies).lead


def test_what_was_given_is_no_part_of_a_search(tmp_path):
    """Trial 0 and enqueued configs are left out of what a study searched."""
    group = two_studies(tmp_path)
    counts = distribution.gather(group).frame["study"].value_counts()
    assert set(counts) == {19}

    scores = [0.5, 0.9, 0.9, 0.4, 0.42, 0.44]
    enqueuing(tmp_path / "runs", "some", scores, 2)
    all_studies = read_studies(tmp_path / "runs")
    group = overlaid(all_studies.entries)
    assert distribution.gather(group).frame["score"].tolist() == [44, 42, 40]
    page = comparison_page.page(all_studies)
    ((*_, first, highest, median, _, _, _, _, _, _),) = page.overview
    assert (first, highest, median) == ("1", "90.0 %", "42.0 %")
    assert page.images["distribution"].title.endswith("at or above 42.0 % in some")
    assert (
        "leave out the baseline and enqueued configs"
        in page.images["distribution"].note
    )


def enqueuing(runs, name, scores, enqueued):
    """Write a study whose first `enqueued` trials after the baseline were enqueued."""
    settings = {**studies.SETTINGS, "enqueue": [{}] * enqueued}
    change = scored(scores)
    studies.write_study(runs, name, n=len(scores), change=change, settings=settings)


@pytest.mark.parametrize("beside", [0, 1])
def test_a_study_of_enqueued_configs_alone_searched_nothing(tmp_path, beside):
    """It has a leader, a cost and a row, but no searched trials."""
    enqueuing(tmp_path, "given", [0.5, 0.9, 0.8], 2)
    if beside:
        enqueuing(tmp_path, "searched", [0.5, 0.6, 0.7, 0.4], 0)
    all_studies = read_studies(tmp_path)
    page = comparison_page.page(all_studies)

    assert page.overview[0][4:7] == ("1", "90.0 %", labels.MISSING)
    assert ("distribution" in page.images) == bool(beside)
    assert ("gap_by_study" in page.images) == bool(beside)
    assert [row[0] for row in page.spreads] == []
    html = comparison_html(all_studies)
    assert html.rstrip().endswith("</html>")
    assert "nan" not in page.lead


@pytest.mark.parametrize(
    ("change", "asked", "reason"),
    [
        ({"name": "mnist"}, {}, "Its data are mnist, not cifar10."),
        (
            {"input_shape": [64, 64, 3], "fingerprint": "64"},
            {"image_size": 64},
            "Its images are 64 x 64 x 3, not 32 x 32 x 3.",
        ),
        (
            {"train": 9_000, "validation": 1_000},
            {"limit": 10_000},
            "It used 10,000 training images, not 50,000.",
        ),
        (
            {"train": 40_000, "validation": 10_000},
            {"limit": 50_000},  # which are all
            "It has 40,000 train images, not 45,000.",
        ),
        ({"test": 500}, {}, "It has 500 test images, not 10,000."),
        ({"fingerprint": "else"}, {"seed": 1}, "Its image files are different."),
        ({}, {"seed": 1}, "Its images are split by seed 1, not 0."),
        ({}, {"limit": 50_000}, "Its images are split differently."),
        ({"train": 0, "fingerprint": ""}, {}, "Its images are split differently."),
    ],
)
def test_another_split_is_not_overlaid_and_it_says_why(tmp_path, change, asked, reason):
    """Studies are comparable only on equal images; the reason is true of both."""
    data = {**studies.DATA, "split": "other", **change}
    settings = {**studies.SETTINGS, **asked}
    studies.write_study(tmp_path, "third", 4)
    group = two_studies(tmp_path, data=data, settings=settings)

    assert [apart.entry.name for apart in group.apart] == ["hyperparams-cifar10"]
    support = comparison_page.page(read_studies(tmp_path)).support
    assert any(text.startswith("1 study with other images") for text in support)
    assert group.apart[0].reason == reason


def test_a_study_apart_stands_beside_its_own_baseline(tmp_path):
    """Its row shows its best score and what trial 0 scored on the same images."""
    studies.write_study(tmp_path, "third", 4)
    two_studies(tmp_path, data={**studies.DATA, "split": "other"})
    all_studies = read_studies(tmp_path)
    (apart,) = overlaid(all_studies.entries).apart
    trials = apart.entry.study.trials.set_index("trial")["val_accuracy"]

    page = comparison_page.page(all_studies)
    ((name, _, why, first, baseline, *_),) = page.apart
    assert name == apart.entry.name
    assert why == "Its images are split differently."
    assert first == labels.percent(trials.max())
    assert baseline == labels.percent(trials[0])
    assert not page.alone


def limited(runs, name, images, created, **changes):
    """Write a search of `images` training images."""
    data = {**studies.DATA, "train": images * 9 // 10, "validation": images // 10}
    data |= {"split": name, **changes}
    return studies.write_study(runs, name, 4, data=data, created=created)


def test_where_no_two_can_be_overlaid_each_stands_for_itself(tmp_path):
    """No study is singled out: all of them come first, in the order they started."""
    limited(tmp_path, "c", 41_000, "2025-03-01T09:00:00+00:00")
    limited(tmp_path, "a", 18_000, "2025-03-02T09:00:00+00:00")
    no_baseline = limited(tmp_path, "b", 23_000, "2025-03-03T09:00:00+00:00")
    studies.write_published(tmp_path)
    all_studies = read_studies(tmp_path)
    page = comparison_page.page(all_studies)

    assert page.lead == (
        "No two of these 3 searches used the same images and split, so their scores "
        "cannot be compared with each other. Each search is shown beside its own "
        "baseline."
    )
    assert [(row[0], row[2]) for row in page.alone] == [
        ("c", "41,000 training images"),
        ("a", "18,000 training images"),
        ("b", "23,000 training images"),
    ]
    for row in page.alone:
        study = next(e.study for e in all_studies.entries if e.name == row[0])
        scores = study.trials.set_index("trial")["val_accuracy"]
        assert row[3:5] == (
            labels.percent(scores.max()),
            labels.percent(scores[0]),
        )
    assert [row[0] for row in page.apart] == ["published-cifar10"]
    assert not page.images
    assert not page.overview
    html = comparison_html(all_studies)
    headings = "beside its own baseline?", "Which ranges did each study search?"
    assert html.index(headings[0]) < html.index(headings[1])
    assert "Which studies are not ranked, and why?" in html

    record_files.trial_path(no_baseline, 0).unlink()
    lead = comparison_page.page(read_studies(tmp_path)).lead
    assert lead.endswith("shown beside its own baseline, if it has one.")


def test_as_little_is_said_as_tells_all_apart(tmp_path):
    """Leave out what is equal in all studies or follows from the rest."""
    for name in ("a", "b"):
        limited(tmp_path, name, 1_000, "2025-03-01T09:00:00+00:00")
    page = comparison_page.page(read_studies(tmp_path))
    assert page.lead.startswith("These two searches did not use the same images")
    assert [row[2] for row in page.alone] == ["its split", "its split"]

    record = record_files.read_study(tmp_path / "b")
    settings = dataclasses.replace(record.settings, objective="val_loss")
    record = dataclasses.replace(record, settings=settings)
    record_files.write_study(tmp_path / "b", record)
    limited(tmp_path, "c", 2_000, "2025-03-02T09:00:00+00:00")
    page = comparison_page.page(read_studies(tmp_path))
    assert page.lead.startswith(
        "No two of these 3 searches used the same images, split"
    )
    assert [row[2] for row in page.alone] == [
        "ranked by validation accuracy, 1,000 training images",
        "ranked by validation loss, 1,000 training images",
        "ranked by validation accuracy, 2,000 training images",
    ]


def test_only_hyperparameters_that_differ_are_listed(tmp_path):
    """A range stands beside the value at which the other study held it."""
    group = two_studies(tmp_path)
    rows = {row[0]: dict(zip([e.name for e in group.entries], row[1:], strict=True))
            for row in ranges(group.entries)}  # fmt: skip

    rate = rows["learning_rate"]
    assert rate["architecture-cifar10"] == "fixed at 0.001"
    assert rate["hyperparams-cifar10"] == "1e-4 to 0.01, log"
    assert "padding" not in rows


def test_a_hyperparameter_that_another_study_holds_elsewhere_is_listed(tmp_path):
    """Even if it varies in neither study, or one study does not have it."""

    def other(trial):
        config = {**trial.config, "padding": "same", "groups": 2}
        return dataclasses.replace(trial, config=config)

    studies.write_study(tmp_path, "first", 6)
    studies.write_study(tmp_path, "second", 6, change=other)
    entries = read_studies(tmp_path).entries
    rows = {row[0]: row[1:] for row in ranges(entries)}
    assert rows["padding"] == ("fixed at valid", "fixed at same")
    assert rows["groups"] == ("not in any config", "fixed at 2")
    assert "learning_rate" not in rows


def test_a_range_is_what_was_searched_not_what_came_up(tmp_path):
    """A declared range is shown even if all drawn values happen to be equal."""

    def few(e):
        return dataclasses.replace(e, config={**e.config, "kernel_size": 5})

    studies.write_study(tmp_path, "first", 3, change=few)
    studies.write_study(tmp_path, "second", 20)
    group = overlaid(read_studies(tmp_path).entries)
    row = next(r for r in ranges(group.entries) if r[0] == "kernel_size")
    assert row[1:] == ("3, 5", "3, 5")


def test_best_against_time_never_falls(tmp_path):
    """The best so far rises, and ends at the leader's score."""
    group = two_studies(tmp_path)
    frame = best_against_time.gather(group).frame

    for entry in group.entries:
        rows = frame[frame["study"] == entry.name]
        assert rows["best"].is_monotonic_increasing
        assert rows["hours"].is_monotonic_increasing
        assert rows["best"].iloc[-1] == pytest.approx(100 * entry.leader["objective"])
        spent = entry.study.trials["train_seconds"].sum() / 3600
        assert rows["hours"].iloc[-1] == pytest.approx(spent)


def test_unreadable_neighbours_are_named(tmp_path):
    """A broken study and a foreign folder cost a line each, not the page."""
    studies.write_study(tmp_path, "good", 3)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{", encoding="utf-8")
    (tmp_path / "holiday").mkdir()
    (tmp_path / "could not start").mkdir()
    (tmp_path / "could not start" / "search.log").touch()
    studies.write_study(tmp_path, "empty", 0)

    all_studies = read_studies(tmp_path)
    page = comparison_page.page(all_studies)

    assert page.studies == ("good",)
    (empty,) = page.apart
    assert empty[0] == "empty"
    assert empty[2] == "No trial has started."
    assert empty[3:] == (*[labels.MISSING] * 4, "0", "completed")
    assert page.unread[0].startswith("broken was left out: ")
    assert page.unread[1] == "Not a study: holiday (no study.json)."


@pytest.mark.parametrize("broken", ["good/confirm", "tried"])
def test_damaged_candidates_are_named_and_no_more(tmp_path, broken):
    """Inside a study or next to it: the others are shown, the damaged one is named."""
    studies.write_study(tmp_path, "good", 3)
    names = {"good/confirm", "good/noise", "tried"}
    for name in names:
        studies.write_candidates(tmp_path / name, studies.TRIED, "try", 3)
    path = tmp_path / broken / "study.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"]["candidates"] = 7
    path.write_text(json.dumps(record), encoding="utf-8")

    page = comparison_page.page(read_studies(tmp_path))

    assert {row[0] for row in page.candidates} == names - {broken}
    assert page.unread == (
        f"{broken} was left out: study.json: settings cannot be read: its candidates "
        "must be a list, got 7.",
    )
    assert page.lead.startswith("good is the only study to show")


def test_the_highest_came_when_it_was_first_reached(tmp_path):
    """Not when the tie's winner, a smaller network, ended."""
    folder = studies.write_study(
        tmp_path,
        n=4,
        change=scored([0.5, 0.9, 0.8, 0.9], {0: 1000, 1: 900, 2: 800, 3: 100}),
    )
    analysis = Analysis(read_study(folder))
    assert int(analysis.leader["trial"]) == 3
    assert progress.gather(analysis).title == "The highest score came 2nd of 4"


def test_every_study_that_shares_the_highest_is_named(tmp_path):
    """Three of equal score are three."""
    for name in ("a", "b", "c"):
        studies.write_study(tmp_path, name, 3, change=scored([0.5, 0.7, 0.6]))
    lead = comparison_page.page(read_studies(tmp_path)).lead
    assert lead.startswith("a, b and c share the highest validation accuracy, 70.0 %")
