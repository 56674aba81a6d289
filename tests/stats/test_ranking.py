"""The page and the terminal rank alike."""

from __future__ import annotations

import pytest
import studies

from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.study.folder import Study
from tuner.study.ranking import best_first
from tuner.system.numbers import duration, params, rounded


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
@pytest.mark.parametrize("algorithm", ["random", "hyperband"])
def test_the_page_ranks_as_the_command_does(tmp_path, algorithm, objective):
    """One order: by the mean over the seeds, ties to the smaller, then the earlier."""
    settings = {
        **studies.SETTINGS,
        "algorithm": algorithm,
        "objective": objective,
    }
    folder = studies.write_study(
        tmp_path,
        n=60,
        space="hyperparams",
        failures=0.2,
        executions=2,
        settings=settings,
    )
    trials = read_study(folder).trials.dropna(subset=objective)
    if algorithm == "hyperband":
        trials = trials[trials["epochs"] >= 5]
    ascending = [objective == "val_loss", True, True]
    by_hand = trials.sort_values([objective, "params", "trial"], ascending=ascending)

    assert _assert_equal_order(folder) == by_hand["trial"].tolist()


def test_hyperband_ranks_its_last_rung_in_both(tmp_path):
    """A trial that was cut short has no place, on the page and in the terminal."""
    folder = studies.write_hyperband(tmp_path)
    order = _assert_equal_order(folder)
    assert 0 < len(order) < len(Study.open(folder).trials)


def test_published_has_no_order_in_either(tmp_path):
    """Without validation nothing is best."""
    assert _assert_equal_order(studies.write_published(tmp_path)) == []


def _assert_equal_order(folder):
    study = Study.open(folder)
    ours = [t.trial for t in best_first(study.trials.values(), study.record.settings)]
    assert rank(read_study(folder)).ranked["trial"].tolist() == ours
    return ours


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(59.5), "1m00s"),
        (duration(7199), "1h59m"),
        (params(999_499), "999 k"),
        (params(999_500), "1.0 M"),
        (params(96), "96"),
        (str(rounded(0.25, 1)), "0.3"),
        (str(rounded(-0.25, 1)), "-0.3"),
    ],
)
def test_numbers_round_as_people_do(text, expected):
    """Halves go away from zero, and no unit overflows."""
    assert text == expected
