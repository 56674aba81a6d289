"""Say what a search will do and about how long it takes, and store nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from tuner.search.timing import measured
from tuner.study import words
from tuner.study.settings import StudySettings


def plan_and_time(
    settings: StudySettings, say: Callable[[str], None]
) -> dict[str, Any]:
    """Plan a study and time a few steps of a few of its configs.

    Args:
        settings: What would be searched.
        say: Gets notes while it works, which takes about half a minute.

    Returns:
        Plain values: `trials`, `epochs` and `brackets` as in a study's plan,
        `points` of the space (None where it is continuous), `device`, `workers` side
        by side, `seconds` that the whole study will take, and `timed` configs.
    """
    with measured(settings, say) as speed:
        return {
            **speed.plan.to_dict(),
            "notes": list(speed.plan.notes),
            "points": speed.plan.points,
            "device": speed.ready.device,
            "workers": speed.workers,
            "seconds": speed.study_s(),
            "timed": len(speed.timed),
        }


def lines(plan: dict[str, Any], settings: StudySettings) -> list[str]:
    """Say a plan in words."""
    points = plan["points"]
    size = "continuous" if points is None else f"{points:,} points"
    out = [
        f"Space     {settings.space}, {size}",
        f"Plan      {_most(plan, settings)}",
    ]
    out += [f"          {line}" for line in words.brackets(plan.get("brackets", []))]
    out += [f"          {note}" for note in plan["notes"]]
    out.append(f"Device    {plan['device']}, {plan['workers']} at a time")
    if plan["seconds"] is None:
        out.append("Estimate  none: no config of this space could be timed here")
        return out
    whole, given = plan["seconds"], settings.in_s or math.inf
    out.append(
        f"Estimate  about {words.about(min(whole, given))}, from steps of "
        f"{plan['timed']} configs"
    )
    if whole > given:
        out.append(
            f"          No more trials start then; all would take {words.about(whole)}."
        )
    return out


def _most(plan: dict[str, Any], settings: StudySettings) -> str:
    """Say how many trials and epochs there are at most; a list counts its first too."""
    if settings.space == "published":
        return f"{plan['trials'] + 1} experiments, {plan['epochs']:,} epochs"
    besides = ", besides the baseline" if settings.baseline else ""
    trials = words.several(plan["trials"], "trial")
    epochs = words.several(plan["epochs"], "epoch")
    return f"{settings.search_algorithm.label}, {trials}, {epochs} at most{besides}"
