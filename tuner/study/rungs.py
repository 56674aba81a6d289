"""Check Hyperband's rungs: do a few epochs rank trials as all epochs do?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuner.study.objective import Objective
from tuner.study.ranking import full_length, score, score_at
from tuner.study.records import TrialRecord
from tuner.study.settings import StudySettings

_MIN_TRIALS = 4  # for a rank correlation


class Agreement(NamedTuple):
    """How well an earlier epoch ranks the fully trained trials.

    Attributes:
        epoch: The last epoch of an earlier rung.
        last: The epochs of the last rung.
        trials: Number of trials with both.
        correlation: Spearman's rank correlation of their objective, -1 to 1.
    """

    epoch: int
    last: int
    trials: int
    correlation: float


class AuditOutcome(NamedTuple):
    """Results of the eliminated configs that were fully trained anyway.

    Attributes:
        audited: Those trials, without failed ones.
        wrong: Audited trials that beat every survivor of their bracket.
    """

    audited: tuple[int, ...]
    wrong: tuple[int, ...]


def agreements(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> list[Agreement]:
    """Compare each rung's last epoch with the final epoch, over fully trained trials.

    Eliminated trials have no final epoch, so this covers only trials that were
    promoted to the last rung, were audited, or started on the last rung.

    Args:
        trials: All trials of a study.
        settings: The study's settings.
    """
    trials = list(trials)
    if not settings.has_rungs:
        return []
    last = settings.epochs or 0
    rungs = {r.epochs for t in trials for r in t.rungs if r.epochs < last}
    trained = full_length(trials, settings)
    measure = Objective.parse(settings.objective).name
    results = []
    for epoch in sorted(rungs):
        pairs = [
            (early, late)
            for t in trained
            if (early := score_at(t, epoch, measure)) is not None
            and (late := score_at(t, last, measure)) is not None
        ]
        correlation = _spearman(pairs)
        if correlation is not None:
            results.append(Agreement(epoch, last, len(pairs), correlation))
    return results


def audit(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> AuditOutcome | None:
    """Judge the eliminations that `--audit` checked; None if it checked none."""
    if not settings.has_rungs:
        return None
    trained = [t for t in full_length(trials, settings) if t.rungs]
    audited = [t for t in trained if t.rungs[-1].is_audit]
    if not audited:
        return None
    objective = Objective.parse(settings.objective)

    def value(trial: TrialRecord) -> float:
        return objective.sign * (score(trial, objective.name) or 0.0)

    wrong = [
        t.trial
        for t in audited
        if all(
            value(t) > value(survivor)
            for survivor in trained
            if survivor.rungs[0].bracket == t.rungs[0].bracket
            and not survivor.rungs[-1].is_audit
            and survivor.trial  # Hyperband did not propose trial 0
        )
    ]
    return AuditOutcome(tuple(t.trial for t in audited), tuple(wrong))


def sentences(trials: Sequence[TrialRecord], settings: StudySettings) -> list[str]:
    """Describe the agreements and the audit, for the terminal and the page."""
    lines = [
        f"Epoch {a.epoch} ranks the {a.trials} trials that had {a.last} epochs with a "
        f"rank correlation of {a.correlation:.2f}."
        for a in agreements(trials, settings)
    ]
    if any(e.earlier_epochs for t in trials for e in t.executions):
        lines.append(
            "Where the learning rate has a schedule, each rung trained from the start, "
            "with a schedule of its own length."
        )
    outcome = audit(trials, settings)
    if outcome:
        number, wrong = len(outcome.audited), outcome.wrong
        names = f" (trial {', '.join(map(str, wrong))})" if wrong else ""
        lines.append(
            f"Audit: {number} eliminated config{'s were' if number > 1 else ' was'} "
            f"fully trained, and {len(wrong) or 'none'} of them beat all survivors "
            f"of {'its' if len(wrong) < 2 else 'their'} bracket{names}."
        )
    return lines


def _spearman(pairs: list[tuple[float, float]]) -> float | None:
    if len(pairs) < _MIN_TRIALS:
        return None
    from scipy import stats  # takes a second to load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        correlation = float(stats.spearmanr(*zip(*pairs, strict=True)).statistic)
    return None if correlation != correlation else correlation  # noqa: PLR0124  NaN
