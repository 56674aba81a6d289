import dataclasses
import json
import re

import pandas as pd
import pytest
import studies
from hypothesis import given
from hypothesis import strategies as st

from reports import (
    advice,
    comparison,
    comparison_images,
    comparison_page,
    facts,
    findings,
    titles,
    views,
    wording,
)
from reports.frames import read_study
from reports.page import comparison_html
from reports.ranking import rank
from tuner import record_files
from tuner.records import TrialRecord


def scored(scores, params=None):
    """Make a change that gives trial i the validation accuracy scores[i]."""

    def change(trial):
        size = params[trial.trial] if params else 1000
        run = dataclasses.replace(
            trial.executions[0], val_accuracy=scores[trial.trial], params=size
        )
        return dataclasses.replace(trial, executions=(run,))

    return change


def verdict_of(folder):
    study = read_study(folder)
    return findings.verdict(study, rank(study))


def test_the_first_sentence_says_who_and_by_how_much(tmp_path):
    """Highest validation accuracy, its interval, the margin, the baseline."""
    change = scored([0.581, 0.699, 0.5, 0.712])
    verdict = verdict_of(studies.write_study(tmp_path, n=4, change=change))

    assert verdict.lead == (
        "Trial 3 has the highest validation accuracy, 71.2 % "
        f"(interval 69.9{wording.DASH}72.4), "
        "1.3 points above the next, trial 1; the baseline has 58.1 %."
    )
    assert verdict.support[-1] == (
        "In the search each was trained once, so a small difference can be noise, "
        "and the first of 4 is partly first by luck."
    )


def test_a_tie_is_called_a_tie(tmp_path):
    """Equal scores share the first place; the smaller network is named first."""
    change = scored([0.5, 0.7, 0.7], params=[10, 30, 20])
    verdict = verdict_of(studies.write_study(tmp_path, n=3, change=change))

    assert verdict.lead.startswith(
        "Trial 2 and trial 1 share the highest validation accuracy, 70.0 %"
    )


def test_the_baseline_can_lead(tmp_path):
    """Where no trial came above the baseline, the sentence says so."""
    verdict = verdict_of(
        studies.write_study(tmp_path, n=3, change=scored([0.8, 0.7, 0.6]))
    )

    assert verdict.lead.startswith("The baseline has the highest validation accuracy")
    assert verdict.lead.endswith("10.0 points above the next, trial 1.")


def test_a_small_margin_is_not_written_as_zero(tmp_path):
    """A difference that rounds to 0.0 points is still a difference."""
    verdict = verdict_of(
        studies.write_study(tmp_path, n=3, change=scored([0.5, 0.7, 0.7002]))
    )

    assert "less than 0.1 points above the next" in verdict.lead


def test_overlaps_count_intervals_that_reach_the_leaders(tmp_path):
    """Of 0.70, 0.69 and 0.60 on 5,000 images, one interval overlaps the first."""
    change = scored([0.60, 0.70, 0.69], params=[5, 9, 7])
    verdict = verdict_of(studies.write_study(tmp_path, n=3, change=change))

    assert verdict.support[0] == (
        "1 of the 2 other intervals overlaps its interval; the smallest network "
        "among them is trial 2, 7 parameters against 9."
    )


@pytest.mark.parametrize(
    ("n", "fields", "said"),
    [
        (0, {"state": "interrupted"}, "No trial finished before this study ended."),
        (1, {}, "The baseline is the only trial to rank so far: validation accuracy"),
    ],
)
def test_small_studies_read_well(tmp_path, n, fields, said):
    """No trial and one trial have a sentence of their own."""
    verdict = verdict_of(studies.write_study(tmp_path, n=n, **fields))

    assert verdict.lead.startswith(said)


def test_all_failed_says_why(tmp_path):
    """Where everything failed, the first sentence holds the reason."""

    def fail(trial):
        return TrialRecord(
            trial.trial, "failed", trial.config, error="out of memory: x"
        )

    folder = studies.write_study(tmp_path, n=4, change=fail)

    assert verdict_of(folder).lead == (
        "All 4 trials failed; the most frequent reason: out of memory (4)."
    )


