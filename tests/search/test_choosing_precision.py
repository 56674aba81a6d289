"""Promises of `--precision`: `auto` is settled once, and a study keeps it."""

from __future__ import annotations

import json

import pytest
import user_spaces
from test_starting import Started, Watching

from tuner.cli.fresh_seeds import _like
from tuner.search import session
from tuner.search.planning import plan_study
from tuner.search.precision import with_precision
from tuner.search.session import run_study
from tuner.study.folder import Study, StudyChangedError
from tuner.study.settings import StudySettings
from tuner.study.tasks import PrecisionTask, PrecisionTiming, TrainingFailure


class Timed(Started):
    """Workers that answer what bfloat16 gains, and keep what they are sent."""

    def __init__(self, answer=None):
        super().__init__()
        self.answer, self.sent = answer, []

    def submit(self, task):
        self.sent.append(task)
        if isinstance(task, PrecisionTask):
            self.running[0, 0] = iter([self.answer])
        else:
            super().submit(task)


def _settings(space="architecture", **options):
    size = {} if space == "published" else {"max_trials": 2, "epochs": 1}
    return StudySettings(space, dataset="digits", limit=200, **size | options)


@pytest.fixture
def search(monkeypatch, tmp_path):
    """Search with a gain of bfloat16; return the study and what was sent."""

    def run(answer, **options):
        workers = Timed(answer)
        monkeypatch.setattr(session, "start_workers", lambda *_: workers)
        folder = tmp_path / "a"
        run_study(_settings(**options), folder, "tune", Watching())
        return Study.open(folder), workers.sent

    monkeypatch.setattr("os.fsync", lambda file: None)
    return run


@pytest.mark.parametrize(
    ("answer", "precision"),
    [
        (PrecisionTiming(1.6), "bfloat16"),
        (PrecisionTiming(1.05), "float32"),
        (PrecisionTiming(None), "float32"),
        (TrainingFailure(0, 0, "it failed"), "float32"),
    ],
    ids=["faster", "hardly faster", "not timed", "failed"],
)
def test_auto_becomes_what_is_clearly_faster(search, answer, precision):
    """The record has it, and every training gets it."""
    study, (question, *trainings) = search(answer, precision="auto")
    assert isinstance(question, PrecisionTask)
    assert study.record.settings.precision == precision
    assert {task.precision for task in trainings} == {precision}
    assert len(trainings) == 3


def test_a_resume_keeps_what_auto_became(search):
    """It times nothing, and another precision is another study."""
    search(PrecisionTiming(2.0), precision="auto", max_trials=1)
    study, sent = search(None, precision="auto", max_trials=2)
    assert study.record.settings.precision == "bfloat16"
    assert [task.precision for task in sent] == ["bfloat16"]
    refusal = "--precision: bfloat16 in the study, float32 now"
    with pytest.raises(StudyChangedError, match=refusal):
        search(None, precision="float32")


def test_a_study_that_knows_no_precision_goes_on_in_float32(search, tmp_path):
    """Earlier versions had nothing else."""
    search(None, precision="float32", max_trials=1)
    path = tmp_path / "a" / "study.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["settings"]["precision"]
    path.write_text(json.dumps(record), encoding="utf-8")
    study, sent = search(None, precision="auto", max_trials=2)
    assert study.record.settings.precision == "float32"
    assert [task.precision for task in sent] == ["float32"]


@pytest.mark.parametrize(
    "options",
    [
        {"deterministic": True},
        {"space": "published"},
        {"space": "mine.py"},
    ],
    ids=["deterministic", "published", "own model"],
)
def test_auto_is_float32_without_timing(monkeypatch, tmp_path, options):
    """Where a timing must not matter, and where networks stay as they are written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(user_spaces.FUNCTION, encoding="utf-8")
    plan = plan_study(_settings(precision="auto", **options))
    workers = Timed()
    settled = with_precision(plan, workers, pytest.fail, on_gpu=True)
    assert settled.settings.precision == "float32"
    assert not workers.sent


def test_a_comparison_computes_as_the_study_that_it_starts_from(search):
    study, _ = search(None, precision="bfloat16")
    assert _like(study, {"data": None}).precision == "bfloat16"
