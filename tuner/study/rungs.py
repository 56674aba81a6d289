"""What Hyperband's rungs were worth: did few epochs rank as many do?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuner.study.objective import Objective
from tuner.study.ranking import full_length, score, score_at
from tuner.study.records import TrialRecord
from tuner.study.settings import StudySettings

_FEWEST = 4  # trials that a rank correlation takes at least


class Agreement(NamedTuple):
    """How an earlier epoch ranks the trials that were trained to the end.

    Attributes:
        epoch: Where a rung ended.
        last: The last rung's epochs.
        trials: Trials that have both.
        correlation: Spearman's rank correlation of their objective, -1 to 1.
    """

    epoch: int
    last: int
    trials: int
    correlation: float


class AuditOutcome(NamedTuple):
    """What became of dropped configs that were trained to the end.

    Attributes:
        audited: Trials that were, and did not fail.
        wrong: Those that did better than every trial that their own bracket kept.
    """

    audited: tuple[int, ...]
    wrong: tuple[int, ...]


def agreements(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> list[Agreement]:
    """Compare each rung's epoch with the last, over all full-length trials.

    The trials that a rung dropped have no last epoch, so only those that went on,
    were audited, or started on the last rung are in it.

    Args:
        trials: A study's, all of them.
        settings: The study's.
    """
    trials = list(trials)
    if not settings.has_rungs:
        return []
    last = settings.epochs or 0
    rungs = {r.epochs for t in trials for r in t.rungs if r.epochs < last}
    whole = full_length(trials, settings)
    measure = Objective.parse(settings.objective).name
    found = []
    for epoch in sorted(rungs):
        pairs = [
            (early, late)
            for t in whole
            if (early := score_at(t, epoch, measure)) is not None
            and (late := score_at(t, last, measure)) is not None
        ]
        correlation = _spearman(pairs)
        if correlation is not None:
            found.append(Agreement(epoch, last, len(pairs), correlation))
    return found


def audit(
    trials: Iterable[TrialRecord], settings: StudySettings
) -> AuditOutcome | None:
    """Judge the drops that `--audit` checked, or None where it checked none."""
    if not settings.has_rungs:
        return None
    whole = [t for t in full_length(trials, settings) if t.rungs]
    audited = [t for t in whole if t.rungs[-1].is_audit]
    if not audited:
        return None
    objective = Objective.parse(settings.objective)

    def value(trial: TrialRecord) -> float:
        return objective.sign * (score(trial, objective.name) or 0.0)

    wrong = [
        t.trial
        for t in audited
        if all(
            value(t) > value(kept)
            for kept in whole
            if kept.rungs[0].bracket == t.rungs[0].bracket
            and not kept.rungs[-1].is_audit
            and kept.trial
        )
    ]
    return AuditOutcome(tuple(t.trial for t in audited), tuple(wrong))


def sentences(trials: Sequence[TrialRecord], settings: StudySettings) -> list[str]:
    """Say both in words, the same on the terminal and on the page."""
    said = [
        f"Epoch {a.epoch} ranks the {a.trials} trials that had {a.last} epochs with a "
        f"rank correlation of {a.correlation:.2f}."
        for a in agreements(trials, settings)
    ]
    outcome = audit(trials, settings)
    if outcome:
        number, wrong = len(outcome.audited), outcome.wrong
        which = f" (trial {', '.join(map(str, wrong))})" if wrong else ""
        said.append(
            f"Audit: {number} dropped config{'s were' if number > 1 else ' was'} "
            f"trained to the end, and {len(wrong) or 'none'} of them beat all that "
            f"{'its' if len(wrong) < 2 else 'their'} bracket kept{which}."
        )
    return said


def _spearman(pairs: list[tuple[float, float]]) -> float | None:
    if len(pairs) < _FEWEST:
        return None
    from scipy import stats  # takes a second to load

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        correlation = float(stats.spearmanr(*zip(*pairs, strict=True)).statistic)
    return None if correlation != correlation else correlation  # noqa: PLR0124  NaN
