"""A study's plan: its space, its trials and the work that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from search_spaces.layers import Shape
from search_spaces.nearest import nearest_point
from search_spaces.published import EXPERIMENTS
from search_spaces.recipe import recipe
from search_spaces.space import (
    Space,
    describe,
    enumerate_points,
)
from search_spaces.user_code import Config, UserSpace
from tuner.algorithms.base import (
    Algorithm,
    Chain,
    ListProposer,
    Proposal,
    Proposer,
    Schedule,
    SearchProblem,
    Values,
)
from tuner.algorithms.points import MOST_DRAWS, admitted, can_be_listed, random_points
from tuner.algorithms.screening import Limits, Screen, limits_for
from tuner.search.workload import Workload, estimate_workload
from tuner.study.descriptions import Hyperparameter, PlanRecord, SpaceRecord
from tuner.study.objective import Objective
from tuner.study.settings import SettingsError, StudySettings

if TYPE_CHECKING:
    import keras_tuner as kt


@dataclass(frozen=True)
class Plan:
    """A study's space, and how much of it is searched.

    Attributes:
        settings: The study's settings.
        space: The space; its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        trials: Maximum number of configs that the algorithm proposes, without trial 0
            and enqueued configs.
        points: Number of distinct points of the space, or None if it is continuous.
        recipe: The trial of the recipe; None if there is none, or before the images are
            loaded.
        notes: Notes about the fitted plan for the user.
    """

    settings: StudySettings
    space: Space | UserSpace
    declared: kt.HyperParameters
    trials: int
    points: int | None
    recipe: Proposal | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether all trials are preset, so that no algorithm proposes any."""
        return self.space.name == "published" or bool(self.settings.candidates)

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm that proposes the trials that are not preset."""
        return self.settings.search_algorithm

    @cached_property
    def schedule(self) -> Schedule:
        """The trials and epochs that the algorithm trains at most.

        Raises:
            AlgorithmError: The algorithm has no schedule for these settings.
        """
        return self._schedule(self.trials)

    def _schedule(self, trials: int) -> Schedule:
        epochs = self.space.base.epochs * (2 if self._tunes_epochs else 1)
        options = self.settings.algorithm_options
        schedule = self.algorithm.schedule(trials, epochs, options)
        return schedule.from_scratch() if self.restarts else schedule

    @property
    def restarts(self) -> bool:
        """Whether promoted trials start over, as their learning rates' schedules do."""
        if isinstance(self.space, UserSpace):
            return False
        is_drawn = any(h.name == "schedule" for h in self.declared.space)
        return is_drawn or bool(getattr(self.first_config, "is_scheduled", False))

    @property
    def _tunes_epochs(self) -> bool:
        return any(h.name == "epochs" for h in self.declared.space)

    def fitted(self, limits: Limits, shape: Shape, classes: int) -> Plan:
        """Return this plan with its recipe and the number of trials for these images.

        Raises:
            SettingsError: No config of the space can be trained on these images.
        """
        if self.is_list:
            return replace(self, trials=len(self.preset_trials()) - 1)
        plan = self._with_recipe(limits, shape, classes)
        return plan.counted(limits, shape, classes)

    def _with_recipe(self, limits: Limits, shape: Shape, classes: int) -> Plan:
        """Return this plan with the recipe as one of its trials, if that can be one."""
        if self.recipe or not self.space.has_recipe or not self.trials:
            return self
        space, trial = self.space, 1 + len(self.settings.enqueue)
        values = nearest_point(space, self.declared, recipe(space.base, shape)) or {}
        proposal = Proposal(trial, values, space.config(values), name="recipe")
        if limits.refusal(proposal.config, shape, classes):
            return self
        return replace(self, recipe=proposal, trials=self.trials - 1)

    def counted(self, limits: Limits, shape: Shape, classes: int) -> Plan:
        """Return this plan with no more trials than there are configs.

        The configs of a small space are counted, without those that the limits reject
        and those that build the same network as another point.

        Raises:
            SettingsError: No config of the space can be trained on these images.
        """
        screen = Screen(limits, shape, classes)
        for proposal in self.preset_trials():
            if screen.admits(proposal.config):
                screen.add(proposal.config)
        count = None
        if can_be_listed(self.points):
            points = enumerate_points(self.declared)
            count = sum(1 for _ in admitted(points, self.space, screen))
        elif self.trials and not self.algorithm.can_grow:
            count = self._count_if_scarce(screen)
        if count == 0 and not self.settings.enqueue:
            counts = (f"{n} {why}" for why, n in screen.counts.items())
            reasons = ", ".join(counts) or "they are equal to trial 0"
            raise SettingsError(
                f"Space {self.space.name} must have a config that can be trained "
                f"on these images, but all {self.points or MOST_DRAWS} configs are "
                f"rejected: {reasons}. Widen its ranges, or enlarge the images with "
                "--image-size."
            )
        return self._for_configs(count)

    def _count_if_scarce(self, screen: Screen) -> int | None:
        """Count the trainable configs; None if they suffice for the schedule.

        In a large space the limits may leave only a few configs. Brackets that are
        planned for more configs than exist would promote none.
        """
        points = islice(random_points(self.declared, seed=0), MOST_DRAWS)
        configs = islice(admitted(points, self.space, screen), self.schedule.trials)
        count = sum(1 for _ in configs)
        return count if count < self.schedule.trials else None

    def _for_configs(self, count: int | None) -> Plan:
        """Return this plan for the number of configs that can be trained.

        Args:
            count: The number of trainable configs, or None if they suffice.
        """
        trials = self.trials if count is None else min(self.trials, count)
        if not trials:
            return replace(self, trials=0)
        full, fitted = self.schedule, self._schedule(trials)
        besides = " besides trial 0" if self.settings.baseline else ""
        note = f"The space has {count} configs{besides} that can be trained here"
        if full.brackets:
            note += (
                f", fewer than the {full.trials} that {self.algorithm.label} would "
                "train: its brackets share them"
            )
            dropped = len(full.brackets) - len(fitted.brackets)
            if dropped:
                note += f", without {dropped} of {len(full.brackets)} brackets"
        else:
            note += ": the search trains them all"
        is_scarce = count is not None and trials == count < full.trials
        notes = (f"{note}.",) if is_scarce else ()
        return replace(self, trials=fitted.trials, notes=notes)

    def record(self) -> PlanRecord:
        """Return the record of the plan for `study.json`."""
        if self.is_list:
            epochs = sum(
                p.config.epochs * self.settings.seeds(p.trial)
                for p in self.preset_trials()
            )
            return PlanRecord(self.trials, epochs)
        preset = [p for p in self.preset_trials() if p.trial]
        epochs, brackets = 0, self.schedule.brackets if self.trials else ()
        if self.trials:
            epochs = self.schedule.epochs
        epochs += sum(p.config.epochs for p in preset)
        epochs *= self.settings.executions
        return PlanRecord(self.trials + len(preset), epochs, brackets)

    def describe_space(self) -> SpaceRecord:
        """Return the record of the space for `study.json`."""
        return SpaceRecord(
            name=self.space.name,
            hyperparameters=tuple(
                map(Hyperparameter.from_dict, describe(self.declared))
            ),
            size=self.points,
            source=self.space.source,
            user_code=self.space.to_dict()
            if isinstance(self.space, UserSpace)
            else None,
        )

    def limits(
        self, shape: Shape, classes: int, *, on_gpu: bool, memory_bytes: int | None
    ) -> Limits:
        """Return the limits of this study's networks on a machine.

        A candidate is rejected only if memory cannot hold it.
        """
        if self.settings.candidates:
            on_gpu = True  # no limit on the time that a CPU takes
        return limits_for(
            self.first_config,
            shape,
            classes,
            max_params=self.settings.max_params,
            on_gpu=on_gpu,
            memory_bytes=memory_bytes,
        )

    def workload(self, limits: Limits, shape: Shape, classes: int) -> Workload:
        """Estimate the work of all trials except the baseline."""
        if self.is_list:
            empty = Workload(0.0, self.space, shape, classes)
            works = (
                empty.of(p.config, p.config.epochs) * self.settings.seeds(p.trial)
                for p in self.preset_trials()
                if p.trial
            )
            return replace(empty, total=sum(works))
        return estimate_workload(
            self.space,
            self.declared,
            limits,
            shape,
            classes,
            epochs=None if self._tunes_epochs else self.record().epochs,
            trainings=self.trials * self.settings.executions,
        )

    def first_configs(
        self, limits: Limits, shape: Shape, classes: int, *, wanted: int
    ) -> list[Config]:
        """List the configs that the search proposes before it has a result.

        Args:
            limits: Larger networks are not proposed.
            shape: Height, width and channels of one image.
            classes: Number of classes.
            wanted: Maximum number of configs, without trial 0.
        """
        screen = Screen(limits, shape, classes)
        preset = self.preset_trials()
        for proposal in preset:
            screen.add(proposal.config)
        proposer = self.proposer(screen, preset)
        configs: list[Config] = []
        while len(configs) < wanted:
            proposed = proposer.propose()
            if not isinstance(proposed, Proposal):
                break
            if (
                proposed.trial
                and limits.refusal(proposed.config, shape, classes) is None
            ):
                configs.append(proposed.config)
        return configs

    def preset_trials(self) -> list[Proposal]:
        """List the trials that no algorithm proposes.

        These are trial 0, the enqueued configs and the recipe, or the published
        experiments, or the candidates.
        """
        if self.settings.candidates:
            return [
                Proposal(i, c.values, self.space.read(c.config), name=c.name)
                for i, c in enumerate(self.settings.candidates)
            ]
        if self.is_list:
            return [
                self._proposal(trial, {"experiment": name}, name)
                for trial, name in enumerate(EXPERIMENTS)
            ]
        source = self.settings.base_study
        name = f"best of {source}" if source else "baseline"
        first = Proposal(0, {}, self.first_config, name=name)
        preset = [*([first] if self.settings.baseline else []), *self._enqueued()]
        return [*preset, self.recipe] if self.recipe else preset

    def proposer(self, screen: Screen, preset: Sequence[Proposal]) -> Proposer:
        """Return a new proposer of the preset trials and then the algorithm's.

        Args:
            screen: A screen to which the preset trials were added.
            preset: The trials of `preset_trials` that can be trained.
        """
        first = ListProposer(preset)
        if self.is_list or not self.trials:
            return first
        problem = replace(self._problem(screen), scores=first.scores)
        return Chain(first, self.algorithm.proposer(problem))

    def _problem(self, screen: Screen) -> SearchProblem:
        preset = self.preset_trials()
        base = [self.space.base] if self.settings.base is not None else []
        return SearchProblem(
            space=self.space,
            declared=self.declared,
            points=self.points,
            screen=screen,
            higher_is_better=Objective.parse(self.settings.objective).higher_is_better,
            seed=self.settings.seed,
            epochs=self.space.base.epochs,
            trials=self.trials,
            first_trial=1 + len(self.settings.enqueue) + bool(self.recipe),
            options=self.settings.algorithm_options,
            priors=self._priors([*base, *(p.config for p in preset if p.trial)]),
            given={
                p.trial: point for p in preset for point in self._priors([p.config])
            },
        )

    def _priors(self, configs: Sequence[Config]) -> list[Values]:
        """List the nearest points of configs, each once."""
        priors: list[Values] = []
        for config in configs:
            point = nearest_point(self.space, self.declared, config)
            if point is not None and point not in priors:
                priors.append(point)
        return priors

    def _enqueued(self) -> list[Proposal]:
        proposals = []
        for trial, values in enumerate(self.settings.enqueue, 1):
            try:
                config = self.first_config.changed(values)
            except (TypeError, ValueError) as error:
                raise SettingsError(f"Enqueued config {trial}: {error}") from error
            if self.algorithm.sets_epochs:  # only trials with all epochs are ranked
                config = replace(config, epochs=self.space.base.epochs)
            name = f"enqueued {trial}"
            proposals.append(Proposal(trial, values, config, name=name))
        return proposals

    @property
    def first_config(self) -> Config:
        """Trial 0's config: candidate 0, the base, or the defaults of a user's file."""
        if self.settings.candidates:
            return self.space.read(self.settings.candidates[0].config)
        is_base = self.settings.base is not None or self.space.has_recipe
        return self.space.base if is_base else self.space.config({})

    def _proposal(self, trial: int, values: Mapping[str, Any], name: str) -> Proposal:
        return Proposal(trial, values, self.space.config(values), name=name)