def test_hyperband_says_what_is_left_out(tmp_path):
    """The shorter rungs are counted in the sentence below the first."""
    study = read_study(studies.write_hyperband(tmp_path))
    verdict = findings.verdict(study, rank(study))

    shorter = int((study.trials["epochs"] < 10).sum())
    assert verdict.support[0] == (
        f"Only trials with 10 epochs are ranked; {shorter} trials that had fewer are "
        "left out."
    )
    assert "Trial 1 " not in verdict.lead


def test_published_has_no_winner(tmp_path):
    """Nine trials in declared order, and no highest."""
    verdict = verdict_of(studies.write_published(tmp_path))

    assert verdict.lead.startswith("9 trials, in the order they were declared")
    assert verdict.lead.endswith("No winner is chosen.")
    assert "highest" not in verdict.lead


@pytest.mark.parametrize("n", [2, 5, 50])
def test_nothing_says_better(tmp_path, n):
    """No sentence or title claims what one training each cannot show."""
    study = read_study(studies.write_study(tmp_path, n=n, failures=0.3))
    ranking = rank(study)
    group = comparison.read_studies(tmp_path)
    said = [
        *findings.verdict(study, ranking),
        advice.next_steps(study, ranking),
        titles.leaders(study, ranking),
        titles.dumbbell(views.dumbbell(study, ranking)),
        titles.cost(study, ranking, views.cost(study, ranking)),
        comparison_page.page(group).lead,
    ]

    assert not re.search(r"\b(better|best of|wins|significant)", str(said))


def test_failures_are_grouped_by_reason(tmp_path):
    """Equal reasons are counted together, the most frequent first."""
    study = read_study(studies.write_study(tmp_path, n=80, failures=0.5))
    reasons = findings.failures(study)

    assert sum(r.trials for r in reasons) == (study.trials["status"] == "failed").sum()
    assert [r.trials for r in reasons] == sorted(
        (r.trials for r in reasons), reverse=True
    )
    assert reasons[0].error == "out of memory"


def test_errors_that_differ_in_more_than_numbers_are_told_apart(tmp_path):
    """Their kind alone, ValueError, would help nobody."""
    errors = [
        "ValueError: a 3 x 3 kernel does not fit 2 x 2",
        "ValueError: a 5 x 5 kernel does not fit 4 x 4",
        "ValueError: units must be positive",
    ]

    def fail(trial):
        error = errors[trial.trial % 3]
        return dataclasses.replace(trial, status="failed", error=error)

    study = read_study(studies.write_study(tmp_path, n=3, change=fail))
    failed = study.trials["status"] == "failed"
    found = {r.error: r.trials for r in findings.failures(study)}
    assert set(found) == {errors[0], errors[2]}
    assert sum(found.values()) == failed.sum()


def test_a_baseline_that_has_not_ended_is_not_claimed(tmp_path):
    """Ctrl-C in trial 0."""

    def cut_off(trial):
        return dataclasses.replace(trial, status="running")

    folder = studies.write_study(tmp_path, n=1, change=cut_off)
    assert "and the baseline" not in facts.status(read_study(folder))


@pytest.mark.parametrize(
    ("planned", "state", "n", "said"),
    [
        (1800.0, "completed", 16, "completed, 15 trials and the baseline, planned for"),
        (1800.0, "completed", 19, "completed, 18 trials and the baseline, planned for"),
        (1800.0, "running", 2, "interrupted, 1 trial and the baseline, planned for"),
        (None, "completed", 16, "completed, 15 of 18 trials and the baseline"),
    ],
)
def test_a_search_for_a_time_counts_what_it_did(tmp_path, planned, state, n, said):
    """More trials are planned than fit, so that the clock ends it: nobody asked."""
    settings = {**studies.study_record("x").settings, "max_trials": 18, "in_s": planned}
    plan = {"trials": 18, "epochs": 90}
    folder = studies.write_study(
        tmp_path, n=n, state=state, settings=settings, plan=plan
    )
    study = read_study(folder)

    assert facts.status(study) == (f"{said} 30m00s" if planned else said)
    epochs = dict(facts.about(study))["Epochs"]
    others = "" if planned else "; at most 90 for all others"
    assert epochs == f"5 for the baseline{others}"


def test_the_edge_of_a_logarithmic_range_is_near_in_factors(tmp_path):
    """1.9e-4 is far from 1e-4 where the range is drawn in logarithms."""
    folder = studies.write_study(tmp_path, n=6, space="hyperparams")
    knob = next(k for k in read_study(folder).knobs if k.name == "learning_rate")
    assert advice._at_end(1.01e-4, 1e-4, knob)
    assert not advice._at_end(1.9e-4, 1e-4, knob)


