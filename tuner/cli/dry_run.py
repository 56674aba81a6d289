"""`--dry-run`: show what a search would do and about how long, and store nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from tuner.search.timing import measure_speed
from tuner.study import words
from tuner.study.descriptions import PlanRecord
from tuner.study.settings import StudySettings


class DryRun(NamedTuple):
    """What a search would do, and how long it would take.

    Attributes:
        plan: The plan as a study's record stores it.
        notes: What a user should know about the plan.
        points: Distinct points of the space, or None if it is continuous.
        device: What one worker trains on.
        precision: What networks would compute in.
        workers: How many workers train side by side.
        seconds: Wall time of the whole study, or None if no config could be timed.
        timed: How many configs were timed.
    """

    plan: PlanRecord
    notes: tuple[str, ...]
    points: int | None
    device: str
    precision: str
    workers: int
    seconds: float | None
    timed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for `--json`."""
        others = {name: v for name, v in self._asdict().items() if name != "plan"}
        return {**asdict(self.plan), **others}


def plan_and_time(settings: StudySettings, say: Callable[[str], None]) -> DryRun:
    """Plan a study and time a few steps of a few of its configs.

    Args:
        settings: What would be searched.
        say: Called with notes on progress; the timing takes about half a minute.
    """
    with measure_speed(settings, say) as speed:
        return DryRun(
            plan=speed.plan.record(),
            notes=speed.plan.notes,
            points=speed.plan.points,
            device=speed.ready.device,
            precision=speed.plan.settings.precision,
            workers=speed.workers,
            seconds=speed.study_s(),
            timed=len(speed.timed),
        )


def lines(dry: DryRun, settings: StudySettings) -> list[str]:
    """Return a dry run as lines for the terminal."""
    size = "continuous" if dry.points is None else f"{dry.points:,} points"
    out = [
        f"Space     {settings.space}, {size}",
        f"Plan      {_most(dry.plan, settings)}",
    ]
    out += [f"          {line}" for line in words.brackets(dry.plan.brackets)]
    out += [f"          {note}" for note in dry.notes]
    trials = words.several(dry.workers, "trial")
    out.append(f"Device    {dry.device}, {trials} at a time, in {dry.precision}")
    if dry.seconds is None:
        out.append("Estimate  none: no config of this space could be timed")
        return out
    limit = settings.in_s or math.inf
    out.append(
        f"Estimate  about {words.about(min(dry.seconds, limit))}, from timing "
        f"{words.several(dry.timed, 'config')} for a few steps"
    )
    if dry.seconds > limit:
        every_trial = words.about(dry.seconds)
        out.append(f"          --in ends it then; every trial would take {every_trial}")
    return out


def _most(plan: PlanRecord, settings: StudySettings) -> str:
    """Return the search algorithm and the largest number of trials and epochs."""
    if settings.space == "published":
        return f"{(plan.trials or 0) + 1} experiments, {plan.epochs:,} epochs"
    baseline = ", plus the baseline" if settings.baseline else ""
    trials = words.several(plan.trials or 0, "trial")
    epochs = words.several(plan.epochs or 0, "epoch")
    label = settings.search_algorithm.label
    return f"{label}, up to {trials} and {epochs} in all{baseline}"
