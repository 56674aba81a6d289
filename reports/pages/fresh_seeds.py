"""Sentences and tables about what `confirm`, `try` and `noise` measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.pages import final, noise
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
        trial: Its number; the others are compared with candidate 0.
        name: Its name on the page.
        status: The status in its record.
        seeds: Finished runs.
        accuracy: Mean test accuracy of these runs, a fraction, or None.
        sd: Standard deviation of test accuracy between runs, or None below two runs.
        gap: Mean train - test of these runs, a fraction, or None.
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
        """The difference that the comparison measured, or None."""
        return self.comparison.difference if self.comparison else None


class Outcome(NamedTuple):
    """What a command prints when it ends.

    Attributes:
        state: The study's state.
        is_settled: Whether every requested candidate has its verdict.
        lines: The lines for the terminal.
        facts: The same as plain values.
        untrained: Why requested configs have no result, one sentence each.
        better: The first requested candidate that is shown to be better, or None.
        seeds_to_settle: The fewest seeds per candidate that would settle one of the
            unsettled requested candidates. None if all are settled or no number of
            seeds would do.
    """

    state: str
    is_settled: bool
    lines: tuple[str, ...]
    facts: dict[str, Any]
    untrained: tuple[str, ...] = ()
    better: int | None = None
    seeds_to_settle: int | None = None


def results(analysis: Analysis) -> tuple[Result, ...]:
    """List the candidates that have started, candidate 0 first."""
    study = analysis.study
    compared = {c.trial: c for c in analysis.comparisons}
    final = study.executions[study.executions["final"]]
    candidates = []
    for _, row in study.trials.sort_values("trial").iterrows():
        trial = int(row["trial"])
        tests = final.loc[final["trial"] == trial, "test_accuracy"]
        candidates.append(
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
    return tuple(candidates)


def outcome(
    folder: Path,
    configs: Sequence[Mapping[str, Any]] = (),
    width: int | None = None,
) -> Outcome:
    """Say what a study of candidates shows so far.

    Args:
        folder: The study's folder.
        configs: The requested configs; all candidates if empty.
        width: Longest line of the table, in characters; None for no limit.
    """
    analysis = Analysis(read_study(folder))
    study, candidates = analysis.study, results(analysis)
    requested = [
        r
        for r in candidates[1:]
        if not configs or dict(study.candidates[r.trial].config) in configs
    ]
    lines = _lines(candidates, requested, width)
    if study.kind == "noise":
        lines = tuple(noise.lines(analysis.noise))
    compared = [r for r in requested if r.status != "failed"]
    return Outcome(
        study.state,
        all(r.difference and r.difference.word() in _SETTLED for r in compared),
        lines,
        _facts(analysis, candidates),
        _untrained(study, candidates, configs),
        next((r.trial for r in compared if _config_verdict(r) == "better"), None),
        _seeds_to_settle(compared),
    )


def _config_verdict(result: Result) -> str:
    """Give the verdict on two configs; few seeds compare only two networks."""
    difference = result.difference
    if difference is None or difference.trainings < MIN_TRAININGS:
        return "nothing"
    return difference.word()


def _seeds_to_settle(compared: Sequence[Result]) -> int | None:
    needed = [
        seeds_to_settle(r.comparison)
        for r in compared
        if r.comparison and _config_verdict(r) not in _SETTLED
    ]
    return min((seeds for seeds in needed if seeds is not None), default=None)


def _untrained(
    study: StudyFrames,
    candidates: tuple[Result, ...],
    configs: Sequence[Mapping[str, Any]],
) -> tuple[str, ...]:
    """Say why requested configs have no result although the study is complete."""
    if study.state != "completed":
        return ()
    started = {r.trial: r for r in candidates}
    reasons = []
    for trial, candidate in enumerate(study.candidates):
        if configs and dict(candidate.config) not in configs:
            continue
        result = started.get(trial)
        if result is None:
            notes = [n for n in study.record.notes if n.startswith(f"Trial {trial},")]
            reason = f"{candidate.name} was not trained."
            reasons.append(notes[-1] if notes else reason)
        elif not result.seeds:
            reasons.append(f"{result.name} failed: {result.error}.")
    return tuple(reasons)


def sentence(result: Result, against: str) -> str:
    """Say what a candidate's seeds show, compared with the one called `against`."""
    comparison, difference = result.comparison, result.difference
    if result.status == "failed":
        return f"{result.name} failed: {result.error}."
    if comparison is None or difference is None:
        return f"{result.name} has no finished run to compare with {against} yet."
    evidence = (
        f"{labels.gap(difference.value)} points of test accuracy "
        f"[{_interval(difference)}] on {labels.several(difference.trainings, 'seed')}"
    )
    word = difference.word()
    if difference.trainings == 1:
        once = f"{result.name} against {against}, one run each: {evidence}"
        return f"{once}. That compares two networks, not two configs."
    if word in ("better", "worse"):
        return f"{result.name} is {word} than {against}: {evidence}."
    if word == "too small to matter":
        return (
            f"{result.name} differs from {against} by too little to matter: {evidence}."
        )
    outcome, why = "has no verdict yet", f"A verdict needs {MIN_TRAININGS} seeds"
    if word == INCONCLUSIVE:
        outcome = "is inconclusive"
        why = labels.capital(": ".join(verdicts.why_inconclusive(comparison)))
    return f"{result.name} against {against} {outcome}: {evidence}. {why}."


