"""What a study will search, worked out before anything trains."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import keras_tuner as kt

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.layers import Shape
from search_spaces.published import EXPERIMENTS
from search_spaces.space import Space, count_points, describe, load_space
from tuner import hyperband
from tuner.estimate import Workload, sample_configs, workload
from tuner.oracles import Hyperband, OracleProposer, RandomSearch
from tuner.proposals import Proposal
from tuner.ranking import OBJECTIVES
from tuner.screening import Limits, Screen, limits_for
from tuner.seeds import derive_seed
from tuner.settings import SettingsError, StudySettings


@dataclass(frozen=True)
class Plan:
    """A study's space, and how much of it is searched.

    Attributes:
        settings: What was asked for.
        space: Its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        hyperband: Hyperband's brackets, or None.
        trials: Configs to propose, trial 0 not counted.
        points: Distinct points of the space, or None where it is continuous.
    """

    settings: StudySettings
    space: Space
    declared: kt.HyperParameters
    hyperband: hyperband.Plan | None
    trials: int
    points: int | None

    @property
    def is_list(self) -> bool:
        """Whether the trials are given, and nothing is proposed."""
        return self.space.name == "published"

    @property
    def _tunes_epochs(self) -> bool:
        return any(h.name == "epochs" for h in self.declared.space)

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain values, as `StudyRecord.plan` describes them."""
        plan: dict[str, Any] = {"trials": self.trials}
        if self.hyperband:
            epochs = self.hyperband.epochs
            plan["brackets"] = self.hyperband.to_lists()
        elif self.is_list:
            epochs = sum(e.config.epochs for e in EXPERIMENTS.values())
        else:
            longest = self.space.base.epochs * (2 if self._tunes_epochs else 1)
            epochs = self.trials * longest
        return plan | {"epochs": epochs * self.settings.executions}

    def describe_space(self) -> dict[str, Any]:
        """Give the space as plain values, as `StudyRecord.space` describes them."""
        return {
            "name": self.space.name,
            "hyperparameters": describe(self.declared),
            "size": self.points,
            "source": self.space.source,
        }

    def limits(
        self, shape: Shape, classes: int, *, on_gpu: bool, memory_bytes: int | None
    ) -> Limits:
        """Set how large a network this study proposes on a machine."""
        return limits_for(
            self.space.config({}),
            shape,
            classes,
            max_params=self.settings.max_params,
            on_gpu=on_gpu,
            memory_bytes=memory_bytes,
        )

    def workload(self, limits: Limits, shape: Shape, classes: int) -> Workload:
        """Estimate the work of all trials but the baseline."""
        brings_epochs = self.is_list or self._tunes_epochs
        return workload(
            self.space,
            self.declared,
            limits,
            shape,
            classes,
            epochs=None if brings_epochs else int(self.to_dict()["epochs"]),
            trainings=self.trials * self.settings.executions,
        )

    def sample_configs(
        self, limits: Limits, shape: Shape, classes: int, *, wanted: int
    ) -> list[CnnConfig]:
        """Draw some configs that the limits admit."""
        return sample_configs(
            self.space, self.declared, limits, shape, classes, wanted=wanted
        )

    def named_trials(self) -> list[Proposal]:
        """List what is trained whatever the oracle proposes: trial 0, or the nine."""
        if self.is_list:
            return [
                self._proposal(trial, {"experiment": name}, name)
                for trial, name in enumerate(EXPERIMENTS)
            ]
        return [self._proposal(0, {}, "baseline")] if self.settings.baseline else []

    def oracle(self, screen: Screen) -> OracleProposer:
        """Make the oracle, fresh from its seed."""
        objective = self.settings.objective
        common = (
            self.space,
            screen,
            self.declared,
            kt.Objective(objective, OBJECTIVES[objective]),
            derive_seed("oracle", self.settings.seed),
        )
        if self.hyperband:
            return OracleProposer(Hyperband(self.hyperband, *common), screen)
        oracle = RandomSearch(*common, max_trials=self.settings.max_trials)
        return OracleProposer(oracle, screen)

    def _proposal(self, trial: int, values: Mapping[str, Any], name: str) -> Proposal:
        return Proposal(trial, values, self.space.config(values), name=name)


def plan_study(settings: StudySettings) -> Plan:
    """Load the space and work out how much of it is searched.

    Raises:
        SpaceError: The space cannot be used.
        SettingsError: An option does not go with the space.
    """
    epochs = settings.epochs or BASELINE.epochs
    space = load_space(settings.space, replace(BASELINE, epochs=epochs))
    is_hyperband = settings.algorithm == "hyperband"
    declared = space.declare(tune_epochs=not is_hyperband)
    if not declared.space:
        raise SettingsError(
            f"Space {space.name} must declare at least one hyperparameter, got none"
            f"{' besides epochs' if is_hyperband else ''}. "
            "Draw one in sample(hp), for example hp.Int(...)."
        )
    points = count_points(declared)
    wanted = min(n for n in (settings.max_trials, points, sys.maxsize) if n)
    brackets = None
    if space.name == "published":
        trials = len(EXPERIMENTS) - 1  # its own baseline comes first
    elif is_hyperband:
        brackets = _brackets(epochs, settings.min_epochs, wanted)
        trials = brackets.configs
    else:
        trials = wanted
    return Plan(settings, space, declared, brackets, trials, points)


def _brackets(max_epochs: int, min_epochs: int, max_configs: int) -> hyperband.Plan:
    try:
        return hyperband.plan(max_epochs, min_epochs, max_configs)
    except ValueError as error:
        raise SettingsError(str(error)) from error
