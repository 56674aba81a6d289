"""Which trials are compared, from stored predictions, and how verdicts read."""

import dataclasses
from types import MappingProxyType

import numpy as np
import pytest
import studies

from reports.figures import differences
from reports.pages.study import report_html
from reports.read.study import read_study
from reports.stats import verdicts
from reports.stats.analysis import Analysis
from reports.stats.comparisons import Comparison
from reports.stats.differences import Difference
from reports.stats.ranking import rank
from tuner.study.record_files import labels_path, predictions_path

IMAGES = 2000


def _write_predictions(folder, accuracies, seed=0):
    """Write test predictions: one row of accuracies per trial, one per execution."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, IMAGES).astype(np.uint8)
    np.savez(labels_path(folder), test=labels)
    for trial, row in enumerate(accuracies):
        for execution, accuracy in enumerate(row):
            wrong = np.arange(IMAGES) >= round(accuracy * IMAGES)
            path = predictions_path(folder, trial, execution)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, test=np.where(wrong, (labels + 1) % 10, labels))


def _compared(folder):
    analysis = Analysis(read_study(folder))
    return verdicts.rows(analysis.study, analysis.comparisons), analysis.comparisons


def test_the_first_by_validation_stand_against_the_baseline(tmp_path):
    """At most eight are compared; the error rate is shared among the pairs."""
    change = _seeded({t: 10 * t for t in range(12)})
    folder = studies.write_study(tmp_path, n=12, executions=3, change=change)
    spread = np.linspace(-0.004, 0.004, 3)
    _write_predictions(folder, [0.5 + 0.02 * t + spread for t in range(12)])

    rows, compared = _compared(folder)

    first = [int(t) for t in rank(read_study(folder)).ranked["trial"].head(8)]
    assert [c.trial for c in compared] == [t for t in first if t]
    assert {c.other for c in compared} == {0}
    assert {c.difference.level for c in compared} == {1 - 0.05 / len(compared)}
    assert {r.verdict for r in rows} == {"better"}
    best = next(c for c in compared if c.trial == max(c.trial for c in compared))
    assert best.difference.value == pytest.approx(0.02 * best.trial, abs=1e-3)


def test_one_training_each_speaks_of_two_networks(tmp_path):
    """The note says why one run each does not compare configs."""
    folder = studies.write_study(tmp_path, n=2)
    _write_predictions(folder, [[0.5], [0.6]])

    rows, compared = _compared(folder)

    assert rows[0].verdict == "better, for these two networks only"
    assert rows[0].difference == "+10.0"
    assert "other runs of the same two configs" in verdicts.note(
        read_study(folder), compared
    )


def test_a_longer_training_is_paired_with_the_shorter_it_continues(tmp_path):
    """Trial 2 is trial 1 with more epochs: the same seeds, compared one by one."""
    folder = studies.write_study(
        tmp_path, n=3, executions=3, change=_seeded({0: 10, 1: 20, 2: 20}, {2: 9})
    )
    # Luck of the seeds is large, and the same for both lengths.
    luck = np.array([-0.05, 0.0, 0.05])
    _write_predictions(folder, [0.5 + luck, 0.6 + luck, 0.62 + luck])

    rows, compared = _compared(folder)

    pair = next(c for c in compared if c.other == 1)
    row = rows[compared.index(pair)]
    assert (pair.trial, pair.difference.is_paired) == (2, True)
    assert pair.difference.word() == "better"
    assert row.trainings == "3 pairs"
    apart = next(c for c in compared if (c.trial, c.other) == (2, 0))
    assert not apart.difference.is_paired
    assert apart.difference.word() == "inconclusive"
    assert "compared one by one" in verdicts.note(read_study(folder), compared)


def test_a_longer_baseline_is_paired_with_it(tmp_path):
    """`epochs-10` of the published experiments continues trial 0."""
    folder = studies.write_study(
        tmp_path, n=2, executions=2, change=_seeded({0: 10, 1: 10}, {1: 10})
    )
    _write_predictions(folder, [[0.5, 0.52], [0.53, 0.55]])

    rows, compared = _compared(folder)

    assert [(c.trial, c.other, c.difference.is_paired) for c in compared] == [
        (1, 0, True)
    ]
    assert rows[0].verdict == "no verdict: needs 3 runs of each config"


def test_without_predictions_nothing_is_compared(tmp_path):
    """Records alone make a page, and a broken file is left out of comparisons."""
    folder = studies.write_study(tmp_path, n=3)
    assert _compared(folder) == ([], ())
    assert "compare with the baseline?" not in report_html(read_study(folder))

    _write_predictions(folder, [[0.5], [0.6], [0.7]])
    predictions_path(folder, 1, 0).write_bytes(b"PK cut off")
    assert [c.trial for c in _compared(folder)[1]] == [2]


@pytest.mark.parametrize("accuracy", [0.503, 0.6])
def test_the_title_says_once_that_there_is_one_run_each(tmp_path, accuracy):
    """The verdict then holds for two networks only."""
    folder = studies.write_study(tmp_path, n=2)
    _write_predictions(folder, [[0.5], [accuracy]])
    rows, compared = _compared(folder)
    title = differences.gather(Analysis(read_study(folder))).title
    word = compared[0].difference.word()
    assert title == f"Test accuracy against the baseline, one run each: 1 {word}"
    scope = {
        "better": "for these two networks only",
        "inconclusive": "even for these two networks",
    }
    assert rows[0].verdict == f"{word}, {scope[word]}"


def test_the_page_has_the_verdicts(tmp_path):
    """The page has one row per comparison, and hostile names stay text."""
    change = _named("<script>alert(1)</script>")
    folder = studies.write_study(tmp_path, n=3, change=change)
    _write_predictions(folder, [[0.5], [0.6], [0.503]])

    page = report_html(read_study(folder))

    rows, _ = _compared(folder)
    assert "<h2>How do the trials compare with the baseline?</h2>" in page
    for row in rows:
        assert f"<td>{row.verdict}</td>" in page
        assert row.interval in page
    assert "<script>alert" not in page


def _seeded(first_seed, epochs=MappingProxyType({})):
    """Make a change: trial t's executions have seeds from first_seed[t] on."""

    def change(trial):
        runs = []
        for run in trial.executions:
            length = epochs.get(trial.trial, run.epochs)
            curves = {n: [v[0]] * length for n, v in run.history.items()}
            seed = first_seed[trial.trial] + run.execution
            runs.append(
                dataclasses.replace(run, seed=seed, epochs=length, history=curves)
            )
        return dataclasses.replace(trial, executions=tuple(runs))

    return change


