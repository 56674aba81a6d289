"""KerasTuner's oracles, mended.

All access to KerasTuner's private methods is here; a test holds each assumption.
An oracle keeps nothing on disk: it is a function of its seed and of what it was
told, so a resume replays the records to it.
"""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.trial import TrialStatus

from search_spaces.config import CnnConfig
from search_spaces.space import (
    Space,
    count_points,
    random_point,
    shuffled_points,
)
from search_spaces.user_code import OwnConfig, OwnSpace
from tuner.algorithms.base import Proposal, Recorded, Wait
from tuner.algorithms.plan import FACTOR, Plan
from tuner.algorithms.screening import Screen
from tuner.system.seeds import derive_seed
from tuner.training.loading import lend_scikit_learn

if TYPE_CHECKING:
    from sklearn.gaussian_process import GaussianProcessRegressor

_SEARCHER = "tune"
_MAX_COLLISIONS = 20_000
_CANDIDATES = 1000
RANDOM_FIRST = 5  # trials that Bayesian search draws before its model proposes


class _Declared(kt.HyperParameters):  # type: ignore[misc]
    """A declared space of which KerasTuner asks a copy for every trial."""

    def copy(self) -> _Declared:
        """Share what is declared, which never changes, and copy the values."""
        copied = copy.copy(self)
        copied.values = dict(self.values)
        return copied


class _Mended(kt.Oracle):  # type: ignore[misc]
    """What all oracles share: screened draws, and nothing on disk.

    Args:
        space: Gives the config that values mean.
        screen: Turns configs away before they are proposed.
        declared: Every hyperparameter of the space, with its conditions.
        objective: What to optimize, with its direction.
        seed: From 1; KerasTuner reads 0 as "choose one".
    """

    def __init__(
        self,
        space: Space | OwnSpace,
        screen: Screen,
        declared: kt.HyperParameters,
        objective: kt.Objective,
        seed: int,
        **options: Any,
    ) -> None:
        super().__init__(
            objective=objective,
            hyperparameters=_Declared.from_config(declared.get_config()),
            # A declared space needs no model in this process to be known.
            allow_new_entries=False,
            tune_new_entries=False,
            seed=seed,
            # The search counts failures itself, and never asks for a retry.
            max_consecutive_failed_trials=sys.maxsize,
            **options,
        )
        self.verbose = 0
        self.declared = declared
        self.recorded: dict[str, Any] | None = None  # taken instead of a new draw
        self._space = space
        self._configs: dict[tuple[tuple[str, Any], ...], CnnConfig | OwnConfig] = {}
        self.screen = screen
        # By default 21 rejected draws in a row mean that a space is exhausted.
        self._max_collisions = _MAX_COLLISIONS

    def config_of(self, values: Mapping[str, Any]) -> CnnConfig | OwnConfig:
        """Give the config that values mean, which a space takes long to say."""
        key = tuple(sorted(values.items()))
        if key not in self._configs:
            self._configs[key] = self._space.config(values)
        return self._configs[key]

    def _random_values(self) -> dict[str, Any] | None:
        """Draw a new point, seeded by its number, unless its record has the values."""
        if self.recorded is not None:
            return dict(self.recorded)
        self._seed_state = derive_seed(self.seed, len(self.trials))
        drawn: dict[str, Any] | None = super()._random_values()
        return drawn

    def save(self) -> None:
        """Store nothing: the records are the truth, and are replayed."""

    def _save_trial(self, trial: kt.engine.trial.Trial) -> None:
        """Store nothing."""

    def _duplicate(self, values: dict[str, Any]) -> bool:
        # KerasTuner asks this of every draw, and draws again where it is true.
        return super()._duplicate(values) or not self.screen.admits(
            self.config_of(values)
        )


class RandomSearch(_Mended, kt.oracles.RandomSearchOracle):  # type: ignore[misc]
    """Random search; its proposals depend on the seed alone."""


