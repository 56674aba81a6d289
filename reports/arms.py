"""Studies of arms in words: what `confirm`, `try` and `noise` found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reports import contrasts, noise, wording
from reports.differences import Difference
from reports.findings import Verdict, capital
from reports.frames import Study, read_study
from reports.ranking import rank

_SETTLED = ("too small to matter", "better", "worse")


class Result(NamedTuple):
    """One arm.

    Attributes:
        trial: Its number; 0 is what the others are set against.
        name: What people call it.
        status: As its record has it.
        seeds: Trainings that ended.
        accuracy: Mean test accuracy of them, a fraction, or None.
        difference: Test accuracy minus that of arm 0, seed by seed, or None.
        error: Why it failed, or None.
    """

    trial: int
    name: str
    status: str
    seeds: int
    accuracy: float | None
    difference: Difference | None
    error: str | None


class Outcome(NamedTuple):
    """What a command says at its end.

    Attributes:
        state: The study's.
        is_settled: Whether every arm has its verdict.
        lines: For the terminal.
        facts: The same as plain values.
    """

    state: str
    is_settled: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]


def results(study: Study) -> tuple[Result, ...]:
    """List the arms that were begun, arm 0 first."""
    found = {c.trial: c.difference for c in contrasts.contrasts(study, rank(study))}
    final = study.executions[study.executions["final"]]
    out = []
    for _, row in study.trials.sort_values("trial").iterrows():
        trial = int(row["trial"])
        tests = final.loc[final["trial"] == trial, "test_accuracy"]
        out.append(
            Result(
                trial,
                str(row["name"] or f"trial {trial}"),
                str(row["status"]),
                len(tests),
                float(tests.mean()) if len(tests) else None,
                found.get(trial),
                row["error"] if isinstance(row["error"], str) else None,
            )
        )
    return tuple(out)


def outcome(folder: Path) -> Outcome:
    """Say what a study of arms shows so far."""
    study = read_study(folder)
    found = results(study)
    lines = _lines(found)
    if study.kind == "noise":
        lines = tuple(noise.lines(study))
    waiting = [r for r in found[1:] if r.status != "failed"]
    is_settled = all(r.difference and r.difference.word() in _SETTLED for r in waiting)
    return Outcome(study.state, is_settled, lines, _facts(study, found))


def sentence(result: Result, against: str) -> str:
    """Say in one sentence what an arm's seeds show."""
    difference = result.difference
    if result.status == "failed":
        return f"{result.name} failed: {result.error}."
    if difference is None:
        return f"{result.name} has no training to set against {against} yet."
    evidence = (
        f"{wording.gap(difference.value)} points of test accuracy "
        f"[{_interval(difference)}] on {wording.several(difference.trainings, 'seed')}"
    )
    word = difference.word()
    if difference.trainings == 1:
        said = f"{result.name} against {against}, one training each: {evidence}"
        return f"{said}. That shows two networks, not two configs."
    if word in ("better", "worse"):
        return f"{result.name} is {word} than {against}: {evidence}."
    if word == "too small to matter":
        little = "differs by too little to matter from"
        return f"{result.name} {little} {against}: {evidence}."
    _, _, then = contrasts.verdict(difference).partition("; ")
    then = then or "a verdict needs 3 seeds"
    return f"Not shown that {result.name} differs from {against}: {evidence}; {then}."


def verdict(study: Study) -> Verdict:
    """Give the first words of a page of arms."""
    if study.kind == "noise":
        return noise.verdict(study)
    found = results(study)
    if not found or found[0].accuracy is None:
        return Verdict("Nothing has been trained to the end yet.", ())
    against, others = _against(found[0]), _by_difference(found[1:])
    if not others:
        return Verdict(f"Only {against} has been trained.", ())
    lead, *more = (sentence(r, against) for r in others)
    has = f"{capital(against)} has {wording.percent(found[0].accuracy)} test accuracy."
    return Verdict(lead, (*more[:2], has))


def _lines(found: tuple[Result, ...]) -> tuple[str, ...]:
    """Write the first verdict and a table for the terminal."""
    if not found:
        return ("Nothing has been trained yet.",)
    others = _by_difference(found[1:])
    lines = [sentence(r, _against(found[0])) for r in others[:1]]
    rows: list[tuple[str, ...]] = [("", "seeds", "test %", "points", "interval", "")]
    rows += [_row(r) for r in (found[0], *others)]
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        name, *cells, last = row
        aligned = [c.rjust(w) for c, w in zip(cells, widths[1:5], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *aligned, last]).rstrip())
    levels = {f"{r.difference.level:.1%}" for r in others if r.difference}
    if levels:
        lines.append(
            f"Intervals of {wording.listing(sorted(levels))}, so that all verdicts "
            "together hold at 95 %, also when seeds are added later."
        )
    return tuple(lines)


def _row(result: Result) -> tuple[str, ...]:
    difference = result.difference
    accuracy = None if result.accuracy is None else 100 * result.accuracy
    return (
        result.name,
        str(result.seeds),
        wording.number(accuracy, 1),
        wording.gap(difference.value) if difference else "",
        _interval(difference) if difference else "",
        contrasts.verdict(difference) if difference else result.error or "",
    )


def _interval(difference: Difference) -> str:
    return f"{wording.gap(difference.low)}, {wording.gap(difference.high)}"


def _facts(study: Study, found: tuple[Result, ...]) -> dict[str, Any]:
    rows = []
    for r in found:
        d = r.difference
        rows.append(
            {
                "trial": r.trial,
                "name": r.name,
                "status": r.status,
                "seeds": r.seeds,
                "test_accuracy": r.accuracy,
                "difference": d.value if d else None,
                "low": d.low if d else None,
                "high": d.high if d else None,
                "level": d.level if d else None,
                "verdict": d.word() if d else None,
                "error": r.error,
            }
        )
    facts: dict[str, Any] = {
        "study": study.name,
        "kind": study.kind,
        "status": study.state,
        "arms": rows,
    }
    if study.kind == "noise":
        facts["noise"] = noise.facts(study)
    return facts


def _by_difference(found: tuple[Result, ...]) -> list[Result]:
    """Sort for reading: the largest difference first, what has none last."""
    key = {r.trial: r.difference.value if r.difference else -np.inf for r in found}
    return sorted(found, key=lambda r: (-key[r.trial], r.trial))


def _against(first: Result) -> str:
    return "the baseline" if first.name == "baseline" else first.name
