"""Promises of a search that cannot begin: it leaves everything as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from arithmetic import Arithmetic, Silent

from tuner.algorithms import ALGORITHMS
from tuner.algorithms.base import Algorithm, AlgorithmError
from tuner.algorithms.random_search import RANDOM
from tuner.search import session
from tuner.search.session import run_study
from tuner.study.folder import Study
from tuner.study.settings import SettingsError, StudySettings
from tuner.study.tasks import Ready


class Started(Arithmetic):
    """Workers of a session, which are ready at once."""

    def __enter__(self):
        return self

    def __exit__(self, *_): ...

    def open(self, data_folder):
        return Ready("CPU", on_gpu=False, versions={})


class Watching(Silent):
    """A listener that keeps what it is told."""

    def __init__(self):
        self.said = []

    def data_loaded(self, data): ...
    def study_opened(self, study, ready, work, *, resumed, ends=None): ...

    def note(self, text):
        self.said.append(text)


class SpeechlessError(Exception):
    """A listener has no words for a study."""


class Speechless(Watching):
    """A listener that cannot show a study."""

    def study_opened(self, study, ready, work, *, resumed, ends=None):
        raise SpeechlessError


class BrokenError(Exception):
    """An algorithm is wrong, and not the user."""


@dataclass(frozen=True, kw_only=True)
class Broken(Algorithm):
    """An algorithm that fails as its search begins."""

    error: BaseException

    def proposer(self, problem):
        raise self.error


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch):
    """Workers that compute nothing, and a disk that does not wait."""
    monkeypatch.setattr(session, "start_workers", lambda *_: Started())
    monkeypatch.setattr("os.fsync", lambda file: None)


def _settings(space="architecture", **options):
    common = {"dataset": "digits", "limit": 200, "max_trials": 2, "epochs": 1}
    return StudySettings(space, **common | options)


def _broken(monkeypatch, error):
    algorithm = Broken(name="broken", label="a broken one", help="fails", error=error)
    monkeypatch.setitem(ALGORITHMS, "broken", algorithm)
    return _settings(algorithm="broken")


def _failing_proposer(monkeypatch, tmp_path):
    return _broken(monkeypatch, BrokenError()), Watching(), BrokenError


def _interrupted_proposer(monkeypatch, tmp_path):
    return _broken(monkeypatch, KeyboardInterrupt()), Watching(), KeyboardInterrupt


def _speechless_listener(monkeypatch, tmp_path):
    return _settings(), Speechless(), SpeechlessError


def _impossible_schedule(monkeypatch, tmp_path):
    asked = _settings(algorithm="hyperband", min_epochs=5)
    return asked, Watching(), AlgorithmError


def _space_without_a_config(monkeypatch, tmp_path):
    path = tmp_path / "deep.py"
    path.write_text(
        "from search_spaces.config import CnnConfig\n"
        "def sample(hp):\n"
        "    return CnnConfig(filters=(4,) * hp.Int('depth', 8, 9), kernel_size=5)\n",
        encoding="utf-8",
    )
    return _settings(str(path)), Watching(), SettingsError


def _space_that_fails(monkeypatch, tmp_path):
    path = tmp_path / "failing.py"
    path.write_text("def sample(hp):\n    return 1 / 0\n", encoding="utf-8")
    return _settings(str(path)), Watching(), session.UsageError


def _option_of_another_space(monkeypatch, tmp_path):
    return _settings(pixels="raw"), Watching(), SettingsError


def _unlistable_grid(monkeypatch, tmp_path):
    return _settings("hyperparams", algorithm="grid"), Watching(), SettingsError


def _unknown_metric(monkeypatch, tmp_path):
    return _settings(objective="val_auc"), Watching(), SettingsError


FAILURES = [
    _failing_proposer,
    _interrupted_proposer,
    _speechless_listener,
    _impossible_schedule,
    _space_without_a_config,
    _space_that_fails,
    _option_of_another_space,
    _unlistable_grid,
    _unknown_metric,
]
every_failure = pytest.mark.parametrize(
    "failure", FAILURES, ids=[f.__name__.strip("_") for f in FAILURES]
)


def _files(folder):
    """Give every file of a folder and what it holds, but for the worker's log."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "search.log"
    }


@every_failure
def test_a_new_search_leaves_no_folder(failure, monkeypatch, tmp_path):
    """Whatever keeps it from beginning, nothing lies where the study would."""
    asked, listener, error = failure(monkeypatch, tmp_path)
    with pytest.raises(error):
        run_study(asked, tmp_path / "runs" / "a", "tune", listener)
    assert [p.name for p in (tmp_path / "runs").iterdir() if p.name[0] != "."] == []


@every_failure
def test_a_search_in_place_of_another_gives_that_back(failure, monkeypatch, tmp_path):
    """`--overwrite` moves the old study aside only for one that begins."""
    folder = tmp_path / "runs" / "a"
    run_study(_settings(), folder, "tune", Watching())
    before = _files(folder)
    asked, listener, error = failure(monkeypatch, tmp_path)
    with pytest.raises(error):
        run_study(asked, folder, "tune", listener, overwrite=True)
    assert _files(folder) == before
    assert f"The old study is back in {folder}" in listener.said


def test_a_resume_that_cannot_begin_changes_nothing(monkeypatch, tmp_path):
    """Its settings, plan and notes are written once a search is there."""
    folder = tmp_path / "runs" / "a"
    run_study(_settings(), folder, "tune", Watching())
    before = _files(folder)
    broken = Broken(
        name=RANDOM.name, label="random search", help="fails", error=BrokenError()
    )
    monkeypatch.setitem(ALGORITHMS, RANDOM.name, broken)
    more = replace(_settings(), max_trials=5)
    with pytest.raises(BrokenError):
        run_study(more, folder, "tune again", Watching())
    assert _files(folder) == before


def test_a_search_in_place_of_another_keeps_that_aside(tmp_path):
    """The new study is whole, and the old one lies in .replaced."""
    folder = tmp_path / "runs" / "a"
    run_study(_settings(), folder, "tune", Watching())
    before = _files(folder)
    run_study(_settings(seed=1), folder, "tune", Watching(), overwrite=True)
    assert Study.open(folder).record.settings.seed == 1
    (aside,) = (tmp_path / "runs" / ".replaced").iterdir()
    assert _files(aside) == before


def test_rejected_configs_are_counted_once_over_all_sessions(tmp_path):
    """Sessions pass the same points again; as many are rejected as in one session."""
    options = {"max_params": 40_000}
    for name, steps in (("at once", [9]), ("in steps", [1, 4, 9, 9])):
        for trials in steps:
            asked = _settings("combined", max_trials=trials, **options)
            run_study(asked, tmp_path / name, "tune", Watching())
    at_once, in_steps = (Study.open(tmp_path / n) for n in ("at once", "in steps"))
    assert at_once.record.rejected
    assert in_steps.record.rejected == at_once.record.rejected
    # The baseline is too large, and so is the recipe, which takes no trial's place.
    assert sorted(at_once.trials) == list(range(1, 10))
    config = {n: t.config for n, t in at_once.trials.items()}
    assert {n: t.config for n, t in in_steps.trials.items()} == config
