"""Say what a search will do and about how long it takes, and store nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search_spaces.own import Config, OwnModel
from tuner import session, wording
from tuner.datasets import Dataset, open_arrays, save_arrays
from tuner.machine import memory_bytes
from tuner.search import Workers
from tuner.settings import StudySettings
from tuner.tasks import Timing, TimingTask, TrainingFailure, WorkerLoss

_BUDGET_S = 20.0
_CONFIGS = 5


def plan_and_time(
    settings: StudySettings, say: Callable[[str], None]
) -> dict[str, Any]:
    """Plan a study and time a few steps of a few of its configs.

    Args:
        settings: What would be searched.
        say: Gets notes while it works, which takes about half a minute.

    Returns:
        Plain values: `trials`, `epochs` and `brackets` as in a study's plan,
        `points` of the space (None where it is continuous), `device`, `seconds`
        that the whole study will take, and `timed` configs.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        session.start_workers(settings, Path(folder) / "log", say) as workers,
    ):
        plan = session.make_plan(settings)
        data = session.load_data(settings, say)
        shape, classes = data.input_shape, len(data.classes)
        save_arrays(data, Path(folder) / "data")
        data = open_arrays(Path(folder) / "data")
        ready = workers.open(Path(folder) / "data")
        plan = session.discover(plan, workers, None)
        limits = plan.limits(
            shape, classes, on_gpu=ready.on_gpu, memory_bytes=memory_bytes()
        )
        plan = plan.fitted(limits, shape, classes)
        say("Timing a few steps of a few configs...")
        configs = plan.sample_configs(limits, shape, classes, wanted=_CONFIGS)
        own = getattr(plan.space, "model", None)
        timings = [_time(workers, config, own) for config in configs]
    work = plan.workload(limits, shape, classes)
    timed = [t for t in zip(configs, timings, strict=True) if t[1]]
    epochs = settings.epochs or 1
    seconds = sum(_seconds(t, data, c.epochs) for c, t in timed if t)
    done = sum(work.of(c, c.epochs) for c, _ in timed)
    first = work.of(plan.space.config({}), epochs) * settings.executions
    total = work.total + first * settings.baseline
    return {
        **plan.to_dict(),
        "notes": list(plan.notes),
        "points": plan.points,
        "device": ready.device,
        "seconds": total * seconds / done if done else None,
        "timed": len(timed),
    }


def lines(plan: dict[str, Any], settings: StudySettings) -> list[str]:
    """Say a plan in words."""
    points = plan["points"]
    size = "continuous" if points is None else f"{points:,} points"
    most = f"{plan['trials']} trials, {plan['epochs']:,} epochs at most"
    out = [
        f"Space     {settings.space}, {size}",
        f"Plan      {settings.algorithm}, {most}",
    ]
    out += [f"          {line}" for line in wording.brackets(plan.get("brackets", []))]
    out += [f"          {note}" for note in plan["notes"]]
    out.append(f"Device    {plan['device']}")
    if plan["seconds"] is None:
        out.append("Estimate  none: no config of this space could be timed here")
    else:
        out.append(
            f"Estimate  about {wording.about(plan['seconds'])}, from steps of "
            f"{plan['timed']} configs"
        )
    return out


def _time(workers: Workers, config: Config, own: OwnModel | None) -> Timing | None:
    while not workers.idle:
        workers.wait()
    workers.submit(TimingTask(config.to_dict(), _BUDGET_S / _CONFIGS, own))
    while True:
        for event in workers.wait():
            if isinstance(event, Timing):
                return event
            if isinstance(event, TrainingFailure | WorkerLoss):
                return None


def _seconds(timing: Timing, data: Dataset, epochs: int) -> float:
    """Give what a whole training takes, its evaluations included."""
    images = epochs * len(data.train)
    test = len(data.test)
    evaluated = epochs * len(data.validation) + test + min(test, len(data.train))
    return timing.start_s + images * timing.train_s + evaluated * timing.evaluate_s
