"""Run one session of a study, step by step.

This process imports KerasTuner and Keras only after the workers have started to load
theirs, so that both load at the same time: each takes seconds.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from search_spaces.errors import ExpectedError, UsageError
from search_spaces.published import EXPERIMENTS
from search_spaces.space import NAMES
from search_spaces.user_code import brings_a_model
from tuner.algorithms.screening import Limits, Screen
from tuner.data.dataset import Dataset, load_dataset, open_arrays, save_arrays
from tuner.data.duplicates import duplicate_warnings
from tuner.search.deadline import LAST_PAGE_S, Deadline
from tuner.search.loop import HopelessError, Listener, Search, Workers
from tuner.search.opening import (
    open_or_describe,
    refuse_changed_settings,
    store,
    stored_limits,
)
from tuner.search.precision import ask, with_precision, with_stored_precision
from tuner.study.folder import NotAStudyError, Study, move_aside
from tuner.study.settings import SettingsError, StudySettings
from tuner.study.tasks import (
    Discovery,
    DiscoveryTask,
    Ready,
    TrainingFailure,
    WorkerLoss,
)
from tuner.system import interrupts, locks
from tuner.system.machine import memory_bytes
from tuner.system.quiet import quiet_stderr
from tuner.training.loading import load_keras, load_keras_tuner
from tuner.workers.local import LocalWorkers
from tuner.workers.placement import most_at_a_time, place

if TYPE_CHECKING:
    from tuner.search.plan import Plan
    from tuner.search.workload import Workload

_DATA = ".data"  # the images that the workers map; deleted when the session ends
_LEFTOVERS = {_DATA, "search.log"}  # of a session that was killed before it had a study


class SessionListener(Listener, Protocol):
    """Shows the user a whole session."""

    def data_loaded(self, data: Dataset) -> None:
        """The images are loaded and split."""

    def study_opened(
        self,
        study: Study,
        ready: Ready,
        work: Workload,
        *,
        resumed: bool,
        ends: float | None = None,
    ) -> None:
        """The plan is known and a worker can train; `ends` is set by `--in`."""


class SessionWorkers(Workers, Protocol):
    """Workers that a session starts and ends."""

    def __enter__(self) -> Self:
        """Return the workers, which load their backend."""

    def __exit__(self, *_: object) -> None:
        """End the workers, whatever they are doing."""

    def open(self, data_folder: Path) -> Ready:
        """Give the workers the images, and wait until one of them can train."""


def run_study(
    settings: StudySettings,
    folder: Path,
    command: str,
    listener: SessionListener,
    *,
    overwrite: bool = False,
    started: float | None = None,
) -> Study:
    """Create or resume a study, and search until it ends.

    Nothing is written until the search can begin. If that fails, an old study that was
    moved aside is moved back.

    Args:
        settings: The study's settings.
        folder: The study's folder, which has the study's name.
        command: The command that resumes the study.
        listener: Shows the user what happens.
        overwrite: Move an existing study of that name aside.
        started: When the command began, on the monotonic clock; None for now.

    Returns:
        The study; its state is "completed", or "interrupted" if time ran out.

    Raises:
        StudyChangedError: The study exists with other settings.
        StudyLockedError: Another process searches the study.
        HopelessError: Too many trials failed in a row; the state is "failed".
        KeyboardInterrupt: The state is "interrupted"; finished trials are saved.
    """
    started = time.monotonic() if started is None else started
    replaces = overwrite and (folder / "study.json").exists()
    with _locked(folder), _moved_aside(folder, listener) if replaces else nullcontext():
        settings = with_stored_precision(settings, folder)
        refuse_changed_settings(settings, folder)
        log = folder / "search.log"
        with (
            emptied(folder / _DATA) as images,
            start_workers(settings, log, listener.note) as workers,
        ):
            plan = make_plan(settings)
            data = load_data(settings, listener.note)
            listener.data_loaded(data)
            save_arrays(data, images)
            data = open_arrays(images)  # a single copy, shared with the workers
            ready = workers.open(images)
            plan = discover(plan, workers, folder)
            shape, classes = data.input_shape, len(data.classes)
            limits = stored_limits(folder) or plan.limits(
                shape, classes, on_gpu=ready.on_gpu, memory_bytes=memory_bytes()
            )
            plan = plan.fitted(limits, shape, classes)
            plan = with_precision(plan, workers, listener.note, on_gpu=ready.on_gpu)
            study, resumed = open_or_describe(
                folder,
                plan.settings,
                command=command,
                space=plan.describe_space(),
                plan=plan.record(),
                limits=limits,
                data=data,
                ready=ready,
            )
            search = prepare(study, plan, workers, listener, started)
            work = plan.workload(limits, shape, classes)
            ends = search.deadline.end if search.deadline else None
            listener.study_opened(study, ready, work, resumed=resumed, ends=ends)
            notes = (*plan.notes, *duplicate_warnings(data))
            _add_notes(study, *notes)
            store(study, data, plan.space.code)
            for note in (*notes, *_changed_versions(study, ready)):
                listener.note(note)
            _run(study, search)
    return study


def start_workers(
    settings: StudySettings, log: Path, say: Callable[[str], None]
) -> SessionWorkers:
    """Start the workers for a study's settings.

    Args:
        settings: The study's settings.
        log: The file for the output of this machine's workers.
        say: Receives notes about workers and nodes that cannot be used.

    Raises:
        WorkerStartError: There is no such cluster.
        SettingsError: Ray is not installed.
    """
    if settings.ray:
        try:
            from tuner.workers.ray_workers import RayWorkers
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"--ray needs the extra `ray`, but {error.name} is not installed. "
                "Install tune-keras[ray], or remove --ray."
            ) from error
        return RayWorkers(
            settings.ray,
            say,
            device=settings.device,
            count=settings.workers,
            per_gpu=settings.workers_per_gpu,
            most=most_at_a_time(
                _trainings(settings), learns=settings.search_algorithm.learns
            ),
            task_timeout=settings.trial_timeout_s,
        )
    placement = place(
        settings.workers,
        settings.device,
        trainings=_trainings(settings),
        learns=settings.search_algorithm.learns,
        per_gpu=settings.workers_per_gpu,
        deterministic=settings.deterministic,
    )
    return LocalWorkers(
        log,
        say,
        settings.device,
        placement,
        task_timeout=settings.trial_timeout_s,
        user_code=_brings_a_model(settings),
    )


def _brings_a_model(settings: StudySettings) -> bool:
    """Whether the space may be a user's own model, before the space is loaded."""
    if settings.space in NAMES:
        return False
    path = Path(settings.kept_space or settings.space)
    try:
        return brings_a_model(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, SyntaxError):
        return False  # planning reports what is wrong with the file


