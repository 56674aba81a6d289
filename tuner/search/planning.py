"""What a study will search, worked out before anything trains."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
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
    random_point,
    shuffled_points,
)
from search_spaces.user_code import Config, OwnSpace
from tuner.algorithms import plan as hyperband
from tuner.algorithms.base import Audit, Chain, ListProposer, Proposal, Proposer
from tuner.algorithms.oracles import Bayesian, Hyperband, OracleProposer, RandomSearch
from tuner.algorithms.screening import Limits, Screen, limits_for
from tuner.search.workload import Workload, estimate_workload
from tuner.study.objective import ALWAYS, Objective
from tuner.study.records import Hyperparameter, PlanRecord, SpaceRecord
from tuner.study.settings import SettingsError, StudySettings
from tuner.system.seeds import derive_seed

Points = Callable[[kt.HyperParameters], Iterator[dict[str, Any]]]

_DRAWN = 20_000  # points that are looked at where there are too many to list
_ENUMERATED = 2000  # a larger space is drawn from, and not listed


@dataclass(frozen=True)
class Plan:
    """A study's space, and how much of it is searched.

    Attributes:
        settings: What was asked for.
        space: Its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        hyperband: Hyperband's brackets once fitted, or None.
        trials: Configs that the algorithm proposes at most: neither trial 0 nor
            enqueued ones.
        points: Distinct points of the space, or None where it is continuous.
        notes: What a user should know of the plan once it is fitted.
    """

    settings: StudySettings
    space: Space | OwnSpace
    declared: kt.HyperParameters
    hyperband: hyperband.Plan | None
    trials: int
    points: int | None
    notes: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether the trials are given, and nothing is proposed."""
        return self.space.name == "published" or bool(self.settings.candidates)

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
            return replace(self, trials=len(self.given_trials()) - 1)
        screen = Screen(limits, shape, classes)
        for proposal in self.given_trials():
            if screen.admits(proposal.config):
                screen.add(proposal.config)
        trials, found = self.trials, None
        if self._is_listed:
            found = sum(1 for _ in self._admitted(enumerate_points, screen))
        elif self.settings.algorithm == "hyperband":
            found = self._scarce(screen)
        if found is not None:
            if not found and not self.settings.enqueue:
                counts = (f"{n} {why}" for why, n in screen.counts.items())
                reasons = ", ".join(counts) or "they are trial 0 again"
                raise SettingsError(
                    f"Space {self.space.name} must hold a config that can be trained "
                    f"on these images, and all {self.points or _DRAWN} are turned "
                    f"away: {reasons}. Widen its ranges, or enlarge the images with "
                    "--image-size."
                )
            trials = min(trials, found)
        return self._planned(trials, found)

    def _scarce(self, screen: Screen) -> int | None:
        """Count what can be trained, or None where it is enough for every bracket.

        In a large space of which the limits leave little, brackets that are planned
        for more configs than there are would promote nothing.
        """
        wanted = min(self.trials, hyperband.plan(self.space.base.epochs).configs)

        def drawn(declared: kt.HyperParameters) -> Iterator[dict[str, Any]]:
            return (random_point(declared, draw) for draw in range(_DRAWN))

        found = sum(1 for _ in islice(self._admitted(drawn, screen), wanted))
        return found if found < wanted else None

    def _planned(self, trials: int, found: int | None) -> Plan:
        """Plan for as many trials, of `found` configs that there are in all."""
        besides = " besides trial 0" if self.settings.baseline else ""
        holds = f"The space holds {found} configs{besides} that can be trained here"
        if self.settings.algorithm != "hyperband" or not trials:
            all_are_tried = found is not None and trials == found < self.trials
            notes = (f"{holds}: the search tries them all.",) if all_are_tried else ()
            return replace(self, trials=trials, notes=notes)
        epochs, first = self.space.base.epochs, self.settings.min_epochs
        try:
            full = hyperband.plan(epochs, first)
            brackets = hyperband.plan(epochs, first, trials)
        except ValueError as error:
            raise SettingsError(str(error)) from error
        said = (
            f"{holds}, and Hyperband would take {full.configs}: its brackets share them"
        )
        dropped = len(full.brackets) - len(brackets.brackets)
        if dropped:
            said += f", and {dropped} of {len(full.brackets)} drop out"
        is_small = found is not None and trials == found < full.configs
        notes = (f"{said}.",) if is_small else ()
        return replace(self, hyperband=brackets, trials=brackets.configs, notes=notes)

    def record(self) -> PlanRecord:
        """Give what a study stores of the plan."""
        if self.is_list:
            epochs = sum(
                p.config.epochs * self.settings.seeds(p.trial)
                for p in self.given_trials()
            )
            return PlanRecord(self.trials, epochs)
        enqueued = self.settings.enqueue
        brackets: tuple[tuple[tuple[int, int], ...], ...] = ()
        if self.hyperband:
            epochs = self.hyperband.epochs
            epochs += self.settings.audit * self.space.base.epochs
            brackets = self.hyperband.to_tuples()
        else:
            longest = self.space.base.epochs * (2 if self._tunes_epochs else 1)
            epochs = self.trials * longest
        epochs += sum(c.config.epochs for c in self._enqueued())
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
            if isinstance(self.space, OwnSpace)
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
        return Chain(first, self._algorithm(screen))

    def _algorithm(self, screen: Screen) -> Proposer:
        seed = derive_seed("oracle", self.settings.seed)
        name = self.settings.algorithm
        if name == "grid":
            return self._in_order(enumerate_points, screen)
        if name == "random" and self._is_listed:
            return self._in_order(partial(shuffled_points, seed=seed), screen)
        objective = Objective.parse(self.settings.objective)
        common = (
            self.space,
            screen,
            self.declared,
            kt.Objective(objective.name, objective.direction),
            seed,
        )
        number = 1 + len(self.settings.enqueue)
        if self.hyperband:
            oracle = Hyperband(self.hyperband, *common)
            return Audit(
                OracleProposer(oracle, screen, number),
                self.settings.audit,
                self.space.base.epochs,
                derive_seed("audit", self.settings.seed),
            )
        kind = Bayesian if name == "bayesian" else RandomSearch
        return OracleProposer(kind(*common, max_trials=self.trials), screen, number)

    def _in_order(self, points: Points, screen: Screen) -> ListProposer:
        number = 1 + len(self.settings.enqueue)
        admitted = islice(self._admitted(points, screen), self.trials)
        return ListProposer(
            Proposal(trial, point, config)
            for trial, (point, config) in enumerate(admitted, number)
        )

    def _admitted(
        self, points: Points, screen: Screen
    ) -> Iterator[tuple[dict[str, Any], Config]]:
        """Go through the points that can be trained, each network once."""
        for point in points(self.declared):
            config = self.space.config(point)
            if screen.admits(config):
                screen.add(config)
                yield point, config

    @property
    def _is_listed(self) -> bool:
        return self.points is not None and self.points <= _ENUMERATED

    def _enqueued(self) -> list[Proposal]:
        found = []
        for trial, given in enumerate(self.settings.enqueue, 1):
            try:
                config = self.first_config.changed(given)
            except (TypeError, ValueError) as error:
                raise SettingsError(f"Enqueued config {trial}: {error}") from error
            if self.settings.algorithm == "hyperband":  # or it could not be ranked
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
    if isinstance(space, OwnSpace):
        _check_own(settings)
        space = replace(space, model=replace(space.model, pixels=settings.pixels))
        return Plan(settings, space, space.declare(), None, 0, 0)  # a worker knows more
    if settings.pixels != "unit":
        raise SettingsError(
            "--pixels is for a network of your own; that of a space with sample(hp) "
            f"rescales its pixels itself, got --pixels {settings.pixels}. Leave it out."
        )
    return plan_space(settings, space)