def test_what_the_first_five_do_not_have_is_not_what_they_share(tmp_path):
    """A knob that is switched off in them has a panel without them."""
    knob = read_study(studies.write_study(tmp_path, n=6)).knobs[0]
    panel = pd.DataFrame({"value": 64, "score": 50.0, "place": range(1, 21)})
    assert "share" in titles.knobs(views.Knobs((knob,), (panel,), 1, 0))
    later = panel.assign(place=range(6, 26))
    assert "share" not in titles.knobs(views.Knobs((knob,), (later,), 1, 0))


def test_own_code_with_equal_values_shares_no_baseline(tmp_path):
    """Two files may build two networks of the same hyperparameters."""
    for name in ("a", "b"):
        folder = studies.write_study(
            tmp_path, name, n=3, change=studies.shared_baseline
        )
        record = record_files.read_study(folder)
        space = {**record.space, "own": "function", "source": name}
        record_files.write_study(folder, dataclasses.replace(record, space=space))
    group = comparison.group(comparison.read_studies(tmp_path).entries)
    assert len(group.baselines) == 2


def test_overfitting_that_hurts_is_told_from_a_wide_gap(tmp_path):
    """Validation loss up and train loss down; not where both fall, or both rise."""
    curves = {
        0: ([1.0, 0.8, 0.6], [1.1, 1.0, 0.9]),
        1: ([1.0, 0.7, 0.4], [1.2, 1.0, 1.3]),
        2: ([1.0, 1.1, 1.2], [1.0, 1.1, 1.9]),
    }

    def change(trial):
        loss, val_loss = curves[trial.trial]
        history = {"loss": loss, "val_loss": val_loss}
        history |= {"accuracy": [0.5] * 3, "val_accuracy": [0.5] * 3}
        (run,) = trial.executions
        run = dataclasses.replace(run, epochs=3, history=history)
        return dataclasses.replace(trial, executions=(run,))

    study = read_study(studies.write_study(tmp_path, n=3, change=change))
    said = findings.harm(study, rank(study))
    assert said.endswith(
        "in 1 of 3 ranked trials; most in trial 1, from 1.00 after epoch 2 to 1.30."
    )


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (1.3, "the baseline, from 1.00 after epoch 1 to 1.30."),
        (0.9, "ranked trial."),
    ],
)
def test_of_a_single_trial_nothing_is_counted(tmp_path, last, said):
    """Neither "1 of 1" nor "none of 1 ranked trial"."""

    def change(trial):
        history = {"loss": [1.0, 0.5], "val_loss": [1.0, last]}
        history |= {"accuracy": [0.5] * 2, "val_accuracy": [0.6, 0.5]}
        (run,) = trial.executions
        run = dataclasses.replace(run, epochs=2, history=history)
        return dataclasses.replace(trial, executions=(run,))

    study = read_study(studies.write_study(tmp_path, n=1, change=change))
    ranking = rank(study)
    harm = findings.harm(study, ranking)
    title = titles.curves(ranking, views.curves(study, ranking))
    assert harm.endswith(said)
    assert title == "The ranked trial was at its best before its last epoch"
    assert "of 1" not in f"{harm} {title}"


def test_a_leader_at_the_edge_suggests_a_wider_range(tmp_path):
    """The rule needs the leader and most of the first five, and says so."""

    def deeper_scores_higher(trial):
        layers = trial.config["conv_layers"]
        return scored([0.4 + 0.1 * layers + trial.trial / 1000] * 40)(trial)

    study = read_study(studies.write_study(tmp_path, n=30, change=deeper_scores_higher))
    steps = advice.next_steps(study, rank(study))

    what = "Widen the range of conv_layers, in a space of your own."
    step = next(s for s in steps if s.what == what)
    assert "lies at its upper end, 3, as do 5 of the first 5" in step.evidence
    assert len(steps) <= 4


def test_fewer_layers_than_none_are_not_advised(tmp_path):
    """The lower end of a count is where it ends."""

    def shallow_scores_higher(trial):
        layers = trial.config["conv_layers"]
        return scored([0.9 - 0.1 * layers + trial.trial / 1000] * 40)(trial)

    study = read_study(
        studies.write_study(tmp_path, n=30, change=shallow_scores_higher)
    )
    said = " ".join(step.what for step in advice.next_steps(study, rank(study)))
    assert "conv_layers" not in said