def _trainings(settings: StudySettings) -> int:
    """Return the maximum number of runs of a study, before its plan is known."""
    if settings.candidates:
        return sum(candidate.seeds for candidate in settings.candidates)
    if settings.space == "published":
        return len(EXPERIMENTS) * settings.executions
    return ((settings.max_trials or 1000) + settings.baseline) * settings.executions


def make_plan(settings: StudySettings) -> Plan:
    """Plan a study; the first call loads KerasTuner.

    Raises:
        SpaceError: The space cannot be used.
        SettingsError: An option cannot be combined with the space.
    """
    with interrupts.delayed(), quiet_stderr():
        if settings.ray:  # nodes are compared with this process's backend
            load_keras()
        load_keras_tuner(with_extras=settings.space not in NAMES)
        from tuner.search.planning import plan_study
    return plan_study(settings)


def discover(plan: Plan, workers: Workers, folder: Path | None) -> Plan:
    """Let a worker discover the hyperparameters of a user's code, and plan with them.

    Args:
        plan: A plan; the plan of a space without a user's model is returned as it is.
        workers: Workers that have the images.
        folder: The study's folder; if it has a study of the same file, that study's
            discovery is used.

    Raises:
        SpaceError: The code fails.
        SettingsError: An option cannot be combined with the code.
    """
    from search_spaces.space import SpaceError
    from search_spaces.user_code import UserSpace
    from tuner.search.planning import plan_space

    space = plan.space
    if not isinstance(space, UserSpace):
        return plan
    if folder and (folder / "study.json").exists():
        stored = Study.open(folder).record.space
        if stored.source == space.source and stored.user_code is not None:
            return plan_space(plan.settings, space.with_discovery(stored.user_code))
    answer = ask(workers, DiscoveryTask(space.model))
    if isinstance(answer, TrainingFailure | WorkerLoss):
        raise SpaceError(answer.error.removeprefix("SpaceError: "))
    assert isinstance(answer, Discovery)  # noqa: S101  the answer to that request
    return plan_space(plan.settings, space.with_discovery(answer.discovered))