def plan_space(settings: StudySettings, space: Space | OwnSpace) -> Plan:
    """Plan the search of a space that is known; see `plan_study`."""
    if settings.base and not space.takes_base:
        raise SettingsError(
            "--base fixes what the space leaves alone, and sample(hp) of "
            f"{settings.space} makes its own. Define sample(hp, base) and return "
            "dataclasses.replace(base, ...)."
        )
    _check_objective(settings, space)
    is_hyperband = settings.algorithm == "hyperband"
    if is_hyperband and isinstance(space, OwnSpace) and space.model.draws_epochs:
        raise SettingsError(
            f"Hyperband sets the epochs, and fit of {settings.space} draws its own. "
            "Take them from its arguments, or use --algorithm random."
        )
    if isinstance(space, OwnSpace) and space.model.has_fit and settings.patience:
        raise SettingsError(
            f"--patience stops a training, and fit of {settings.space} is its own. "
            "Use keras.callbacks.EarlyStopping there, and leave --patience out."
        )
    declared = space.declare(tune_epochs=not is_hyperband)
    if not declared.space:
        raise SettingsError(
            f"Space {space.name} must declare at least one hyperparameter, got none"
            f"{' besides epochs' if is_hyperband else ''}. "
            "Draw one from hp, for example hp.Int(...)."
        )
    points = count_points(declared)
    if settings.algorithm == "grid":
        _check_grid(settings, declared, points)
    trials = (settings.max_trials or sys.maxsize) - len(settings.enqueue)
    plan = Plan(settings, space, declared, None, max(0, trials), points)
    plan.given_trials()  # what is enqueued is checked before any data are loaded
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


def _check_objective(settings: StudySettings, space: Space | OwnSpace) -> None:
    """Refuse a metric that the networks of a space do not have."""
    name = Objective.parse(settings.objective).name
    own = space.model.metrics if isinstance(space, OwnSpace) else ()
    known = (*ALWAYS, *(f"val_{metric}" for metric in own))
    if name not in known:
        raise SettingsError(
            f"--objective must be a metric that the networks of {settings.space} "
            f"compile, got {name}. They have {', '.join(known)}: choose one, or give "
            "model.compile the metric."
        )


def _check_grid(
    settings: StudySettings, declared: kt.HyperParameters, points: int | None
) -> None:
    continuous = [
        row["name"] for row in describe(declared) if row.get("step", 0) is None
    ]
    if continuous:
        raise SettingsError(
            "A grid needs hyperparameters with finitely many values, got "
            f"{', '.join(continuous)} without a step. Use --algorithm random, or a "
            "space of your own that gives each a step."
        )
    if points and points > _ENUMERATED and not settings.max_trials:
        raise SettingsError(
            f"The grid has {points:,} points, which would take very long. Say how many "
            "of the first to train with --max-trials, or use --algorithm random."
        )
