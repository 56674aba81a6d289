"""Put a study together, in the order that things must happen, and search it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import keras_tuner as kt

from search_spaces.config import BASELINE
from search_spaces.published import EXPERIMENTS
from search_spaces.space import Space, count_points, describe, load_space
from tuner import hyperband, locks
from tuner.datasets import Dataset, load_dataset, save_arrays
from tuner.estimate import Workload, workload
from tuner.oracles import (
    Hyperband,
    ListProposer,
    OracleProposer,
    Proposal,
    Proposer,
    RandomSearch,
)
from tuner.ranking import OBJECTIVES
from tuner.records import StudyRecord
from tuner.screening import Limits, Screen, limits_for
from tuner.search import HopelessError, Listener, Search
from tuner.seeds import derive_seed
from tuner.settings import SettingsError, StudySettings, fingerprint
from tuner.study import Study, StudyChangedError, move_aside
from tuner.tasks import Ready
from tuner.workers import LocalWorkers

_DATA = ".data"  # the images as the workers map them; gone when the session ends


class SessionListener(Listener, Protocol):
    """Who is shown a session, from its first line on."""

    def data_loaded(self, data: Dataset) -> None:
        """The images are split."""

    def study_opened(
        self, study: Study, ready: Ready, work: Workload, *, resumed: bool
    ) -> None:
        """The plan is known and a worker can train."""


@dataclass(frozen=True)
class Plan:
    """What a study will search: its space, and how much of it.

    Attributes:
        space: Its `base` has the epochs of trial 0.
        declared: Every hyperparameter, with its conditions.
        hyperband: Hyperband's brackets, or None.
        trials: Configs to propose, trial 0 not counted.
        points: Distinct points of the space, or None where it is continuous.
    """

    space: Space
    declared: kt.HyperParameters
    hyperband: hyperband.Plan | None
    trials: int
    points: int | None

    def to_dict(self, epochs: int, executions: int) -> dict[str, Any]:
        """Give the plan as plain values, for a record.

        Args:
            epochs: What a trial gets.
            executions: Seeds a trial.
        """
        plan: dict[str, Any] = {"trials": self.trials}
        if self.hyperband:
            plan["epochs"] = self.hyperband.epochs * executions
            plan["brackets"] = self.hyperband.to_lists()
        elif self.space.name == "published":
            total = sum(e.config.epochs for e in EXPERIMENTS.values())
            plan["epochs"] = total * executions
        else:
            longest = 2 * epochs if "epochs" in self.names else epochs
            plan["epochs"] = self.trials * longest * executions
        return plan

    @property
    def names(self) -> set[str]:
        """The names of the declared hyperparameters."""
        return {h.name for h in self.declared.space}


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
    if space.name == "published":
        return Plan(space, declared, None, len(EXPERIMENTS), points)
    if not is_hyperband:
        trials = settings.max_trials or 0
        return Plan(
            space, declared, None, min(trials, points) if points else trials, points
        )
    wanted = [n for n in (settings.max_trials, points) if n is not None]
    try:
        brackets = hyperband.plan(
            epochs, settings.min_epochs, min(wanted) if wanted else None
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return Plan(space, declared, brackets, brackets.configs, points)


def run_study(
    settings: StudySettings,
    folder: Path,
    command: str,
    listener: SessionListener,
    *,
    overwrite: bool = False,
) -> Study:
    """Create a study or go on with it, and search until it ends.

    Args:
        settings: What to search.
        folder: The study's; its name is the study's.
        command: Typed again, it goes on with the study.
        listener: Who is shown what happens.
        overwrite: Move an older study of that name aside first.

    Returns:
        The study, its state "completed", or "interrupted" where time ran out.

    Raises:
        StudyChangedError: The study exists with other settings.
        StudyLockedError: Another process searches it.
        HopelessError: Too many trials failed in a row; its state is "failed".
        KeyboardInterrupt: The state is "interrupted"; finished trials are kept.
    """
    plan = plan_study(settings)
    with _held(folder):
        if overwrite and (folder / "study.json").exists():
            listener.note(f"The old study is now in {_replace(folder)}")
        _refuse_changed_settings(settings, folder)
        data = load_data(settings, listener.note)
        listener.data_loaded(data)
        log = folder / "search.log"
        with (
            mapped(data, folder / _DATA) as images,
            LocalWorkers(
                images, log, settings.device, task_timeout=settings.trial_timeout_s
            ) as workers,
        ):
            ready = workers.ready()
            study, resumed = _open(
                settings, plan, folder, command=command, data=data, ready=ready
            )
            work = _workload(study, settings, plan)
            listener.study_opened(study, ready, work, resumed=resumed)
            _run(study, _search(study, settings, plan, workers, listener))
    return study


def load_data(settings: StudySettings, say: Callable[[str], None]) -> Dataset:
    """Load the images that a study's settings name, and split them.

    Raises:
        DatasetError: They cannot be used.
    """
    return load_dataset(
        settings.dataset,
        Path(settings.data) if settings.data else None,
        limit=settings.limit,
        validation_split=settings.validation_split or 0.0,
        seed=settings.seed,
        image_size=settings.image_size,
        test_split=settings.test_split,
        say=say,
    )


def study_limits(
    settings: StudySettings, plan: Plan, data: Dataset, ready: Ready
) -> Limits:
    """Set how large a network this study proposes on this machine."""
    return limits_for(
        plan.space.config({}),
        data.input_shape,
        len(data.classes),
        max_params=settings.max_params,
        on_gpu=ready.on_gpu,
        memory_bytes=_memory_bytes(),
    )


def _search(
    study: Study,
    settings: StudySettings,
    plan: Plan,
    workers: LocalWorkers,
    listener: Listener,
) -> Search:
    """Build a fresh oracle and the loop around it."""
    data = study.record.data
    shape, classes = tuple(data["input_shape"]), len(data["classes"])
    screen = Screen(Limits(**study.record.limits), shape, classes)
    proposer: Proposer
    baseline = None
    if plan.space.name == "published":
        proposer = ListProposer(_published(study, plan.space, screen, listener))
    else:
        if settings.baseline:
            first = Proposal(0, {}, plan.space.config({}), name="baseline")
            baseline = _admitted(first, study, screen, listener)
        proposer = OracleProposer(_oracle(settings, plan, screen), screen)
    return Search(study, settings, proposer, baseline, workers, listener, screen.counts)


def planned_epochs(settings: StudySettings, plan: Plan) -> int | None:
    """Count all epochs of a plan, or None where each config brings its own."""
    if plan.space.name == "published" or "epochs" in plan.names:
        return None
    epochs = settings.epochs or BASELINE.epochs
    return int(plan.to_dict(epochs, settings.executions)["epochs"])


def _workload(study: Study, settings: StudySettings, plan: Plan) -> Workload:
    data = study.record.data
    return workload(
        plan.space,
        plan.declared,
        Limits(**study.record.limits),
        tuple(data["input_shape"]),
        len(data["classes"]),
        epochs=planned_epochs(settings, plan),
        trainings=plan.trials * settings.executions,
    )


def _published(
    study: Study, space: Space, screen: Screen, listener: Listener
) -> list[Proposal]:
    """List the published experiments in the order they were run."""
    proposals = []
    for trial, name in enumerate(EXPERIMENTS):
        values = {"experiment": name}
        proposal = Proposal(trial, values, space.config(values), name=name)
        if _admitted(proposal, study, screen, listener):
            proposals.append(proposal)
    return proposals


def _admitted(
    proposal: Proposal, study: Study, screen: Screen, listener: Listener
) -> Proposal | None:
    """Give a named trial back, or say why it is skipped."""
    reason = screen.refusal(proposal.config)
    if reason is None:
        screen.add(proposal.config)
        return proposal
    note = f"Trial {proposal.trial}, {proposal.name}, is skipped: {reason}."
    listener.note(note)
    study.update(notes=tuple(dict.fromkeys([*study.record.notes, note])))
    return None


def _oracle(
    settings: StudySettings, plan: Plan, screen: Screen
) -> RandomSearch | Hyperband:
    objective = kt.Objective(settings.objective, OBJECTIVES[settings.objective])
    seed = derive_seed("oracle", settings.seed)
    common = (plan.space, screen, plan.declared, objective, seed)
    if plan.hyperband:
        return Hyperband(plan.hyperband, *common)
    return RandomSearch(*common, max_trials=settings.max_trials)


def _run(study: Study, search: Search) -> None:
    """Search, and leave the study in the state that it ended in."""
    study.update(state="running")
    state = "interrupted"
    try:
        search.run()
        if search.is_finished:
            state = "completed"
    except HopelessError:
        state = "failed"
        raise
    finally:
        study.update(state=state)


def _open(
    settings: StudySettings,
    plan: Plan,
    folder: Path,
    *,
    command: str,
    data: Dataset,
    ready: Ready,
) -> tuple[Study, bool]:
    """Open the study and check that it is the same, or create it."""
    space = {
        "name": plan.space.name,
        "hyperparameters": describe(plan.declared),
        "size": plan.points,
        "source": plan.space.source,
    }
    mark = fingerprint(settings, space, data.split)
    planned = plan.to_dict(settings.epochs or BASELINE.epochs, settings.executions)
    if (folder / "study.json").exists():
        study = Study.open(folder, mend=True)
        if study.record.fingerprint != mark:
            raise StudyChangedError(_changed(study.record, space, data))
        study.update(settings=settings.to_dict(), plan=planned, command=command)
        return study, True
    limits = study_limits(settings, plan, data, ready)
    record = StudyRecord(
        study=folder.name,
        state="running",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        settings=settings.to_dict(),
        space=space,
        data={
            "name": data.name,
            "fingerprint": data.fingerprint,
            "split": data.split,
            "train": len(data.train),
            "validation": len(data.validation),
            "test": len(data.y_test),
            "input_shape": list(data.input_shape),
            "classes": list(data.classes),
        },
        fingerprint=mark,
        versions=ready.versions,
        hardware={
            "device": ready.device,
            "cpu": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": _memory_bytes(),
        },
        limits=asdict(limits),
        plan=planned,
        commit=_commit(),
    )
    study = Study.create(folder, record)
    study.put_labels(data.y_train[data.validation], data.y_test)
    return study, False


def _refuse_changed_settings(settings: StudySettings, folder: Path) -> None:
    """Compare what needs no data first, so that the answer comes at once."""
    if not (folder / "study.json").exists():
        return
    stored = StudySettings.from_dict(Study.open(folder).record.settings).identity()
    asked = settings.identity()
    differences = [
        f"  --{name.replace('_', '-')}: {stored.get(name)} in the study, {value} now"
        for name, value in asked.items()
        if stored.get(name) != value
    ]
    if differences:
        raise StudyChangedError(_with_advice(folder.name, differences))


def _changed(record: StudyRecord, space: dict[str, Any], data: Dataset) -> str:
    differences = []
    if record.space != space:
        differences.append("  the space: its hyperparameters, ranges or file changed")
    if record.data["fingerprint"] != data.fingerprint:
        differences.append("  the data: other images or labels")
    elif record.data["split"] != data.split:
        differences.append("  the split: other training or validation images")
    return _with_advice(record.study, differences)


def _with_advice(study: str, differences: list[str]) -> str:
    return "\n".join(
        [
            f"Study {study} exists with other settings:",
            *differences,
            "Use those to go on with it, --name to keep both, or --overwrite to start",
            "anew (the old study is kept aside).",
        ]
    )


def _replace(folder: Path) -> Path:
    """Move a study aside while its lock stays where it is held."""
    aside = move_aside(folder)
    folder.mkdir()
    for name in (".lock", ".lock.holder"):
        if (aside / name).exists():
            shutil.move(aside / name, folder / name)
    return aside


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Hold a study's lock, and leave no folder where no study came of it."""
    with locks.hold(folder):
        try:
            yield
        finally:
            if not (folder / "study.json").exists():
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mapped(data: Dataset, folder: Path) -> Iterator[Path]:
    """Lay the images out for the workers, for the length of a session."""
    shutil.rmtree(folder, ignore_errors=True)  # of a session that was killed
    try:
        save_arrays(data, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory_bytes() -> int | None:
    if not hasattr(os, "sysconf"):  # Windows
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _commit() -> str | None:
    """Name the git commit of the working folder, where there is one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  the user's own git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
