"""Load a study's space, check that the settings fit it, and plan the search."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.space import Space, count_points, load_space
from search_spaces.user_code import UserSpace
from tuner.search.plan import Plan
from tuner.study.objective import ALWAYS, Objective
from tuner.study.settings import SettingsError, StudySettings


def plan_study(settings: StudySettings) -> Plan:
    """Load a study's space and plan its search; see `Plan.fitted` for the next step.

    Raises:
        SpaceError: The space cannot be used.
        SettingsError: An option cannot be combined with the space.
    """
    base = CnnConfig.from_dict(settings.base) if settings.base else BASELINE
    space = load_space(
        settings.space,
        replace(base, epochs=settings.epochs or base.epochs),
        Path(settings.kept_space) if settings.kept_space else None,
    )
    if isinstance(space, UserSpace):
        _check_user_code(settings)
        space = replace(space, model=replace(space.model, pixels=settings.pixels))
        return Plan(settings, space, space.declare(), 0, 0)  # until a worker runs it
    if settings.pixels != "unit":
        raise SettingsError(
            "--pixels applies only to models of your own, because the networks of a "
            f"space with sample(hp) rescale their pixels, got {settings.pixels}. "
            "Remove it."
        )
    return plan_space(settings, space)


def plan_space(settings: StudySettings, space: Space | UserSpace) -> Plan:
    """Plan the search of a loaded space; see `plan_study`."""
    if settings.base and not space.takes_base:
        raise SettingsError(
            "--base needs a space that uses it, but sample(hp) of "
            f"{settings.space} takes no base. Define sample(hp, base) and return "
            "dataclasses.replace(base, ...)."
        )
    _check_objective(settings, space)
    algorithm = settings.search_algorithm
    draws_epochs = isinstance(space, UserSpace) and space.model.draws_epochs
    if algorithm.sets_epochs and draws_epochs:
        raise SettingsError(
            f"{algorithm.label} sets the epochs, but fit of {settings.space} chooses "
            "its own. Use the argument epochs in fit, or --algorithm random."
        )
    if isinstance(space, UserSpace) and space.model.has_fit and settings.patience:
        raise SettingsError(
            f"--patience cannot stop fit of {settings.space}, which trains by itself. "
            "Remove --patience and use keras.callbacks.EarlyStopping in fit."
        )
    declared = space.declare(tune_epochs=not algorithm.sets_epochs)
    if not declared.space:
        raise SettingsError(
            f"Space {space.name} must declare at least one hyperparameter, got none"
            f"{' besides epochs' if algorithm.sets_epochs else ''}. "
            "Declare one, for example with hp.Int(...)."
        )
    points = count_points(declared)
    refusal = algorithm.refusal(declared, points, settings.max_trials)
    if refusal:
        raise SettingsError(refusal)
    trials = (settings.max_trials or sys.maxsize) - len(settings.enqueue)
    plan = Plan(settings, space, declared, max(0, trials), points)
    # Check the enqueued configs and the schedule before any data are loaded.
    plan.preset_trials()
    if plan.trials:
        algorithm.schedule(plan.trials, space.base.epochs, settings.algorithm_options)
    return plan


def _check_user_code(settings: StudySettings) -> None:
    """Check that no option is set that cannot apply to a user's own model."""
    values = {"--max-params": settings.max_params, "--base": settings.base}
    options = " and ".join(o for o, value in values.items() if value is not None)
    if options:
        raise SettingsError(
            f"{options} cannot be combined with {settings.space}, which builds its own "
            f"model. Remove {options}, or use a space with sample(hp)."
        )


def _check_objective(settings: StudySettings, space: Space | UserSpace) -> None:
    """Check that the networks of a space have the objective's metric."""
    name = Objective.parse(settings.objective).name
    compiled = space.model.metrics if isinstance(space, UserSpace) else ()
    metrics = (*ALWAYS, *(f"val_{metric}" for metric in compiled))
    if name not in metrics:
        raise SettingsError(
            f"--objective must be a metric of the networks of {settings.space}, one "
            f"of {', '.join(metrics)}, got {name}. Choose one of these, or pass the "
            "metric to model.compile."
        )
