"""A study and all that is computed from it, each thing once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from reports.read.study import StudyFrames
from reports.read.trial_names import BASELINE
from reports.stats.comparisons import Comparison, compare_trials
from reports.stats.effects import Effects, effects
from reports.stats.importance import Importance, importance
from reports.stats.noise import Noise, measure
from reports.stats.optimism import Optimism, of_study
from reports.stats.ranking import Ranking, rank, searched


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the pages, the figures and a notebook say of one study.

    Everything is computed on first use and kept as long as this lives: one page.

    Attributes:
        study: The study, as read.
    """

    study: StudyFrames

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @cached_property
    def ranking(self) -> Ranking:
        """Its trials, in order."""
        return rank(self.study)

    @cached_property
    def searched(self) -> pd.DataFrame:
        """Its ranked trials without those that were given to it."""
        return searched(self.study, self.ranking)

    @property
    def leader(self) -> pd.Series[Any]:
        """Its first trial by validation; there must be one."""
        return self.ranking.ranked.iloc[0]

    @property
    def baseline(self) -> pd.Series[Any] | None:
        """Its baseline's trial, or None where that was not ranked."""
        ranked = self.ranking.ranked
        rows = ranked[ranked["trial"] == BASELINE]
        return rows.iloc[0] if len(rows) else None

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Trials against others on the test images."""
        return compare_trials(self.study, self.ranking)

    @cached_property
    def optimism(self) -> Optimism | None:
        """How much choosing the first adds to its score, where that can be told."""
        return of_study(self.study, self.ranking)

    @cached_property
    def importance(self) -> Importance | str | None:
        """Importance, or why it is withheld; None while the search runs.

        It takes seconds, and the page of a search that runs is made every few.
        """
        if self.study.state == "running":
            return None
        return importance(self.study, self.ranking)

    @cached_property
    def effects(self) -> Effects | None:
        """Main effects of a short search; None while it runs."""
        if self.study.state == "running":
            return None
        return effects(self.study, self.ranking)

    @cached_property
    def noise(self) -> Noise | None:
        """How much its one config varies between seeds; None of other studies."""
        return measure(self.study) if self.study.kind == "noise" else None