def test_few_trials_get_no_advice_on_ranges(tmp_path):
    """With five trials an edge is no evidence."""
    study = read_study(studies.write_study(tmp_path, n=5))

    said = " ".join(step.what for step in advice.next_steps(study, rank(study)))
    assert "range" not in said


def test_how_to_use_it_names_the_first_trial(tmp_path):
    """The export command holds the study, the leader and the search's folder."""
    folder = studies.write_study(
        tmp_path,
        n=3,
        change=scored([0.5, 0.6, 0.7]),
        command="tune --space architecture --directory 'my runs'",
    )
    study = read_study(folder)
    use = facts.use(study, rank(study))

    assert use.export == (
        "tune export architecture-cifar10 2 -o model.keras --directory 'my runs'"
    )
    compile(use.snippet, "snippet", "exec")


@given(st.floats(-2, 2))
def test_numbers_round_half_away_from_zero(value):
    """One rule for page, table and script: Python's own would not fit JavaScript."""
    text = wording.number(value, 1)

    assert abs(float(text) - value) <= 0.05 + 1e-6
    assert wording.number(-value, 1).lstrip("-") == text.lstrip("-")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.percent(0.7125), "71.3 %"),
        (wording.gap(-0.0021), f"{wording.MINUS}0.2"),
        (wording.gap(-0.00001), "0.0"),
        (wording.gap(0.088), "+8.8"),
        (wording.number(None, 1), wording.DASH),
        (wording.number(float("nan"), 1), wording.DASH),
        (wording.params(3_700_000), "3.7 M"),
        (wording.params(420_000), "420 k"),
        (wording.params(96), "96"),
        (wording.duration(99.6), "1m40s"),
        (wording.duration(7500), "2h05m"),
        (wording.value(0.00025), "2.5e-4"),
        (wording.value(64.0), "64"),
        (wording.value(value_is := True), str(value_is)),
        (wording.listing(["a", "b", "c"]), "a, b and c"),
        (wording.metric("val_accuracy"), "validation accuracy"),
    ],
)
def test_words_for_numbers(said, expected):
    """Each kind of number has one way to be written."""
    assert said == expected


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
    return comparison.group(comparison.read_studies(runs).entries)


def test_two_studies_share_one_baseline(tmp_path):
    """Equal config, seed and split: trial 0 is shown once."""
    group = two_studies(tmp_path)

    assert {e.name for e in group.entries} == {
        "architecture-cifar10",
        "hyperparams-cifar10",
    }
    assert len(group.baselines) == 1
    assert len(group.baselines[0].studies) == 2
    best = comparison.best_of_each(group)
    assert best["is_baseline"].sum() == 1
    assert "shared baseline" in set(best["label"])
    assert best["score"].is_monotonic_decreasing


def weak(baseline):
    """Make a change that gives every trial but trial 0 a low score, and trial 0 one."""

    def change(trial):
        (run,) = studies.shared_baseline(trial).executions
        score = 0.1 if trial.trial else baseline
        run = dataclasses.replace(run, val_accuracy=score)
        return dataclasses.replace(studies.shared_baseline(trial), executions=(run,))

    return change


def chain(runs):
    """Write two searches of one split, the second upon the first's best."""
    studies.write_study(runs, "first", n=4, change=weak(0.6))

    def other(trial):
        config = {**trial.config, "dropout": 0.2}
        return dataclasses.replace(weak(0.7)(trial), config=config)

    studies.write_study(runs, "second", n=4, change=other)
    return comparison.read_studies(runs)


def test_a_baseline_that_leads_its_study_is_shown_once(tmp_path):
    """Where no trial comes before it, it is not listed as a leader as well."""
    studies.write_study(tmp_path, "a", n=4, change=weak(0.6))
    studies.write_study(tmp_path, "b", n=4, change=weak(0.6), seed=5)
    found = comparison.read_studies(tmp_path)
    best = comparison.best_of_each(comparison.group(found.entries))
    assert list(best["label"]) == ["shared baseline"]
    assert comparison_page.page(found).lead == (
        "In no study does a trial come before the baseline: validation accuracy "
        f"60.0 % (the baseline, interval 58.6{wording.DASH}61.3)."
    )


