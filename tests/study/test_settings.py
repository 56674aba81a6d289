"""Promises of a study's settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.study.settings import (
    SettingsError,
    StudySettings,
    fingerprint,
    parse_duration,
)
from tuner.system.seeds import derive_seed, execution_seed


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"space": "published", "epochs": 3}, "have fixed epochs.*got --epochs"),
        ({"space": "published", "max_trials": 3}, "got --max-trials"),
        ({"space": "published", "algorithm": "hyperband"}, "got --algorithm"),
        ({"space": "published", "validation_split": 0.2}, "got --validation-split"),
        ({"validation_split": 0.0}, "ranked by their validation images, got 0"),
        ({"objective": "test_accuracy"}, "The test set never chooses"),
        ({"algorithm": "annealing"}, "must be one of random, hyperband"),
        ({"min_epochs": 3}, "Hyperband's first rung, got it with --algorithm random"),
        ({"test_split": 0.2}, "--test-split applies only to --data with"),
    ],
)
def test_options_that_do_not_go_together_say_why(options, text):
    """The error names the option, and what to do."""
    with pytest.raises(SettingsError, match=text):
        StudySettings(**({"space": "architecture"} | options))


def test_defaults_follow_the_algorithm():
    """5 epochs and 20 trials; Hyperband 10 epochs and its own plan."""
    random = StudySettings("architecture")
    hyperband = StudySettings("architecture", algorithm="hyperband")
    published = StudySettings("published")

    assert (random.epochs, random.max_trials, random.validation_split) == (5, 20, 0.1)
    assert (hyperband.epochs, hyperband.max_trials) == (10, None)
    assert published.validation_split == 0


def test_settings_survive_their_dict():
    """What a record keeps is read back as it was, `published` included."""
    for settings in (StudySettings("published"), StudySettings("combined", seed=3)):
        assert StudySettings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"max_trials": 40}, True),
        ({"time_limit_s": 60.0}, True),
        ({"keep_models": 1}, True),
        ({"epochs": 6}, False),
        ({"seed": 1}, False),
        ({"limit": 100}, False),
        ({"objective": "val_loss"}, False),
        ({"precision": "bfloat16"}, False),
    ],
)
def test_a_resume_may_search_longer_and_nothing_else(change, is_same):
    """What changes a result changes the fingerprint; how long to search does not."""
    before = StudySettings("architecture")
    after = StudySettings("architecture", **change)
    prints = [
        fingerprint(s, {"name": "architecture"}, "split") for s in (before, after)
    ]
    assert (prints[0] == prints[1]) == is_same


def test_hyperbands_size_is_part_of_it():
    """Another number of configs shapes other brackets."""
    small = StudySettings("architecture", algorithm="hyperband", max_trials=9)
    large = StudySettings("architecture", algorithm="hyperband", max_trials=20)
    assert fingerprint(small, {}, "") != fingerprint(large, {}, "")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("1h30m", 5400), ("90", 90), ("1.5h", 5400)],
)
def test_a_duration_reads_as_people_write_it(text, seconds):
    """Hours, minutes and seconds; a bare number is seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "soon", "5 m", "-3m", "10x"])
def test_a_duration_that_is_none_says_how_one_reads(text):
    """The error shows three that are."""
    with pytest.raises(ValueError, match="must read like 45s, 30m or 1h30m, got"):
        parse_duration(text)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 9))
def test_seeds_are_hashed_and_ignore_epochs(study, other, execution):
    """Neighbouring studies never meet; a longer training keeps its seed."""
    short, long = {"filters_1": 8, "epochs": 3}, {"epochs": 9, "filters_1": 8}
    seed = execution_seed(study, short, execution)

    assert seed == execution_seed(study, long, execution)
    assert 1 <= seed < 2**31
    assert seed != execution_seed(study, short, execution + 1)
    if study != other:
        assert seed != execution_seed(other, short, execution)


def test_seed_0_is_a_seed():
    """KerasTuner takes 0 for "choose one"; a derived seed never is 0."""
    assert all(derive_seed("oracle", n) > 0 for n in range(1000))


def test_seeds_may_be_added_where_no_proposal_rests_on_scores():
    """Random search and the published list take more; Hyperband does not."""
    for space in ("architecture", "published"):
        once, more = StudySettings(space), StudySettings(space, executions=3)
        assert more.identity() == once.identity()
    once = StudySettings("architecture", algorithm="hyperband")
    more = StudySettings("architecture", algorithm="hyperband", executions=3)
    assert more.identity() != once.identity()
