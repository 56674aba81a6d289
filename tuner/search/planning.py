"""What a study will search, worked out before anything trains."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from search_spaces.user_code import Config, UserSpace
from tuner.algorithms.base import (
    Algorithm,
    Chain,
    ListProposer,
    Proposal,
    Proposer,
    Schedule,
    SearchProblem,
)
from tuner.algorithms.points import MOST_DRAWS, admitted, can_be_listed, random_points
from tuner.algorithms.screening import Limits, Screen, limits_for
from tuner.search.workload import Workload, estimate_workload
from tuner.study.descriptions import Hyperparameter, PlanRecord, SpaceRecord
from tuner.study.objective import ALWAYS, Objective
from tuner.study.settings import SettingsError, StudySettings

if TYPE_CHECKING:
    import keras_tuner as kt


@dataclass(frozen=True)
class Plan:
    """A study's space, and how much of it is searched.

    Attributes:
        settings: What was asked for.
        space: Its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        trials: Configs that the algorithm proposes at most: neither trial 0 nor
            enqueued ones.
        points: Distinct points of the space, or None where it is continuous.
        notes: What a user should know of the plan once it is fitted.
    """

    settings: StudySettings
    space: Space | UserSpace
    declared: kt.HyperParameters
    trials: int
    points: int | None
    notes: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether the trials are given, and nothing is proposed."""
        return self.space.name == "published" or bool(self.settings.candidates)

    @property
    def algorithm(self) -> Algorithm:
        """What proposes the trials that are not given."""
        return self.settings.search_algorithm

    @cached_property
    def schedule(self) -> Schedule:
        """How much of the algorithm's own trials is trained at most.

        Raises:
            AlgorithmError: There is no such schedule.
        """
        return self._schedule(self.trials)

    def _schedule(self, trials: int) -> Schedule:
        epochs = self.space.base.epochs * (2 if self._tunes_epochs else 1)
        return self.algorithm.schedule(trials, epochs, self.settings.algorithm_options)

    @property
    def _tunes_epochs(self) -> bool:
        return any(h.name == "epochs" for h in self.declared.space)

    def fitted(self, limits: Limits, shape: Shape, classes: int) -> Plan:
        """Work out how many trials there will be.

        A small space is enumerated: what the limits refuse, or what builds the same
        network as another point, is no config that a bracket could be filled with.

        Raises:
            SettingsError: No config of the space can be trained on these images.
        """
        if self.is_list:
            return replace(self, trials=len(self.given_trials()) - 1)
        screen = Screen(limits, shape, classes)
        for proposal in self.given_trials():
            if screen.admits(proposal.config):
                screen.add(proposal.config)
        found = None
        if can_be_listed(self.points):
            points = enumerate_points(self.declared)
            found = sum(1 for _ in admitted(points, self.space, screen))
        elif self.trials and not self.algorithm.can_grow:
            found = self._scarce(screen)
        if found is not None and not found and not self.settings.enqueue:
            counts = (f"{n} {why}" for why, n in screen.counts.items())
            reasons = ", ".join(counts) or "they are trial 0 again"
            raise SettingsError(
                f"Space {self.space.name} must hold a config that can be trained "
                f"on these images, and all {self.points or MOST_DRAWS} are "
                f"rejected: {reasons}. Widen its ranges, or enlarge the images with "
                "--image-size."
            )
        return self._planned(found)

    def _scarce(self, screen: Screen) -> int | None:
        """Count what can be trained, or None where it is enough for the whole schedule.

        In a large space of which the limits leave little, brackets that are planned
        for more configs than there are would promote nothing.
        """
        points = islice(random_points(self.declared, seed=0), MOST_DRAWS)
        found = islice(admitted(points, self.space, screen), self.schedule.trials)
        count = sum(1 for _ in found)
        return count if count < self.schedule.trials else None

    def _planned(self, found: int | None) -> Plan:
        """Plan for the configs that there are.

        Args:
            found: How many can be trained in all, or None where they are enough.
        """
        trials = self.trials if found is None else min(self.trials, found)
        if not trials:
            return replace(self, trials=0)
        wanted, fitted = self.schedule, self._schedule(trials)
        besides = " besides trial 0" if self.settings.baseline else ""
        note = f"The space holds {found} configs{besides} that can be trained here"
        if wanted.brackets:
            note += (
                f", and {self.algorithm.label} would take {wanted.trials}: its "
                "brackets share them"
            )
            dropped = len(wanted.brackets) - len(fitted.brackets)
            if dropped:
                note += f", and {dropped} of {len(wanted.brackets)} drop out"
        else:
            note += ": the search tries them all"
        is_scarce = found is not None and trials == found < wanted.trials
        notes = (f"{note}.",) if is_scarce else ()
        return replace(self, trials=fitted.trials, notes=notes)

    def record(self) -> PlanRecord:
        """Give what a study stores of the plan."""
        if self.is_list:
            epochs = sum(
                p.config.epochs * self.settings.seeds(p.trial)
                for p in self.given_trials()
            )
            return PlanRecord(self.trials, epochs)
        enqueued = self._enqueued()
        epochs, brackets = 0, self.schedule.brackets if self.trials else ()
        if self.trials:
            epochs = self.schedule.epochs
        epochs += sum(c.config.epochs for c in enqueued)
        epochs *= self.settings.executions
        return PlanRecord(self.trials + len(enqueued), epochs, brackets)

    def describe_space(self) -> SpaceRecord:
        """Give what a study stores of the space."""
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
        """Set how large a network this study proposes on a machine.

        Of candidates, only what memory cannot hold is rejected.
        """
        if self.settings.candidates:
            on_gpu = True
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
        if self.is_list:
            nothing = Workload(0.0, self.space, shape, classes)
            works = (
                nothing.of(p.config, p.config.epochs) * self.settings.seeds(p.trial)
                for p in self.given_trials()
                if p.trial
            )
            return replace(nothing, total=sum(works))
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
        """List the configs that the search proposes first, before it has a result.

        Args:
            limits: What is larger is not proposed.
            shape: Height, width and channels of one image.
            classes: How many classes the labels name.
            wanted: How many at most, trial 0 not counted.
        """
        screen = Screen(limits, shape, classes)
        given = self.given_trials()
        for proposal in given:
            screen.add(proposal.config)
        proposer = self.proposer(screen, given)
        found: list[Config] = []
        while len(found) < wanted:
            proposed = proposer.propose()
            if not isinstance(proposed, Proposal):
                break
            if (
                proposed.trial
                and limits.refusal(proposed.config, shape, classes) is None
            ):
                found.append(proposed.config)
        return found

    def given_trials(self) -> list[Proposal]:
        """List what no algorithm proposes: trial 0, enqueued, the nine, candidates."""
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
        return [*([first] if self.settings.baseline else []), *self._enqueued()]

    def proposer(self, screen: Screen, given: Sequence[Proposal]) -> Proposer:
        """Propose the given trials, then what the algorithm does, fresh from its seed.

        Args:
            screen: Knows the given trials already.
            given: Those of `given_trials` that can be trained.
        """
        first = ListProposer(given)
        if self.is_list or not self.trials:
            return first
        return Chain(first, self.algorithm.proposer(self._problem(screen)))

    def _problem(self, screen: Screen) -> SearchProblem:
        return SearchProblem(
            space=self.space,
            declared=self.declared,
            points=self.points,
            screen=screen,
            higher_is_better=Objective.parse(self.settings.objective).higher_is_better,
            seed=self.settings.seed,
            epochs=self.space.base.epochs,
            trials=self.trials,
            first_trial=1 + len(self.settings.enqueue),
            options=self.settings.algorithm_options,
        )

    def _enqueued(self) -> list[Proposal]:
        found = []
        for trial, given in enumerate(self.settings.enqueue, 1):
            try:
                config = self.first_config.changed(given)
            except (TypeError, ValueError) as error:
                raise SettingsError(f"Enqueued config {trial}: {error}") from error
            if self.algorithm.sets_epochs:  # or it could not be ranked
                config = replace(config, epochs=self.space.base.epochs)
            found.append(Proposal(trial, given, config, name=f"enqueued {trial}"))
        return found

    @property
    def first_config(self) -> Config:
        """Trial 0's: the base, whatever the space's own defaults are, or those."""
        is_based = self.settings.base is not None
        return self.space.base if is_based else self.space.config({})

    def _proposal(self, trial: int, values: Mapping[str, Any], name: str) -> Proposal:
        return Proposal(trial, values, self.space.config(values), name=name)