def test_several_baselines_that_lead_are_each_their_own(tmp_path):
    """A chain of searches, each upon the last one's best: one study is ahead."""
    lead = comparison_page.page(chain(tmp_path)).lead

    assert lead.startswith("second holds the highest validation accuracy, 70.0 % (its")
    assert lead.endswith(
        ", 10.0 points above the next study's first, first with 60.0 %; in no study "
        "does a trial come before its own baseline."
    )


def test_only_a_baseline_of_all_is_everybodys(tmp_path):
    """One that a study lacks, or has another of, is neither named nor drawn through."""
    studies.write_study(tmp_path, "a", n=6)
    no_baseline = studies.write_study(tmp_path, "b", n=6, seed=3)
    group = comparison.group(comparison.read_studies(tmp_path).entries)
    assert group.shared
    assert comparison_images._baseline(group, "objective", 1.0) is not None

    record_files.trial_path(no_baseline, 0).unlink()
    found = comparison.read_studies(tmp_path)
    group = comparison.group(found.entries)
    assert [b.studies for b in group.baselines] == [("a",)]
    assert group.shared is None
    assert comparison_images._baseline(group, "objective", 1.0) is None
    assert "baseline" not in comparison_page.page(found).lead


def test_what_was_given_is_no_part_of_a_search(tmp_path):
    """Trial 0 and enqueued configs are left out of what a study searched."""
    group = two_studies(tmp_path)
    counts = comparison.distribution(group)["study"].value_counts()
    assert set(counts) == {19}

    scores = [0.5, 0.9, 0.9, 0.4, 0.42, 0.44]
    enqueuing(tmp_path / "runs", "some", scores, 2)
    found = comparison.read_studies(tmp_path / "runs")
    group = comparison.group(found.entries)
    assert comparison.distribution(group)["score"].tolist() == [44, 42, 40]
    page = comparison_page.page(found)
    ((*_, first, highest, median, _, _, _, _, _, _),) = page.overview
    assert (first, highest, median) == ("1", "90.0 %", "42.0 %")
    assert page.images["distribution"].title.endswith("at or above 42.0 % in some")
    assert "and enqueued configs are left out" in page.images["distribution"].note


def enqueuing(runs, name, scores, enqueued):
    """Write a study of which so many trials after the baseline were enqueued."""
    settings = {**studies.study_record(name).settings, "enqueue": [{}] * enqueued}
    change = scored(scores)
    studies.write_study(runs, name, n=len(scores), change=change, settings=settings)


@pytest.mark.parametrize("beside", [0, 1])
def test_a_study_of_enqueued_configs_alone_searched_nothing(tmp_path, beside):
    """It has a leader, a cost and a row, and no share of what was searched."""
    enqueuing(tmp_path, "given", [0.5, 0.9, 0.8], 2)
    if beside:
        enqueuing(tmp_path, "searched", [0.5, 0.6, 0.7, 0.4], 0)
    found = comparison.read_studies(tmp_path)
    page = comparison_page.page(found)

    assert page.overview[0][4:7] == ("1", "90.0 %", wording.MISSING)
    assert ("distribution" in page.images) == bool(beside)
    assert ("gap" in page.images) == bool(beside)
    assert [row[0] for row in page.spreads] == []
    html = comparison_html(found)
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
        ({"fingerprint": "else"}, {"seed": 1}, "Its image files are others."),
        ({}, {"seed": 1}, "Its images are split by seed 1, not 0."),
        ({}, {"limit": 50_000}, "Its images are split otherwise."),
        ({"train": None, "fingerprint": None}, {}, "Its images are split otherwise."),
    ],
)
def test_another_split_is_not_overlaid_and_it_says_why(tmp_path, change, asked, reason):
    """Studies are comparable only on equal images; the reason is true of both."""
    data = {**studies.DATA, "split": "other", **change}
    settings = {**studies.study_record("x").settings, **asked}
    studies.write_study(tmp_path, "third", 4)
    group = two_studies(tmp_path, data=data, settings=settings)

    assert [apart.entry.name for apart in group.apart] == ["hyperparams-cifar10"]
    said = comparison_page.page(comparison.read_studies(tmp_path)).support
    assert any(
        text.startswith("Not set against them: 1 study of other") for text in said
    )
    assert group.apart[0].reason == reason