def accuracy(result: Result) -> str:
    """Give a candidate's mean test accuracy; "" if no run has finished."""
    if result.accuracy is None:
        return ""
    mean = f"Test accuracy of {_against(result)}: {labels.percent(result.accuracy)}"
    if result.sd is None:
        return f"{mean}."
    sd = labels.number(100 * result.sd, 2)
    return f"{mean}, mean of {result.seeds} seeds (standard deviation {sd})."


def accuracy_rows(analysis: Analysis) -> list[tuple[str, ...]]:
    """Write one row per candidate: name, mean test, SD, seeds, train - test."""
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
    """Sum up `tune confirm`: its verdict and the first finalist's test accuracy."""
    finalist = next((accuracy(r) for r in results(analysis)[1:] if r.accuracy), "")
    how = trained_again(analysis.study.folder)
    return f"{how}: {verdict(analysis).lead} {finalist}".rstrip()


def trained_again(folder: Path) -> str:
    """Say how `tune confirm` trained the configs of one of its folders."""
    images = " and all images" if folder.name == CONFIRM[1] else ""
    return f"Trained again on fresh seeds{images}"


def verdict(analysis: Analysis) -> Verdict:
    """Write the first sentences of a report on candidates."""
    if analysis.study.kind == "noise":
        return noise.verdict(analysis.noise)
    if analysis.study.kind == "final":
        return final.verdict(analysis.study)
    return _comparison(analysis)


def _comparison(analysis: Analysis) -> Verdict:
    candidates = results(analysis)
    if candidates and candidates[0].status == "failed":
        failure = labels.capital(sentence(candidates[0], ""))
        return Verdict(f"{failure} Nothing can be compared with it.", ())
    if not candidates or candidates[0].accuracy is None:
        return Verdict("No run has finished yet.", ())
    against, others = _against(candidates[0]), candidates[1:]
    if not others:
        return Verdict(f"Only {against} has been trained so far.", ())
    lead, *more = (sentence(r, against) for r in others)
    reference = accuracy(candidates[0])
    if analysis.study.kind == "try" and more:
        return Verdict(_counted(others, against), (lead, *more[:3], reference))
    return Verdict(lead, (*more[:3], *filter(None, (accuracy(others[0]), reference))))


def _counted(others: Sequence[Result], against: str) -> str:
    """Count the changes by verdict."""
    names: dict[str, list[str]] = {}
    for r in others:
        word = "failed" if r.status == "failed" else "unfinished"
        if r.status != "failed" and r.difference:
            word = _config_verdict(r)
        names.setdefault(word, []).append(r.name)
    parts = [
        f"{len(names[word])} {word} ({labels.listing(names[word][:4])})"
        for word in _COUNTED
        if word in names
    ]
    undecided = len(others) - sum(len(names.get(word, ())) for word in _COUNTED)
    if undecided:
        parts.append(f"{undecided} {INCONCLUSIVE}")
    tried = labels.several(len(others), "change")
    return f"{tried} tried against {against}: {labels.listing(parts)}."


def _lines(
    candidates: tuple[Result, ...], requested: Sequence[Result], width: int | None
) -> tuple[str, ...]:
    """Write the requested candidates' verdicts and a table of all candidates."""
    if not candidates:
        return ("Nothing has been trained yet.",)
    lines = [sentence(r, _against(candidates[0])) for r in requested[:3]]
    rows: list[tuple[str, ...]] = [("", "seeds", "test %", "points", "interval", "")]
    rows += [_row(r) for r in candidates]
    lines += table(rows, width)
    compared = tuple(r.comparison for r in candidates if r.comparison)
    if compared:
        levels = labels.listing(verdicts.levels_of(compared))
        lines.append(
            f"Each interval's level is {levels}, so that all verdicts in this table "
            "together hold at 95 %, even as seeds are added."
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


def _facts(analysis: Analysis, candidates: tuple[Result, ...]) -> dict[str, Any]:
    study, rows = analysis.study, []
    for r in candidates:
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