def load_data(settings: StudySettings, say: Callable[[str], None]) -> Dataset:
    """Load and split the images of a study's settings.

    Raises:
        DatasetError: The images cannot be used.
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


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """Create an empty folder for a session, and delete it afterwards."""
    shutil.rmtree(folder, ignore_errors=True)  # left by a session that was killed
    folder.mkdir(exist_ok=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prepare(
    study: Study,
    plan: Plan,
    workers: Workers,
    listener: Listener,
    started: float | None = None,
) -> Search:
    """Create a new proposer and the search loop around it; write nothing.

    Args:
        study: The study; larger networks than its limits allow are not proposed.
        plan: A plan that was fitted to those limits.
        workers: The workers that train.
        listener: Is told which preset trials are skipped.
        started: When the session began, on the monotonic clock; None for now.
    """
    data = study.record.data
    limits = Limits(**study.record.limits)
    shape, classes = data.shape, len(data.classes)
    screen = Screen(limits, shape, classes)
    preset = []
    for proposal in plan.preset_trials():
        reason = screen.refusal(proposal.config)
        if screen.has(proposal.config):
            reason = "an earlier trial has the same network"
        if reason is None:
            screen.add(proposal.config)
            preset.append(proposal)
        else:
            note = f"Trial {proposal.trial}, {proposal.name}, is skipped: {reason}."
            listener.note(note)
            _add_notes(study, note)
    started = time.monotonic() if started is None else started
    deadline = None
    if plan.settings.in_s is not None:
        search_s = plan.settings.in_s - plan.settings.reserved_s
        left = search_s - study.record.seconds - LAST_PAGE_S
        work = plan.workload(limits, shape, classes)
        deadline = Deadline(started + left, study, work)
    return Search(
        study=study,
        settings=plan.settings,
        proposer=plan.proposer(screen, preset),
        workers=workers,
        listener=listener,
        rejected=screen.counts,
        user_model=getattr(plan.space, "model", None),
        started=started,
        deadline=deadline,
    )


def _add_notes(study: Study, *notes: str) -> None:
    """Add new notes to a study's record, which is written later."""
    unique = tuple(dict.fromkeys([*study.record.notes, *notes]))
    study.record = replace(study.record, notes=unique)


def _changed_versions(study: Study, ready: Ready) -> list[str]:
    """Describe the packages whose versions changed since the study began."""
    return [
        f"The study began with {name} {study.record.versions[name]}, now it is "
        f"{now}: results of new trials may differ."
        for name, now in ready.versions.items()
        if study.record.versions.get(name, now) != now
    ]


def _run(study: Study, search: Search) -> None:
    """Search, and store the study's final state."""
    study.update(state="running")
    state = "interrupted"
    try:
        search.run()
        if search.is_finished:
            state = "completed" if study.trials else "failed"
    except HopelessError:
        state = "failed"
        raise
    finally:
        study.update(state=state)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a study's lock, and delete its new folder if no study was created."""
    with locks.hold(folder):
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        is_study = (folder / "study.json").exists()
        foreign = {path.name for path in folder.iterdir()} - _LEFTOVERS
        if foreign and not is_study:
            raise NotAStudyError(
                f"A study's folder must be new or contain a study.json, but {folder} "
                f"contains {min(foreign)}. Use another --name, or move its files away."
            )
        try:
            yield
        except BaseException as error:
            names_the_log = isinstance(error, ExpectedError)
            names_the_log = names_the_log and not isinstance(error, UsageError)
            if is_new and not names_the_log and not (folder / "study.json").exists():
                shutil.rmtree(folder, ignore_errors=True)
            raise


@contextmanager
def _moved_aside(folder: Path, listener: Listener) -> Iterator[None]:
    """Move a study aside, and back if no new study was created in its place."""
    aside = move_aside(folder)
    listener.note(f"The old study is now in {aside}")
    folder.mkdir()
    try:
        yield
    except BaseException:
        if not (folder / "study.json").exists():
            log = folder / "search.log"
            if log.exists():
                log.replace(aside / log.name)
            shutil.rmtree(folder, ignore_errors=True)
            aside.replace(folder)
            listener.note(f"The old study is back in {folder}")
        raise
