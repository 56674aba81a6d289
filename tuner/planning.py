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
from search_spaces.space import (
    Space,
    count_points,
    describe,
    enumerate_points,
    load_space,
)
from tuner import hyperband
from tuner.estimate import Workload, sample_configs, workload
from tuner.oracles import Hyperband, OracleProposer, RandomSearch
from tuner.proposals import Proposal
from tuner.ranking import OBJECTIVES
from tuner.screening import Limits, Screen, limits_for
from tuner.seeds import derive_seed
from tuner.settings import SettingsError, StudySettings

_ENUMERATED = 2000  # a larger space is drawn from, and not listed


@dataclass(frozen=True)
class Plan:
    """A study's space, and how much of it is searched.

    Attributes:
        settings: What was asked for.
        space: Its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        hyperband: Hyperband's brackets once fitted, or None.
        trials: Configs to propose at most, trial 0 not counted.
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

    def fitted(self, limits: Limits, shape: Shape, classes: int) -> Plan:
        """Work out how many trials there will be, and Hyperband's brackets.

        A small space is enumerated: what the limits refuse, or what builds the same
        network as another point, is no config that a bracket could be filled with.

        Raises:
            SettingsError: No config of the space can be trained on these images.
        """
        if self.is_list:
            return replace(self, trials=len(EXPERIMENTS) - 1)  # its baseline is first
        trials = self.trials
        if self.points is not None and self.points <= _ENUMERATED:
            screen = Screen(limits, shape, classes)
            for proposal in self.named_trials():
                screen.add(proposal.config)
            for point in enumerate_points(self.declared):
                config = self.space.config(point)
                if screen.admits(config):
                    screen.add(config)
            found = screen.size - len(self.named_trials())
            if not found:
                raise SettingsError(
                    f"Space {self.space.name} must hold a config that can be trained "
                    f"on these images, and all {self.points} are turned away: "
                    f"{dict(screen.counts)}. Widen its ranges."
                )
            trials = min(trials, found)
        if self.settings.algorithm != "hyperband":
            return replace(self, trials=trials)
        epochs, first = self.space.base.epochs, self.settings.min_epochs
        try:
            brackets = hyperband.plan(epochs, first, trials)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        return replace(self, hyperband=brackets, trials=brackets.configs)

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
        oracle = RandomSearch(*common, max_trials=self.trials)
        return OracleProposer(oracle, screen)

    def _proposal(self, trial: int, values: Mapping[str, Any], name: str) -> Proposal:
        return Proposal(trial, values, self.space.config(values), name=name)


def plan_study(settings: StudySettings) -> Plan:
    """Load the space and see what it declares; `Plan.fitted` does the rest.

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
    trials = settings.max_trials or sys.maxsize
    return Plan(settings, space, declared, None, trials, count_points(declared))
