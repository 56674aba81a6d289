"""A study and everything computed from it, each result once."""

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
from reports.stats.optimism import Optimism, study_optimism
from reports.stats.ranking import Ranking, rank, searched


@dataclass(frozen=True, eq=False)
class Analysis:
    """The statistics of one study, for pages, figures and notebooks.

    Each is computed on first use and cached in this object, which lives for one page.

    Attributes:
        study: The study as read from disk.
    """

    study: StudyFrames

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @cached_property
    def ranking(self) -> Ranking:
        """Its trials in order."""
        return rank(self.study)

    @cached_property
    def searched(self) -> pd.DataFrame:
        """Its ranked trials that the search drew."""
        return searched(self.study, self.ranking)

    @property
    def leader(self) -> pd.Series[Any]:
        """Its best trial by validation; at least one must be ranked."""
        return self.ranking.ranked.iloc[0]

    @property
    def baseline(self) -> pd.Series[Any] | None:
        """Its baseline's trial, or None if it was not ranked."""
        ranked = self.ranking.ranked
        rows = ranked[ranked["trial"] == BASELINE]
        return rows.iloc[0] if len(rows) else None

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Comparisons of pairs of trials on the test images."""
        return compare_trials(self.study, self.ranking)

    @cached_property
    def optimism(self) -> Optimism | None:
        """How much choosing the best trial inflates its score, or None if unknown."""
        return study_optimism(self.study, self.ranking)

    @cached_property
    def importance(self) -> Importance | str | None:
        """Importance, or why it is withheld; None while the search runs.

        It takes seconds, and the page of a running search is rewritten every few.
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
        """How much the config of a noise study varies between seeds, else None."""
        return measure(self.study) if self.study.kind == "noise" else None