def test_a_study_apart_stands_beside_its_own_baseline(tmp_path):
    """Scores of other images: what it found, and what trial 0 had on the same."""
    studies.write_study(tmp_path, "third", 4)
    two_studies(tmp_path, data={**studies.DATA, "split": "other"})
    found = comparison.read_studies(tmp_path)
    (apart,) = comparison.group(found.entries).apart
    trials = apart.entry.study.trials.set_index("trial")["val_accuracy"]

    page = comparison_page.page(found)
    ((name, _, why, first, baseline, *_),) = page.apart
    assert name == apart.entry.name
    assert why == "Its images are split otherwise."
    assert first == wording.percent(trials.max())
    assert baseline == wording.percent(trials[0])
    assert not page.alone


def limited(runs, name, images, created, **changes):
    """Write a search of so many training images."""
    data = {**studies.DATA, "train": images * 9 // 10, "validation": images // 10}
    data |= {"split": name, **changes}
    return studies.write_study(runs, name, 4, data=data, created=created)


def test_where_no_two_can_be_overlaid_each_stands_for_itself(tmp_path):
    """No study is singled out: all of them come first, as they were begun."""
    limited(tmp_path, "c", 41_000, "2025-03-01T09:00:00+00:00")
    limited(tmp_path, "a", 18_000, "2025-03-02T09:00:00+00:00")
    no_baseline = limited(tmp_path, "b", 23_000, "2025-03-03T09:00:00+00:00")
    studies.write_published(tmp_path)
    found = comparison.read_studies(tmp_path)
    page = comparison_page.page(found)

    assert page.lead == (
        "No two of these 3 searches had the same images and split; each stands below, "
        "beside its own baseline."
    )
    assert [(row[0], row[2]) for row in page.alone] == [
        ("c", "41,000 training images"),
        ("a", "18,000 training images"),
        ("b", "23,000 training images"),
    ]
    for row in page.alone:
        study = next(e.study for e in found.entries if e.name == row[0])
        scores = study.trials.set_index("trial")["val_accuracy"]
        assert row[3:5] == (
            wording.percent(scores.max()),
            wording.percent(scores[0]),
        )
    assert [row[0] for row in page.apart] == ["published-cifar10"]
    assert not page.images
    assert not page.overview
    html = comparison_html(found)
    assert html.index("beside its own baseline?") < html.index("What did each search?")
    assert "Which studies are not ranked, and why?" in html

    record_files.trial_path(no_baseline, 0).unlink()
    lead = comparison_page.page(comparison.read_studies(tmp_path)).lead
    assert lead.endswith("each stands below, beside its own baseline where it has one.")


def test_as_little_is_said_as_tells_all_apart(tmp_path):
    """What is alike in all, or follows from what was said, is left out."""
    for name in ("a", "b"):
        limited(tmp_path, name, 1_000, "2025-03-01T09:00:00+00:00")
    page = comparison_page.page(comparison.read_studies(tmp_path))
    assert page.lead.startswith("The two searches here did not have the same images")
    assert [row[2] for row in page.alone] == ["its split", "its split"]

    settings = {**studies.study_record("b").settings, "objective": "val_loss"}
    record = record_files.read_study(tmp_path / "b")
    record = dataclasses.replace(record, settings=settings)
    record_files.write_study(tmp_path / "b", record)
    limited(tmp_path, "c", 2_000, "2025-03-02T09:00:00+00:00")
    page = comparison_page.page(comparison.read_studies(tmp_path))
    assert page.lead.startswith("No two of these 3 searches had the same images, split")
    assert [row[2] for row in page.alone] == [
        "ranked by validation accuracy, 1,000 training images",
        "ranked by validation loss, 1,000 training images",
        "ranked by validation accuracy, 2,000 training images",
    ]


def test_only_knobs_that_differ_are_listed(tmp_path):
    """A range stands beside the value at which the other study held the knob."""
    group = two_studies(tmp_path)
    rows = {row[0]: dict(zip([e.name for e in group.entries], row[1:], strict=True))
            for row in comparison.ranges(group.entries)}  # fmt: skip

    rate = rows["learning_rate"]
    assert rate["architecture-cifar10"] == "fixed at 0.001"
    assert rate["hyperparams-cifar10"] == "1e-4 to 0.01, log"
    assert "padding" not in rows


def test_a_knob_that_another_study_holds_elsewhere_is_listed(tmp_path):
    """Also where it varies in neither, or one of them does not have it."""

    def other(trial):
        config = {**trial.config, "padding": "same", "groups": 2}
        return dataclasses.replace(trial, config=config)

    studies.write_study(tmp_path, "first", 6)
    studies.write_study(tmp_path, "second", 6, change=other)
    entries = comparison.read_studies(tmp_path).entries
    rows = {row[0]: row[1:] for row in comparison.ranges(entries)}
    assert rows["padding"] == ("fixed at valid", "fixed at same")
    assert rows["groups"] == ("not in any config", "fixed at 2")
    assert "learning_rate" not in rows


def test_a_range_is_what_was_searched_not_what_came_up(tmp_path):
    """A declared knob that chance held at one value had its range all the same."""

    def few(e):
        return dataclasses.replace(e, config={**e.config, "kernel_size": 5})

    studies.write_study(tmp_path, "first", 3, change=few)
    studies.write_study(tmp_path, "second", 20)
    group = comparison.group(comparison.read_studies(tmp_path).entries)
    row = next(r for r in comparison.ranges(group.entries) if r[0] == "kernel_size")
    assert row[1:] == ("3, 5", "3, 5")


def test_best_against_time_never_falls(tmp_path):
    """The best so far rises, and ends at the leader's score."""
    group = two_studies(tmp_path)
    frame = comparison.best_against_time(group)

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

    found = comparison.read_studies(tmp_path)
    page = comparison_page.page(found)

    assert page.studies == ("good",)
    (empty,) = page.apart
    assert empty[0] == "empty"
    assert empty[2] == "No trial has started."
    assert empty[3:] == (*[wording.MISSING] * 4, "0", "completed")
    assert page.unread[0].startswith("broken was left out: ")
    assert page.unread[1] == "No study: holiday (no study.json there)."


@pytest.mark.parametrize("broken", ["good/confirm", "tried"])
def test_damaged_given_configs_are_named_and_no_more(tmp_path, broken):
    """Within a study or beside it: what is whole is shown, the rest has its line."""
    studies.write_study(tmp_path, "good", 3)
    names = {"good/confirm", "good/noise", "tried"}
    for name in names:
        studies.write_arms(tmp_path / name, studies.TRIED, "try", 3)
    path = tmp_path / broken / "study.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"]["arms"] = 7
    path.write_text(json.dumps(record), encoding="utf-8")

    page = comparison_page.page(comparison.read_studies(tmp_path))

    assert {row[0] for row in page.given} == names - {broken}
    assert page.unread == (
        f"{broken} was left out: study.json must hold a list under 'arms', each with a "
        "name, a config and looks, got 7. Move the folder away.",
    )
    assert page.lead.startswith("good is the only study to show")


