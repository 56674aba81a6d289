"""Studies of candidates in words: what `confirm`, `try` and `noise` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.pages import noise
from reports.pages.findings import Verdict
from reports.read import labels
from reports.read.study import StudyFrames, read_study
from reports.stats import verdicts
from reports.stats.analysis import Analysis
from reports.stats.comparisons import Comparison, seeds_to_settle
from reports.stats.differences import INCONCLUSIVE, MIN_TRAININGS, Difference
from reports.stats.noise import facts as noise_facts
from tuner.system.files import CONFIRM
from tuner.system.tables import table

_SETTLED = ("too small to matter", "better", "worse")
_COUNTED = ("better", "worse", "too small to matter", "failed", "unfinished")


class Result(NamedTuple):
    """One candidate.

    Attributes:
        trial: Its number; 0 is what the others are set against.
        name: What people call it.
        status: As its record has it.
        seeds: Trainings that ended.
        accuracy: Mean test accuracy of them, a fraction, or None.
        sd: Its standard deviation between them, or None under two.
        gap: Mean train - test of them, a fraction, or None.
        comparison: With candidate 0 on the test images, seed by seed, or None.
        error: Why it failed, or None.
    """

    trial: int
    name: str
    status: str
    seeds: int
    accuracy: float | None
    sd: float | None
    gap: float | None
    comparison: Comparison | None
    error: str | None

    @property
    def difference(self) -> Difference | None:
        """The comparison's."""
        return self.comparison.difference if self.comparison else None


class Outcome(NamedTuple):
    """What a command says at its end.

    Attributes:
        state: The study's.
        is_settled: Whether every asked candidate has its verdict.
        lines: For the terminal.
        facts: The same as plain values.
        untrained: Why asked configs have no result, one sentence each.
        better: The asked candidate that is shown to be better, the first of several,
            or None.
        seeds_to_settle: How many seeds of each would settle the first of the asked
            candidates that are not, or None where all are or no number would do.
    """

    state: str
    is_settled: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]
    untrained: tuple[str, ...] = ()
    better: int | None = None
    seeds_to_settle: int | None = None


def results(analysis: Analysis) -> tuple[Result, ...]:
    """List the candidates that were begun, candidate 0 first."""
    study = analysis.study
    compared = {c.trial: c for c in analysis.comparisons}
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
                float(tests.std(ddof=1)) if len(tests) > 1 else None,
                float(row["gap"]) if pd.notna(row["gap"]) else None,
                compared.get(trial),
                row["error"] if isinstance(row["error"], str) else None,
            )
        )
    return tuple(out)


def outcome(
    folder: Path,
    asked: Sequence[Mapping[str, Any]] = (),
    width: int | None = None,
) -> Outcome:
    """Say what a study of candidates shows so far.

    Args:
        folder: The study's.
        asked: The configs that this is about; none are all of them.
        width: Characters of a line of the table; None has no end.
    """
    analysis = Analysis(read_study(folder))
    study, every = analysis.study, results(analysis)
    about = [r for r in every[1:] if not asked or _config(study, r.trial) in asked]
    lines = _lines(every, about, width)
    if study.kind == "noise":
        lines = tuple(noise.lines(analysis.noise))
    waiting = [r for r in about if r.status != "failed"]
    is_settled = all(r.difference and r.difference.word() in _SETTLED for r in waiting)
    untrained = _untrained(study, every, asked)
    better = (r.trial for r in waiting if _shown(r) == "better")
    return Outcome(
        study.state,
        is_settled,
        lines,
        _facts(analysis, every),
        untrained,
        next(better, None),
        _seeds_to_settle(waiting),
    )


def _shown(result: Result) -> str:
    """Say what is shown of two configs; too few seeds show it of networks only."""
    difference = result.difference
    if difference is None or difference.trainings < MIN_TRAININGS:
        return "nothing"
    return difference.word()


def _seeds_to_settle(waiting: Sequence[Result]) -> int | None:
    wanted = [
        seeds_to_settle(r.comparison)
        for r in waiting
        if r.comparison and _shown(r) not in _SETTLED
    ]
    finite = [seeds for seeds in wanted if seeds is not None]
    return min(finite, default=None)


