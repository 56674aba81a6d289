"""Settle `--precision auto` before a study begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.user_code import UserSpace
from tuner.search.loop import Workers
from tuner.study.record_files import read_study
from tuner.study.settings import StudySettings
from tuner.study.tasks import (
    Answer,
    Event,
    PrecisionTask,
    PrecisionTiming,
    Task,
    TrainingFailure,
    WorkerLoss,
)

if TYPE_CHECKING:
    from tuner.search.plan import Plan

_CLEAR_GAIN = 1.15  # a smaller one may be noise, and float32 is the exacter


def with_stored_precision(settings: StudySettings, folder: Path) -> StudySettings:
    """Replace "auto" by the precision of the study in this folder, if there is one."""
    if settings.precision != "auto" or not (folder / "study.json").exists():
        return settings
    return settings.settled(read_study(folder).settings.precision)


def with_precision(
    plan: Plan, workers: Workers, say: Callable[[str], None], *, on_gpu: bool
) -> Plan:
    """Replace "auto" in a plan's settings by the precision that a worker finds faster.

    Nothing is timed, and "auto" becomes float32, for a user's own model, which stays as
    it is written, for the published experiments, and under --deterministic, whose
    results must not depend on a timing.

    Args:
        plan: A plan; one that names a precision is returned as it is.
        workers: Workers that have the images.
        say: Told the result if it is bfloat16.
        on_gpu: Whether the workers compute on a GPU.
    """
    settings = plan.settings
    if settings.precision != "auto":
        return plan
    precision = "float32"
    is_fixed = settings.deterministic or settings.space == "published"
    if not is_fixed and not isinstance(plan.space, UserSpace):
        answer = ask(workers, PrecisionTask(on_gpu))
        speedup = answer.speedup if isinstance(answer, PrecisionTiming) else None
        if speedup and speedup >= _CLEAR_GAIN:
            precision = "bfloat16"
            say(
                f"Networks compute in bfloat16, {speedup:.1f} times as fast as float32 "
                "here. --precision float32 turns it off."
            )
    return replace(plan, settings=settings.settled(precision))


def ask(workers: Workers, request: Task) -> Event:
    """Send a worker a request, before any training, and return its answer."""
    while not workers.idle:
        workers.wait()
    workers.submit(request)
    while True:
        for event in workers.wait():
            if isinstance(event, Answer | TrainingFailure | WorkerLoss):
                return event