def test_the_device_says_how_many_worked_side_by_side(tmp_path):
    """Older studies, and one worker, say the device alone."""
    hardware = {"device": "CPU, 1 thread", "cores": 2, "workers": 2}
    folder = studies.write_study(tmp_path, hardware=hardware)
    assert ("Device", "2 at a time, each CPU, 1 thread") in facts.about(
        read_study(folder)
    )
    older = studies.write_study(tmp_path, "older")
    assert ("Device", "CPU, 2 threads") in facts.about(read_study(older))


def test_the_highest_came_when_it_was_first_reached(tmp_path):
    """Not when the tie's winner, a smaller network, ended."""
    folder = studies.write_study(
        tmp_path,
        n=4,
        change=scored([0.5, 0.9, 0.8, 0.9], {0: 1000, 1: 900, 2: 800, 3: 100}),
    )
    study = read_study(folder)
    ranking = rank(study)
    assert int(ranking.ranked["trial"].iloc[0]) == 3
    title = titles.progress(study, ranking, views.progress(study, ranking))
    assert title == "The highest came 2nd of 4"


def test_every_study_that_shares_the_highest_is_named(tmp_path):
    """Three of equal score are three."""
    for name in ("a", "b", "c"):
        studies.write_study(tmp_path, name, 3, change=scored([0.5, 0.7, 0.6]))
    lead = comparison_page.page(comparison.read_studies(tmp_path)).lead
    assert lead.startswith("a, b and c share the highest validation accuracy, 70.0 %")