def plan_study(settings: StudySettings) -> Plan:
    """Load the space and see what it declares; `Plan.fitted` does the rest.

    Raises:
        SpaceError: The space cannot be used.
        SettingsError: An option does not go with the space.
    """
    base = CnnConfig.from_dict(settings.base) if settings.base else BASELINE
    space = load_space(
        settings.space,
        replace(base, epochs=settings.epochs or base.epochs),
        Path(settings.kept_space) if settings.kept_space else None,
    )
    if isinstance(space, UserSpace):
        _check_own(settings)
        space = replace(space, model=replace(space.model, pixels=settings.pixels))
        return Plan(settings, space, space.declare(), 0, 0)  # a worker knows more
    if settings.pixels != "unit":
        raise SettingsError(
            "--pixels is for a network of your own; that of a space with sample(hp) "
            f"rescales its pixels itself, got --pixels {settings.pixels}. Leave it out."
        )
    return plan_space(settings, space)


def plan_space(settings: StudySettings, space: Space | UserSpace) -> Plan:
    """Plan the search of a space that is known; see `plan_study`."""
    if settings.base and not space.takes_base:
        raise SettingsError(
            "--base fixes what the space leaves alone, and sample(hp) of "
            f"{settings.space} makes its own. Define sample(hp, base) and return "
            "dataclasses.replace(base, ...)."
        )
    _check_objective(settings, space)
    algorithm = settings.search_algorithm
    draws_epochs = isinstance(space, UserSpace) and space.model.draws_epochs
    if algorithm.sets_epochs and draws_epochs:
        raise SettingsError(
            f"{algorithm.label} sets the epochs, and fit of {settings.space} draws its "
            "own. Take them from its arguments, or use --algorithm random."
        )
    if isinstance(space, UserSpace) and space.model.has_fit and settings.patience:
        raise SettingsError(
            f"--patience stops a training, and fit of {settings.space} is its own. "
            "Use keras.callbacks.EarlyStopping there, and leave --patience out."
        )
    declared = space.declare(tune_epochs=not algorithm.sets_epochs)
    if not declared.space:
        raise SettingsError(
            f"Space {space.name} must declare at least one hyperparameter, got none"
            f"{' besides epochs' if algorithm.sets_epochs else ''}. "
            "Draw one from hp, for example hp.Int(...)."
        )
    points = count_points(declared)
    refusal = algorithm.refusal(declared, points, settings.max_trials)
    if refusal:
        raise SettingsError(refusal)
    trials = (settings.max_trials or sys.maxsize) - len(settings.enqueue)
    plan = Plan(settings, space, declared, max(0, trials), points)
    # What is enqueued, and the schedule, are checked before any data are loaded.
    plan.given_trials()
    if plan.trials:
        algorithm.schedule(plan.trials, space.base.epochs, settings.algorithm_options)
    return plan


def _check_own(settings: StudySettings) -> None:
    """Refuse what a user's own code cannot be held to."""
    refused = {"--max-params": settings.max_params, "--base": settings.base}
    given = [option for option, value in refused.items() if value is not None]
    if given:
        raise SettingsError(
            f"{' and '.join(given)} need a space with sample(hp), and {settings.space} "
            f"builds its own network. Leave {' and '.join(given)} out."
        )


def _check_objective(settings: StudySettings, space: Space | UserSpace) -> None:
    """Refuse a metric that the networks of a space do not have."""
    name = Objective.parse(settings.objective).name
    user_model = space.model.metrics if isinstance(space, UserSpace) else ()
    known = (*ALWAYS, *(f"val_{metric}" for metric in user_model))
    if name not in known:
        raise SettingsError(
            f"--objective must be a metric that the networks of {settings.space} "
            f"compile, got {name}. They have {', '.join(known)}: choose one, or give "
            "model.compile the metric."
        )
