"""Promises of the objective."""

import keras_tuner as kt
import pytest

from tuner.search.planning import plan_space
from tuner.study.objective import _MAX, Objective
from tuner.study.settings import SettingsError, StudySettings


@pytest.mark.parametrize(
    ("text", "direction", "written"),
    [
        ("val_accuracy", "max", "val_accuracy"),
        ("val_loss", "min", "val_loss"),
        ("val_loss:min", "min", "val_loss"),
        ("val_auc", "max", "val_auc"),
        ("val_mean_absolute_error", "min", "val_mean_absolute_error"),
        ("val_f1_score:max", "max", "val_f1_score:max"),
        ("val_my_cost:min", "min", "val_my_cost:min"),
    ],
)
def test_an_objective_says_its_direction_where_its_name_does_not(
    text, direction, written
):
    """What it writes is what it reads, and one thing has one way to be written."""
    objective = Objective.parse(text)

    assert objective == Objective(text.partition(":")[0], direction)
    assert str(objective) == written
    assert Objective.parse(written) == objective


@pytest.mark.parametrize(
    "metric",
    [  # KerasTuner cannot make the two that take an argument
        *(name for name in _MAX if "sensitivity" not in name),
        *("loss", "crossentropy", "mean_squared_error"),
    ],
)
def test_a_direction_that_is_inferred_is_kerastuners(metric):
    """Where it is inferred at all: it takes F1Score for a loss."""
    infer = kt.engine.metrics_tracking.infer_metric_direction

    assert Objective.parse(f"val_{metric}").direction == infer(f"val_{metric}")
    assert infer("val_f1_score") == "min"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("test_accuracy", "The test set never chooses"),
        ("val_", "must be val_accuracy, val_loss, or val_METRIC"),
        ("val_f1_score", "Use val_f1_score:max or val_f1_score:min"),
        (
            "val_loss:down",
            "must say whether to maximize or minimize val_loss, got 'val_loss:down'",
        ),
    ],
)
def test_an_objective_that_cannot_be_read_says_what_can(text, message):
    with pytest.raises(SettingsError, match=message):
        StudySettings("architecture", objective=text)


def test_an_objective_is_a_metric_of_the_networks(tmp_path):
    """Those of a space of ours have two; those of a user's own what they compile."""
    from search_spaces.space import load_space

    settings = StudySettings("architecture", objective="val_auc")
    with pytest.raises(SettingsError, match=r"one of val_accuracy, val_loss, got"):
        plan_space(settings, load_space("architecture"))

    path = tmp_path / "mine.py"
    path.write_text("def build_model(hp): ...")
    hp = kt.HyperParameters()
    hp.Int("units", 1, 2)
    declared = {"space": hp.get_config()["space"], "values": {}}
    found = {"declared": declared, "has_fit": False, "draws_epochs": False}
    space = load_space(str(path)).with_discovery(
        {**found, "metrics": ["auc", "f1_score"]}
    )
    settings = StudySettings(str(path), objective="val_f1_score:max")
    assert plan_space(settings, space).settings.objective == "val_f1_score:max"
    with pytest.raises(SettingsError, match=r"val_loss, val_auc, val_f1_score, got"):
        plan_space(StudySettings(str(path), objective="val_recall"), space)
