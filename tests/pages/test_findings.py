"""Promises of a report's sentences: they say what the numbers show, and no more."""

from __future__ import annotations

import dataclasses
import re

import pandas as pd
import pytest
import studies
from hypothesis import given
from hypothesis import strategies as st
from studies import scored

from reports.figures import cost, dumbbell, hyperparameters, leaders, learning_curves
from reports.pages import advice, facts, findings
from reports.pages import comparison as comparison_page
from reports.read import labels
from reports.read.study import read_study
from reports.stats.analysis import Analysis
from reports.stats.groups import group, read_studies
from reports.stats.ranking import rank
from tuner.study import record_files
from tuner.study.records import TrialRecord


def verdict_of(folder):
    study = read_study(folder)
    return findings.verdict(study, rank(study))


def test_the_first_sentence_says_who_and_by_how_much(tmp_path):
    """Highest validation accuracy, its interval, the margin, the baseline."""
    change = scored([0.581, 0.699, 0.5, 0.712])
    verdict = verdict_of(studies.write_study(tmp_path, n=4, change=change))

    assert verdict.lead == (
        "Trial 3 has the highest validation accuracy, 71.2 % "
        f"(95 % interval 69.9{labels.DASH}72.4). That is 1.3 points above second "
        "place, trial 1. The baseline has 58.1 %."
    )
    assert verdict.support[-1] == (
        "The search trained each config once, so a small difference can be noise. "
        "The highest of 4 scores is partly luck."
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
    assert verdict.lead.endswith("10.0 points above second place, trial 1.")


def test_a_small_margin_is_not_written_as_zero(tmp_path):
    """A difference that rounds to 0.0 points is still a difference."""
    verdict = verdict_of(
        studies.write_study(tmp_path, n=3, change=scored([0.5, 0.7, 0.7002]))
    )

    assert "less than 0.1 points above second place" in verdict.lead


def test_overlaps_count_intervals_that_reach_the_leaders(tmp_path):
    """Of 0.70, 0.69 and 0.60 on 5,000 images, one interval overlaps the first."""
    change = scored([0.60, 0.70, 0.69], params=[5, 9, 7])
    verdict = verdict_of(studies.write_study(tmp_path, n=3, change=change))

    assert verdict.support[0] == (
        "1 of the 2 other trials is too close to call: the intervals overlap. It is "
        "trial 2, with 7 parameters against the leader's 9."
    )


@pytest.mark.parametrize(
    ("n", "fields", "start"),
    [
        (0, {"state": "interrupted"}, "No trial finished before this study ended."),
        (1, {}, "The baseline is the only trial to rank so far: validation accuracy"),
    ],
)
def test_small_studies_read_well(tmp_path, n, fields, start):
    """A study of no trial or of one trial has a sentence of its own."""
    verdict = verdict_of(studies.write_study(tmp_path, n=n, **fields))

    assert verdict.lead.startswith(start)


def test_all_failed_says_why(tmp_path):
    """If every trial failed, the first sentence gives the reason."""

    def fail(trial):
        return TrialRecord(
            trial.trial, "failed", trial.config, error="out of memory: x"
        )

    folder = studies.write_study(tmp_path, n=4, change=fail)

    assert verdict_of(folder).lead == "All 4 trials failed: out of memory."


def test_hyperband_says_what_is_left_out(tmp_path):
    """The shorter rungs are counted in the sentence below the first."""
    study = read_study(studies.write_hyperband(tmp_path))
    verdict = findings.verdict(study, rank(study))

    shorter = int((study.trials["epochs"] < 10).sum())
    assert verdict.support[0] == (
        f"Only trials that trained for 10 epochs are ranked; {shorter} shorter trials "
        "are left out."
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
    analysis = Analysis(study)
    shown = [figure.gather(analysis) for figure in (leaders, dumbbell, cost)]
    sentences = [
        *findings.verdict(study, analysis.ranking),
        advice.next_steps(study, analysis.ranking),
        *(data.title for data in shown if data),
        comparison_page.page(read_studies(tmp_path)).lead,
    ]

    assert not re.search(r"\b(better|best of|wins|significant)", str(sentences))


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
    counts = {r.error: r.trials for r in findings.failures(study)}
    assert set(counts) == {errors[0], errors[2]}
    assert sum(counts.values()) == failed.sum()


def test_a_baseline_that_has_not_ended_is_not_claimed(tmp_path):
    """Ctrl-C in trial 0."""

    def cut_off(trial):
        return dataclasses.replace(trial, status="running")

    folder = studies.write_study(tmp_path, n=1, change=cut_off)
    assert "and the baseline" not in facts.status(read_study(folder))


@pytest.mark.parametrize(
    ("planned", "state", "n", "status"),
    [
        (1800.0, "completed", 16, "completed, 15 trials and the baseline, planned for"),
        (1800.0, "completed", 19, "completed, 18 trials and the baseline, planned for"),
        (1800.0, "running", 2, "interrupted, 1 trial and the baseline, planned for"),
        (None, "completed", 16, "completed, 15 of 18 trials and the baseline"),
    ],
)
def test_a_search_for_a_time_counts_what_it_did(tmp_path, planned, state, n, status):
    """Its clock ends it before the planned number of trials, which is not shown."""
    settings = {**studies.SETTINGS, "max_trials": 18, "in_s": planned}
    plan = {"trials": 18, "epochs": 90}
    folder = studies.write_study(
        tmp_path, n=n, state=state, settings=settings, plan=plan
    )
    study = read_study(folder)

    assert facts.status(study) == (f"{status} 30m00s" if planned else status)
    epochs = dict(facts.about(study))["Epochs"]
    others = "" if planned else "; at most 90 for all other trials together"
    assert epochs == f"5 for the baseline{others}"


def test_the_edge_of_a_logarithmic_range_is_near_in_factors(tmp_path):
    """1.9e-4 is far from 1e-4 where the range is drawn in logarithms."""
    folder = studies.write_study(tmp_path, n=6, space="hyperparams")
    searched = {h.name: h for h in read_study(folder).hyperparameters}
    assert advice._at_end(1.01e-4, 1e-4, searched["learning_rate"])
    assert not advice._at_end(1.9e-4, 1e-4, searched["learning_rate"])


def test_what_the_first_five_do_not_have_is_not_what_they_share(tmp_path):
    """A hyperparameter that is switched off in them has a panel without them."""
    first = read_study(studies.write_study(tmp_path, n=6)).hyperparameters[0]
    frame = pd.DataFrame({"value": 64, "score": 50.0, "place": range(1, 21)})
    assert "share" in hyperparameters.title((hyperparameters.Panel(first, frame),))
    later = hyperparameters.Panel(first, frame.assign(place=range(6, 26)))
    assert "share" not in hyperparameters.title((later,))


def test_own_code_with_equal_values_shares_no_baseline(tmp_path):
    """Two files may build two networks of the same hyperparameters."""
    for name in ("a", "b"):
        folder = studies.write_study(
            tmp_path, name, n=3, change=studies.shared_baseline
        )
        record = record_files.read_study(folder)
        space = dataclasses.replace(
            record.space, user_code={"has_fit": False}, source=name
        )
        record_files.write_study(folder, dataclasses.replace(record, space=space))
    assert len(group(read_studies(tmp_path).entries).baselines) == 2


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
    assert findings.harmful_overfitting(study, rank(study)) == (
        "In 1 of 3 ranked trials, validation loss rose at the end while train loss "
        "fell: harmful overfitting. It rose most in trial 1, from 1.00 after epoch 2 "
        "to 1.30."
    )


@pytest.mark.parametrize(
    ("last", "ending"),
    [
        (1.3, "It rose from 1.00 after epoch 1 to 1.30."),
        (0.9, "loss did not rise at the end while train loss fell."),
    ],
)
def test_of_a_single_trial_nothing_is_counted(tmp_path, last, ending):
    """Neither "1 of 1" nor "none of 1 ranked trial"."""

    def change(trial):
        history = {"loss": [1.0, 0.5], "val_loss": [1.0, last]}
        history |= {"accuracy": [0.5] * 2, "val_accuracy": [0.6, 0.5]}
        (run,) = trial.executions
        run = dataclasses.replace(run, epochs=2, history=history)
        return dataclasses.replace(trial, executions=(run,))

    study = read_study(studies.write_study(tmp_path, n=1, change=change))
    ranking = rank(study)
    harm = findings.harmful_overfitting(study, ranking)
    title = learning_curves.gather(Analysis(study)).title
    assert harm.endswith(ending)
    assert title == "The ranked trial was at its best before its last epoch"
    assert "of 1" not in f"{harm} {title}"


def test_a_leader_at_the_edge_suggests_a_wider_range(tmp_path):
    """The rule needs the leader and most of the first five, and says so."""

    def deeper_scores_higher(trial):
        layers = trial.config["conv_layers"]
        return scored([0.4 + 0.1 * layers + trial.trial / 1000] * 40)(trial)

    study = read_study(studies.write_study(tmp_path, n=30, change=deeper_scores_higher))
    steps = advice.next_steps(study, rank(study))

    what = "Widen the range of conv_layers in a search space of your own."
    step = next(s for s in steps if s.what == what)
    assert step.evidence.startswith("5 of the top 5 trials, including trial ")
    assert step.evidence.endswith(", lie at its upper end, 3.")
    assert len(steps) <= 4


def test_fewer_layers_than_none_are_not_advised(tmp_path):
    """The lower end of a count is where it ends."""

    def shallow_scores_higher(trial):
        layers = trial.config["conv_layers"]
        return scored([0.9 - 0.1 * layers + trial.trial / 1000] * 40)(trial)

    study = read_study(
        studies.write_study(tmp_path, n=30, change=shallow_scores_higher)
    )
    advised = " ".join(step.what for step in advice.next_steps(study, rank(study)))
    assert "conv_layers" not in advised


def test_few_trials_get_no_advice_on_ranges(tmp_path):
    """With five trials an edge is no evidence."""
    study = read_study(studies.write_study(tmp_path, n=5))

    advised = " ".join(step.what for step in advice.next_steps(study, rank(study)))
    assert "range" not in advised


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
    text = labels.number(value, 1)

    assert abs(float(text) - value) <= 0.05 + 1e-6
    assert labels.number(-value, 1).lstrip("-") == text.lstrip("-")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (labels.percent(0.7125), "71.3 %"),
        (labels.gap(-0.0021), f"{labels.MINUS}0.2"),
        (labels.gap(-0.00001), "0.0"),
        (labels.gap(0.088), "+8.8"),
        (labels.number(None, 1), labels.DASH),
        (labels.number(float("nan"), 1), labels.DASH),
        (labels.params(3_700_000), "3.7 M"),
        (labels.params(420_000), "420 k"),
        (labels.params(96), "96"),
        (labels.duration(99.6), "1m40s"),
        (labels.duration(7500), "2h05m"),
        (labels.value(0.00025), "2.5e-4"),
        (labels.value(64.0), "64"),
        (labels.value(value_is := True), str(value_is)),
        (labels.listing(["a", "b", "c"]), "a, b and c"),
        (labels.metric("val_accuracy"), "validation accuracy"),
    ],
)
def test_words_for_numbers(text, expected):
    """Each kind of number has one way to be written."""
    assert text == expected


def test_the_device_says_how_many_worked_side_by_side(tmp_path):
    """Older studies, and studies of one worker, name only the device."""
    hardware = {"device": "CPU, 1 thread", "cores": 2, "workers": 2}
    folder = studies.write_study(tmp_path, hardware=hardware)
    assert ("Device", "2 workers, each on CPU, 1 thread") in facts.about(
        read_study(folder)
    )
    older = studies.write_study(tmp_path, "older")
    assert ("Device", "CPU, 2 threads") in facts.about(read_study(older))
