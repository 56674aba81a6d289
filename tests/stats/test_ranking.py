"""The page and the terminal rank alike."""

from __future__ import annotations

import pytest
import studies

from reports.read.study import read_study
from reports.stats.ranking import rank
from tuner.study.folder import Study
from tuner.study.ranking import best_first
from tuner.system.numbers import duration, params, rounded


@pytest.mark.parametrize("seed", range(5))
def test_the_page_ranks_as_the_command_does(tmp_path, seed):
    """Two readings of one folder, one order: by validation, ties to the smaller."""
    folder = studies.write_study(tmp_path, n=40, seed=seed, failures=0.2, executions=2)
    _assert_equal_order(folder)


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