class Hyperband(_Mended, kt.oracles.HyperbandOracle):  # type: ignore[misc]
    """Hyperband over a given plan, which may be smaller than KerasTuner's."""

    def __init__(self, plan: Plan, *args: Any, **options: Any) -> None:
        self._plan = plan
        max_epochs = plan.brackets[0][-1].epochs
        super().__init__(*args, max_epochs=max_epochs, factor=FACTOR, **options)

    # KerasTuner counts brackets down to 0 and reads its plan through these four.

    def _get_num_brackets(self) -> int:
        return len(self._plan.brackets)

    def _get_num_rounds(self, bracket_num: int) -> int:
        return len(self._plan.brackets[-1 - bracket_num])

    def _get_size(self, bracket_num: int, round_num: int) -> int:
        return self._plan.brackets[-1 - bracket_num][round_num].configs

    def _get_epochs(self, bracket_num: int, round_num: int) -> int:
        return self._plan.brackets[-1 - bracket_num][round_num].epochs


class Bayesian(_Mended, kt.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """KerasTuner's Gaussian process, which never proposes what is tried or refused.

    The first trials are random. Each proposal is seeded by its number, so that it
    follows from the results that were known and from nothing else. Where KerasTuner
    climbs its bound from 50 points, with numerical gradients that take seconds and
    often end on a tried point, ours takes the best of many points that can be
    trained; in a small space, of all.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        lend_scikit_learn()
        super().__init__(*args, **options)
        # KerasTuner's three a hyperparameter would be more than most searches.
        self.num_initial_points = min(RANDOM_FIRST, 3 * len(self.declared.space))
        size = count_points(self.declared)
        self._is_small = size is not None and size <= _CANDIDATES

    def _make_gpr(self) -> GaussianProcessRegressor:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        # KerasTuner's kernel knows of no noise: a few close points with unequal
        # scores shrink its length to nothing, and then it predicts nothing.
        kernel = Matern(nu=2.5, length_scale_bounds=(0.1, 10.0))
        return GaussianProcessRegressor(
            kernel=kernel + WhiteKernel(0.1, (1e-3, 1.0)),
            n_restarts_optimizer=5,
            normalize_y=True,
            alpha=self.alpha,
            random_state=self.seed,
        )

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Give the next trial's values."""
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        if self.recorded is not None:
            return {"status": TrialStatus.RUNNING, "values": self.recorded}
        seed = derive_seed(self.seed, len(self.trials))
        self._random_state = np.random.RandomState(seed)
        done = [t for t in self.trials.values() if t.status == TrialStatus.COMPLETED]
        # Threads cost more than such small matrices, and the workers need them.
        with threadpool_limits(1), warnings.catch_warnings():
            # A kernel's length at its bound is no news to a user.
            warnings.simplefilter("ignore", ConvergenceWarning)
            if len(done) < self.num_initial_points:
                proposed: dict[str, Any] = super().populate_space(trial_id)
                return proposed
            self.gpr.fit(*self._vectorize_trials())
            return self._best_of_many(seed)

    def _vectorize_trials(self) -> tuple[np.ndarray, np.ndarray]:
        """Give the points that the model learns from, and their scores to minimize.

        A running trial counts with what the finished ones predict for it, so that
        the next proposal goes elsewhere.
        """
        sign = -1 if self.objective.direction == "max" else 1
        done = [t for t in self.trials.values() if t.status == TrialStatus.COMPLETED]
        x = np.array([self._vector(t.hyperparameters.values) for t in done])
        y = np.array([sign * t.score for t in done])
        running = list(self.ongoing_trials.values())
        if running:
            self.gpr.fit(x, y)
            more = np.array([self._vector(t.hyperparameters.values) for t in running])
            x, y = np.vstack([x, more]), np.append(y, self.gpr.predict(more))
        return x, y

    def _best_of_many(self, seed: int) -> dict[str, Any]:
        """Choose, by KerasTuner's bound, among points that can be trained."""
        if self._is_small:
            points = shuffled_points(self.declared, seed)
        else:
            draws = range(seed, seed + _MAX_COLLISIONS)
            points = (random_point(self.declared, draw) for draw in draws)
        fresh = (p for p in points if self.screen.would_admit(self.config_of(p)))
        found = list(islice(fresh, _CANDIDATES))
        if not found:
            return {"status": TrialStatus.STOPPED, "values": None}
        vectors = np.array([self._vector(point) for point in found])
        mean, deviation = self.gpr.predict(vectors, return_std=True)
        best = int(np.argmin(mean - self.beta * deviation))
        return {"status": TrialStatus.RUNNING, "values": found[best]}

    def _vector(self, point: dict[str, Any]) -> list[float]:
        return [
            h.value_to_prob(point.get(h.name, h.default))
            for h in self._nonfixed_space()
        ]


class OracleProposer:
    """Propose what a KerasTuner oracle proposes.

    Args:
        oracle: One of this module.
        screen: The oracle's own; it learns what is proposed.
        first: The number of its first trial.
    """

    def __init__(
        self,
        oracle: RandomSearch | Hyperband | Bayesian,
        screen: Screen,
        first: int = 1,
    ) -> None:
        self._oracle = oracle
        self._screen = screen
        self._count = first - 1
        self._trials: dict[str, int] = {}  # KerasTuner's id -> ours
        self._running: dict[int, kt.engine.trial.Trial] = {}
        self._failed: set[int] = set()
        self._first = first
        self._brackets: dict[int, int] = {}
        self._knows_records = False

    def propose(self, recorded: Recorded | None = None) -> Proposal | Wait | None:
        """Ask the oracle for the next trial or promotion."""
        while True:
            values = self._remember(recorded or {}).get(self._count + 1)
            self._oracle.recorded = None if values is None else dict(values)
            # One tuner id a trial in flight, or the oracle repeats itself.
            asked = self._oracle.create_trial(f"{_SEARCHER}-{len(self._oracle.trials)}")
            if asked.status == TrialStatus.STOPPED:
                return Wait() if self._running else None
            if asked.status == TrialStatus.IDLE:
                return Wait()
            chosen = dict(asked.hyperparameters.values)
            parent = chosen.get("tuner/trial_id")
            if parent is None:
                self._count += 1
            trial = self._trials[parent] if parent else self._count
            self._trials[asked.trial_id] = trial
            self._running[trial] = asked
            if trial not in self._failed:
                return self._proposal(trial, chosen)
            self.tell(trial, None)  # a failed trial fills its place in the rung

    def tell(self, trial: int, score: float | None) -> None:
        """Tell the oracle a trial's score.

        A failed trial has the worst possible, and so keeps its place in a rung; a
        Gaussian process is not told of it, for it would bend to such a number.
        """
        asked = self._running.pop(trial)
        if score is None and isinstance(self._oracle, Bayesian):
            asked.status = TrialStatus.FAILED
            self._oracle.end_trial(asked)
            return
        if score is None:
            self._failed.add(trial)
            score = math.inf if self._oracle.objective.direction == "min" else -math.inf
        self._oracle.update_trial(asked.trial_id, {self._oracle.objective.name: score})
        asked.status = TrialStatus.COMPLETED
        self._oracle.end_trial(asked)

    def _remember(self, recorded: Recorded) -> Recorded:
        """Let no trial that is thought out again repeat one that is recorded."""
        if not self._knows_records:
            self._knows_records = True
            for number, values in recorded.items():
                if number >= self._first:
                    self._screen.add(self._oracle.config_of(values))
        return recorded

    def may_extend(self, config: Mapping[str, Any]) -> bool:
        """Whether the oracle may promote a trial of so many epochs."""
        is_hyperband = isinstance(self._oracle, Hyperband)
        return is_hyperband and config["epochs"] < self._oracle.max_epochs

    def _proposal(self, trial: int, chosen: dict[str, Any]) -> Proposal:
        fidelity = {k: chosen.pop(k) for k in list(chosen) if k.startswith("tuner/")}
        config = self._oracle.config_of(chosen)
        self._screen.add(config)
        if "tuner/epochs" in fidelity:
            config = replace(config, epochs=fidelity["tuner/epochs"])
        # A promotion names the bracket that is filled now, which may be a later one.
        bracket = self._brackets.setdefault(trial, fidelity.get("tuner/bracket", 0))
        return Proposal(trial, chosen, config, bracket)