def _untrained(
    study: StudyFrames, every: tuple[Result, ...], asked: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    """Say which of the asked configs have no result although the study has ended."""
    if study.state != "completed":
        return ()
    begun = {r.trial: r for r in every}
    reasons = []
    for trial, candidate in enumerate(study.candidates):
        if asked and dict(candidate.config) not in asked:
            continue
        result = begun.get(trial)
        if result is None:
            skipped = [n for n in study.record.notes if n.startswith(f"Trial {trial},")]
            never = f"{candidate.name} was not trained."
            reasons.append(skipped[-1] if skipped else never)
        elif not result.seeds:
            reasons.append(f"{result.name} failed: {result.error}.")
    return tuple(reasons)


def _config(study: StudyFrames, trial: int) -> dict[str, Any]:
    return dict(study.candidates[trial].config)


def sentence(result: Result, against: str) -> str:
    """Say in one sentence what a candidate's seeds show."""
    comparison, difference = result.comparison, result.difference
    if result.status == "failed":
        return f"{result.name} failed: {result.error}."
    if comparison is None or difference is None:
        return f"{result.name} has no training to set against {against} yet."
    evidence = (
        f"{labels.gap(difference.value)} points of test accuracy "
        f"[{_interval(difference)}] on {labels.several(difference.trainings, 'seed')}"
    )
    word = difference.word()
    if difference.trainings == 1:
        once = f"{result.name} against {against}, one training each: {evidence}"
        return f"{once}. That shows two networks, not two configs."
    if word in ("better", "worse"):
        return f"{result.name} is {word} than {against}: {evidence}."
    if word == "too small to matter":
        little = "differs by too little to matter from"
        return f"{result.name} {little} {against}: {evidence}."
    why = f"a verdict needs {MIN_TRAININGS} seeds"
    if word == INCONCLUSIVE:
        why = ": ".join(verdicts.why_inconclusive(comparison))
    whether = f"Inconclusive whether {result.name} differs from {against}"
    return f"{whether}: {evidence}; {why}."


def accuracy(result: Result) -> str:
    """Say what a candidate's seeds have on test images; "" where none has ended."""
    if result.accuracy is None:
        return ""
    mean = f"Test accuracy of {_against(result)}: {labels.percent(result.accuracy)}"
    if result.sd is None:
        return f"{mean}."
    sd = labels.number(100 * result.sd, 2)
    return f"{mean}, mean of {result.seeds} seeds (standard deviation {sd})."


def accuracy_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Write what each candidate has: name, test, its spread, seeds, train - test."""
    return [
        (
            r.name,
            labels.number(100 * r.accuracy, 1),
            labels.number(None if r.sd is None else 100 * r.sd, 2),
            str(r.seeds),
            labels.gap(r.gap),
        )
        for r in results(analysis)
        if r.accuracy is not None
    ]


def on_fresh_seeds(analysis: Analysis) -> str:
    """Say how a search's finalists were trained again, and what its first then has."""
    first = next((accuracy(r) for r in results(analysis)[1:] if r.accuracy), "")
    how = trained_again(analysis.study.folder)
    return f"{how}: {verdict(analysis).lead} {first}".rstrip()


def trained_again(folder: Path) -> str:
    """Say how `tune confirm` trained what lies in one of its folders."""
    images = " and all images" if folder.name == CONFIRM[1] else ""
    return f"Trained again on fresh seeds{images}"


def verdict(analysis: Analysis) -> Verdict:
    """Give the first words of a page of candidates."""
    kind = analysis.study.kind
    if kind == "noise":
        return noise.verdict(analysis.noise)
    every = results(analysis)
    if every and every[0].status == "failed":
        first = sentence(every[0], "")
        return Verdict(f"{labels.capital(first)} Nothing can be set against it.", ())
    if not every or every[0].accuracy is None:
        return Verdict("Nothing has been trained to the end yet.", ())
    against, others = _against(every[0]), every[1:]
    if not others:
        return Verdict(f"Only {against} has been trained.", ())
    lead, *more = (sentence(r, against) for r in others)
    has = accuracy(every[0])
    if kind == "try" and more:
        return Verdict(_counted(others, against), (lead, *more[:3], has))
    return Verdict(lead, (*more[:3], *filter(None, (accuracy(others[0]), has))))


def _counted(others: Sequence[Result], against: str) -> str:
    """Count the verdicts of changes that were tried."""
    named: dict[str, list[str]] = {}
    for r in others:
        word = "failed" if r.status == "failed" else "unfinished"
        if r.status != "failed" and r.difference:
            word = _shown(r)
        named.setdefault(word, []).append(r.name)
    parts = [
        f"{len(named[word])} {word} ({labels.listing(named[word][:4])})"
        for word in _COUNTED
        if word in named
    ]
    rest = len(others) - sum(len(named.get(word, ())) for word in _COUNTED)
    if rest:
        parts.append(f"{rest} {INCONCLUSIVE}")
    tried = labels.several(len(others), "change")
    return f"{tried} tried against {against}: {labels.listing(parts)}."


def _lines(
    every: tuple[Result, ...], about: Sequence[Result], width: int | None
) -> tuple[str, ...]:
    """Write the asked candidates' verdicts, and a table of all, for the terminal."""
    if not every:
        return ("Nothing has been trained yet.",)
    lines = [sentence(r, _against(every[0])) for r in about[:3]]
    rows: list[tuple[str, ...]] = [("", "seeds", "test %", "points", "interval", "")]
    rows += [_row(r) for r in every]
    lines += table(rows, width)
    compared = tuple(r.comparison for r in every if r.comparison)
    if compared:
        levels = labels.listing(verdicts.levels_of(compared))
        lines.append(
            f"Intervals of {levels}, so that all verdicts of this table together hold "
            "at 95 %, also when seeds are added."
        )
    return tuple(lines)


def _row(result: Result) -> tuple[str, ...]:
    difference = result.difference
    accuracy = None if result.accuracy is None else 100 * result.accuracy
    return (
        result.name,
        str(result.seeds),
        labels.number(accuracy, 1),
        labels.gap(difference.value) if difference else "",
        _interval(difference) if difference else "",
        verdicts.verdict(result.comparison)
        if result.comparison
        else result.error or "",
    )


def _interval(difference: Difference) -> str:
    return f"{labels.gap(difference.low)}, {labels.gap(difference.high)}"


def _facts(analysis: Analysis, every: tuple[Result, ...]) -> dict[str, Any]:
    study, rows = analysis.study, []
    for r in every:
        d = r.difference
        rows.append(
            {
                "trial": r.trial,
                "name": r.name,
                "status": r.status,
                "seeds": r.seeds,
                "test_accuracy": r.accuracy,
                "test_sd": r.sd,
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
        "candidates": rows,
    }
    if study.kind == "noise":
        facts["noise"] = noise_facts(analysis.noise) if analysis.noise else None
    return facts


def _against(first: Result) -> str:
    return "the baseline" if first.name == "baseline" else first.name
