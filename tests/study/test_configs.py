"""Promises of configs from files, from other studies and from users' code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from studies import write_study

from search_spaces.config import CnnConfig
from search_spaces.space import load_space
from tuner.study.configs import best_config, read_configs, user_space
from tuner.study.descriptions import SpaceRecord
from tuner.study.folder import NotAStudyError, Study
from tuner.study.record_files import read_study as read_record
from tuner.study.record_files import write_study as write_record
from tuner.study.settings import SettingsError, StudySettings


def _file(tmp_path, content):
    path = tmp_path / "configs.json"
    path.write_text(content, encoding="utf-8")
    return path


def test_configs_are_read_from_a_list_or_a_shown_trial(tmp_path):
    """A hand-written list and what `tune show --json` prints both do."""
    rows = [{"filters_1": 48}, {"config": CnnConfig().to_dict(), "trial": 3}]
    assert read_configs(_file(tmp_path, json.dumps(rows))) == [
        {"filters_1": 48},
        CnnConfig().to_dict(),
    ]
    assert read_configs(_file(tmp_path, '{"dropout": 0.2}')) == [{"dropout": 0.2}]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("[1]", "Config 1 .* must be an object"),
        ("[{}, 7]", "Config 2 .* must be an object"),
        ("[{", "must name a JSON file"),
    ],
)
def test_a_wrong_config_is_named(tmp_path, content, text):
    """The error says which, and what must hold."""
    with pytest.raises(SettingsError, match=text):
        read_configs(_file(tmp_path, content))


def test_the_base_is_the_best_by_validation(tmp_path):
    """The config of the first-ranked trial, and the study's name."""
    write_study(tmp_path, "arch", n=6)
    config, name = best_config(tmp_path, "arch", tmp_path / "new")
    study = Study.open(tmp_path / "arch")
    best = max(
        (t for t in study.trials.values() if t.status == "completed"),
        key=lambda t: t.executions[0].val_accuracy,
    )
    assert config == dict(best.config)
    assert name == "arch"


def test_a_study_keeps_the_base_that_it_began_with(tmp_path):
    """A resume is no other study because the base's study has found more since."""
    write_study(tmp_path, "arch", n=6)
    write_study(tmp_path, "new", n=1)
    old = CnnConfig(filters=(7,)).to_dict()
    record = read_record(tmp_path / "new")
    asked = StudySettings("hyperparams", base=old, base_study="arch")
    write_record(tmp_path / "new", replace(record, settings=asked))
    assert best_config(tmp_path, "arch", tmp_path / "new") == (old, "arch")
    fresh, _ = best_config(tmp_path, "arch", None)  # with --overwrite
    assert fresh != old
    shutil.rmtree(tmp_path / "arch")
    assert best_config(tmp_path, "arch", tmp_path / "new") == (old, "arch")


def test_a_base_without_a_result_is_refused(tmp_path):
    """No study, or one where nothing was ranked, is no base."""
    with pytest.raises(NotAStudyError):
        best_config(tmp_path, "none", tmp_path / "new")
    write_study(tmp_path, "empty", n=0)
    with pytest.raises(SettingsError, match="empty has none"):
        best_config(tmp_path, "empty", tmp_path / "new")


def test_a_study_reads_its_own_copy_of_a_users_file(tmp_path):
    """Whatever became of theirs; a study that keeps none needs theirs unchanged."""
    path = tmp_path / "mine.py"
    path.write_text("def build_model(hp): ...\n", encoding="utf-8")
    searched = load_space(str(path))
    found = {"declared": None, "has_fit": False, "draws_epochs": False}
    folder = write_study(tmp_path, n=1)
    study = Study.open(folder)
    space = SpaceRecord("mine", source=searched.source, user_code=found)
    study.update(settings=StudySettings(str(path)), space=space)
    assert user_space(study).model == searched.model
    path.write_text("def build_model(hp): pass\n", encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"mine.py must be unchanged .* has changed"
    ):
        user_space(study)

    study.store_space(searched.code)
    study.store_space("what comes later is no other study's")
    kept = folder / "space.py"
    for change in (lambda: None, path.unlink):
        change()
        model = user_space(study).model
        assert (model.path, model.code) == (str(kept), searched.code)
        assert model.origin == str(path)
    kept.write_text("def build_model(hp): pass\n", encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"space.py must be unchanged .* has changed"
    ):
        user_space(study)


@pytest.mark.parametrize("space", ["architecture", "own"])
def test_an_enqueued_name_that_no_config_has_is_refused(space):
    """Before any image is loaded; a user's own code has names of its own."""
    import keras_tuner as kt

    from search_spaces.user_code import UserModel, UserSpace
    from tuner.search.planning import plan_space

    hp = kt.HyperParameters()
    hp.Int("width", 1, 9)
    declared = {"space": hp.get_config()["space"], "values": {}}
    user_model = UserSpace("mine", UserModel("mine.py", ""), declared=declared)
    found = user_model if space == "own" else load_space("architecture")
    known = {"width": 3} if space == "own" else {"filters_1": 48}
    settings = StudySettings("architecture", enqueue=[known])
    enqueued = plan_space(settings, found).preset_trials()[1].config.to_dict()
    assert known.items() <= enqueued.items()
    with pytest.raises(SettingsError, match=r"Enqueued config 2: Unknown .*'widht'"):
        plan_space(replace(settings, enqueue=[known, {"widht": 4}]), found)
