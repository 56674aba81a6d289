"""What `tune show` says of configs that were trained again after a search."""

from __future__ import annotations

from typing import Any, NamedTuple

from tuner.cli.candidates import known_candidates
from tuner.cli.console import width
from tuner.cli.finish import final_object
from tuner.study.folder import Study
from tuner.system.files import CONFIRM, FINAL


class TrainedAgain(NamedTuple):
    """Results of candidates, as JSON values and as lines for the terminal."""

    facts: dict[str, Any]
    lines: list[str]


def trained_again(study: Study) -> TrainedAgain:
    """Sum up a study's candidates, or those of the studies inside a search.

    These are the runs of `tune confirm` on fresh seeds, and the finished network.
    """
    folder = study.folder
    again = TrainedAgain({}, [])
    if study.record.settings.kind == "final":
        study = Study.open(folder.parent)
    elif known_candidates(folder):
        from reports.pages.fresh_seeds import outcome

        result = outcome(folder, width=width())
        facts = {"candidates": result.facts["candidates"]}
        return TrainedAgain(facts, ["", *result.lines])
    else:
        _add_confirmed(study, again)
    if known_candidates(study.folder / FINAL):
        from reports.pages.final import lines, read_final

        network = read_final(study.folder)
        again.facts["final"] = final_object(study)
        again.lines.extend(["", *(lines(network) if network else [])])
    return again


def _add_confirmed(study: Study, again: TrainedAgain) -> None:
    names = zip(CONFIRM, ("confirmed", "confirmed_all_images"), strict=True)
    for name, key in reversed(list(names)):  # runs on all images say more: first
        folder = study.folder / name
        if known_candidates(folder):
            from reports.pages import fresh_seeds

            result = fresh_seeds.outcome(folder, width=width())
            again.facts[key] = result.facts
            heading = f"{fresh_seeds.trained_again(folder)}:"
            again.lines.extend(["", heading, *result.lines])