def _named(name):
    return lambda trial: dataclasses.replace(
        trial, name="baseline" if trial.trial == 0 else name
    )


@pytest.mark.parametrize(
    ("half", "why"),
    [
        (
            0.006,
            "no difference seen; no number of seeds can settle less than 1.0 points",
        ),
        (
            0.150,
            "too few seeds; more seeds narrow the interval, but no number of seeds can",
        ),
        (0.011, "seeds; about 9 would settle it if it is as large as it looks, no num"),
        (0.020, "if it is as large as it looks, more than 200 if it is half as large"),
        (
            0.030,
            "seeds; about 4 would settle it if it is as large as it looks, about 11",
        ),
    ],
)
def test_an_inconclusive_verdict_says_what_more_seeds_would_do(half, why):
    """A difference that may be large is not called impossible to settle."""
    value = half if 0.01 < half < 0.1 else 0.001  # it just reaches 0
    difference = Difference(
        value, value - half, value + half, 0.95, 3, is_paired=True,
        image_variance=0.0000125, training_variance=3 * (half / 4.3) ** 2,
    )  # fmt: skip
    assert why in verdicts.verdict(Comparison(1, 0, difference, 0.95))


def test_a_small_difference_is_expected_to_turn_out_too_small():
    """More seeds would show that it is too small to matter, not that it is real."""
    small = Difference(0.002, -0.01, 0.014, 0.95, 5, True, 1e-8, 0.008**2)
    verdict = verdicts.verdict(Comparison(1, 0, small, 0.95))
    assert verdict.endswith(
        "would show that it is too small to matter, if it is as small as it looks"
    )


def test_the_note_explains_what_no_number_of_seeds_settles(tmp_path):
    """It depends on the share of images on which the pair disagrees."""
    folder = studies.write_candidates(tmp_path / "tried", studies.TRIED, "try", 3)
    comparison = _compared(folder)[1][0]
    wide = Difference(0.001, -0.02, 0.02, 0.95, 3, True, 0.004**2, 0.004**2)
    one = (comparison._replace(difference=wide),)
    note = verdicts.note(read_study(folder), one)
    assert "between these two on these images" in verdicts.verdict(one[0])
    assert "follows from how often the two disagree" in note
