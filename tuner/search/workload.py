"""Estimate the work of a study: its arithmetic, and seconds from finished trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import keras_tuner as kt

from search_spaces.layers import Shape, count_multiply_adds
from search_spaces.space import Space, random_point
from search_spaces.user_code import Config, UserConfig, UserSpace
from tuner.algorithms.screening import Limits
from tuner.study.records import TrialRecord

_MAX_DRAWS = 200
_CONFIGS = 40


@dataclass(frozen=True)
class Workload:
    """A study's work: multiply-adds of a forward pass, times epochs.

    Seconds are extrapolated from the finished trials. Networks differ in the time per
    multiply-add, so an estimate is accurate to about a factor of two until several
    trials have finished. All networks of a user's code count as equally large.

    Attributes:
        total: The work of all trials except the baseline.
        space: The search space.
        shape: Height, width and channels of one image.
        classes: Number of classes.
    """

    total: float
    space: Space | UserSpace
    shape: Shape
    classes: int

    def of(self, config: Config, epochs: int) -> float:
        """Return the work of one run."""
        if isinstance(config, UserConfig):
            return float(epochs)
        return epochs * count_multiply_adds(config, self.shape, self.classes)

    def seconds_left(self, trials: Iterable[TrialRecord]) -> float | None:
        """Estimate the remaining seconds; return None before a trial has completed."""
        seconds = done = started = 0.0
        for trial in trials:
            config, runs = self.space.read(trial.config), trial.executions
            if trial.trial:
                started += sum(self.of(config, e.epochs) for e in runs)
            if trial.status == "completed":
                seconds += sum(e.seconds for e in runs)
                done += sum(self.of(config, e.trained_epochs) for e in runs)
        if not done:
            return None
        return max(0.0, self.total - started) * seconds / done


def estimate_workload(
    space: Space | UserSpace,
    declared: kt.HyperParameters,
    limits: Limits,
    shape: Shape,
    classes: int,
    *,
    epochs: int | None,
    trainings: int,
) -> Workload:
    """Estimate the work of a plan from the average of random configs.

    Args:
        space: The search space.
        declared: Its hyperparameters.
        limits: Configs beyond these are not counted.
        shape: Height, width and channels of one image.
        classes: Number of classes.
        epochs: Total epochs of the plan, or None if each config has its own.
        trainings: Total number of runs of the plan.
    """
    empty = Workload(0.0, space, shape, classes)
    works = [
        empty.of(config, 1 if epochs else config.epochs)
        for config in sample_configs(
            space, declared, limits, shape, classes, count=_CONFIGS
        )
    ]
    mean = sum(works) / len(works) if works else 0.0
    return replace(empty, total=mean * (epochs or trainings))


def sample_configs(
    space: Space | UserSpace,
    declared: kt.HyperParameters,
    limits: Limits,
    shape: Shape,
    classes: int,
    *,
    count: int,
) -> list[Config]:
    """Draw `count` random configs within the limits, or fewer if they are rare."""
    configs: list[Config] = []
    for draw in range(_MAX_DRAWS):
        config = space.config(random_point(declared, draw))
        if limits.refusal(config, shape, classes) is None:
            configs.append(config)
        if len(configs) == count:
            break
    return configs
