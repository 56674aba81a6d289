"""How much work a study is, before it is done: arithmetic, then measured speed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import keras_tuner as kt

from search_spaces.layers import Shape, count_multiply_adds
from search_spaces.space import Space, random_point
from search_spaces.user_code import Config, UserConfig, UserSpace
from tuner.algorithms.screening import Limits
from tuner.study.records import TrialRecord

_DRAWS = 200
_WANTED = 40


@dataclass(frozen=True)
class Workload:
    """A study's work in multiply-adds of a forward pass, times epochs.

    Its seconds follow from what the finished trials took; networks differ in how
    fast a multiply-add is, so an estimate is good to about a factor of two until
    several trials are in. What a user's own code builds counts as if all its networks
    were alike.

    Attributes:
        total: All trials but the baseline.
        space: What is searched.
        shape: Height, width and channels of one image.
        classes: How many classes the labels name.
    """

    total: float
    space: Space | UserSpace
    shape: Shape
    classes: int

    def of(self, config: Config, epochs: int) -> float:
        """Give the work of one training."""
        if isinstance(config, UserConfig):
            return float(epochs)
        return epochs * count_multiply_adds(config, self.shape, self.classes)

    def seconds_left(self, trials: Iterable[TrialRecord]) -> float | None:
        """Estimate what the rest will take, or None before a trial has ended."""
        seconds = done = of_plan = 0.0
        for trial in trials:
            config, runs = self.space.read(trial.config), trial.executions
            if trial.trial:
                of_plan += sum(self.of(config, e.epochs) for e in runs)
            if trial.status == "completed":
                seconds += sum(e.seconds for e in runs)
                done += sum(self.of(config, e.trained_epochs) for e in runs)
        if not done:
            return None
        return max(0.0, self.total - of_plan) * seconds / done


def workload(
    space: Space | UserSpace,
    declared: kt.HyperParameters,
    limits: Limits,
    shape: Shape,
    classes: int,
    *,
    epochs: int | None,
    trainings: int,
) -> Workload:
    """Average the work of random configs.

    Args:
        space: What is searched.
        declared: Its hyperparameters.
        limits: What is not proposed does not count.
        shape: Height, width and channels of one image.
        classes: How many classes the labels name.
        epochs: Epochs of the whole plan; None where each config brings its own.
        trainings: Trainings of the whole plan, executions included.
    """
    nothing = Workload(0.0, space, shape, classes)
    works = [
        nothing.of(config, 1 if epochs else config.epochs)
        for config in sample_configs(
            space, declared, limits, shape, classes, wanted=_WANTED
        )
    ]
    mean = sum(works) / len(works) if works else 0.0
    return replace(nothing, total=mean * (epochs or trainings))


def sample_configs(
    space: Space | UserSpace,
    declared: kt.HyperParameters,
    limits: Limits,
    shape: Shape,
    classes: int,
    *,
    wanted: int,
) -> list[Config]:
    """Draw configs that the limits admit, as many as wanted where there are."""
    configs: list[Config] = []
    for draw in range(_DRAWS):
        config = space.config(random_point(declared, draw))
        if limits.refusal(config, shape, classes) is None:
            configs.append(config)
        if len(configs) == wanted:
            break
    return configs
