"""One session of a study, in the order that things must happen.

KerasTuner and Keras are imported here only once the workers are loading theirs:
both take seconds, side by side.
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
    from tuner.search.planning import Plan
    from tuner.search.workload import Workload

_DATA = ".data"  # the images as the workers map them; gone when the session ends
_BEFORE_A_STUDY = {_DATA, "search.log"}  # what a start that was killed leaves


class SessionListener(Listener, Protocol):
    """Who is shown a session, from its first line on."""

    def data_loaded(self, data: Dataset) -> None:
        """The images are split."""

    def study_opened(
        self,
        study: Study,
        ready: Ready,
        work: Workload,
        *,
        resumed: bool,
        ends: float | None = None,
    ) -> None:
        """The plan is known and a worker can train; a search for a time has an end."""


class SessionWorkers(Workers, Protocol):
    """Workers that a session starts, gives the images and ends."""

    def __enter__(self) -> Self:
        """They start loading as they are made."""

    def __exit__(self, *_: object) -> None:
        """End them, whatever they are doing."""

    def open(self, data_folder: Path) -> Ready:
        """Give them the images; the first of them can train now."""


def run_study(
    settings: StudySettings,
    folder: Path,
    command: str,
    listener: SessionListener,
    *,
    overwrite: bool = False,
    started: float | None = None,
) -> Study:
    """Create a study or go on with it, and search until it ends.

    Nothing is written, and an old study is moved for good, only once all that a
    search needs to begin is there.

    Args:
        settings: What to search.
        folder: The study's; its name is the study's.
        command: Typed again, it goes on with the study.
        listener: Who is shown what happens.
        overwrite: Move an older study of that name aside.
        started: When the command began, on the monotonic clock; None for now.

    Returns:
        The study, its state "completed", or "interrupted" where time ran out.

    Raises:
        StudyChangedError: The study exists with other settings.
        StudyLockedError: Another process searches it.
        HopelessError: Too many trials failed in a row; its state is "failed".
        KeyboardInterrupt: The state is "interrupted"; finished trials are kept.
    """
    started = time.monotonic() if started is None else started
    replaces = overwrite and (folder / "study.json").exists()
    with _held(folder), _set_aside(folder, listener) if replaces else nullcontext():
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
            data = open_arrays(images)  # one copy, which the workers map too
            ready = workers.open(images)
            plan = discover(plan, workers, folder)
            shape, classes = data.input_shape, len(data.classes)
            limits = stored_limits(folder) or plan.limits(
                shape, classes, on_gpu=ready.on_gpu, memory_bytes=memory_bytes()
            )
            plan = plan.fitted(limits, shape, classes)
            study, resumed = open_or_describe(
                folder,
                settings,
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
            _remember(study, *notes)
            store(study, data, plan.space.code)
            for note in (*notes, *_other_versions(study, ready)):
                listener.note(note)
            _run(study, search)
    return study


def start_workers(
    settings: StudySettings, log: Path, say: Callable[[str], None]
) -> SessionWorkers:
    """Start the workers that a study's settings ask for.

    Args:
        settings: They say where, and how many.
        log: What this machine's workers print goes there.
        say: Gets notes about workers and nodes that are of no use.

    Raises:
        WorkerStartError: There is no such cluster.
        SettingsError: Ray is not installed.
    """
    if settings.ray:
        try:
            from tuner.workers.ray_workers import RayWorkers
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"--ray needs the extra `ray`, and {error.name} is not installed. "
                "Install tune-keras[ray], or leave --ray out."
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
        own_code=_brings_a_model(settings),
    )


def _brings_a_model(settings: StudySettings) -> bool:
    """Whether a user's own code builds the networks, for all that is known so far."""
    if settings.space in NAMES:
        return False
    path = Path(settings.kept_space or settings.space)
    try:
        return brings_a_model(path.read_text(encoding="utf-8"), str(path))
    except (OSError, ValueError, SyntaxError):
        return False  # the plan says what is wrong with it


def _trainings(settings: StudySettings) -> int:
    """Count the trainings of a study at most, before its plan is known."""
    if settings.space == "published":
        return len(EXPERIMENTS) * settings.executions
    return ((settings.max_trials or 1000) + settings.baseline) * settings.executions


def make_plan(settings: StudySettings) -> Plan:
    """Plan a study; the first call loads KerasTuner.

    Raises:
        SpaceError: The space cannot be used.
        SettingsError: An option does not go with the space.
    """
    with interrupts.delayed(), quiet_stderr():
        if settings.ray:  # its nodes are held to this process's backend
            load_keras()
        load_keras_tuner(whole=settings.space not in NAMES)
        from tuner.search.planning import plan_study
    return plan_study(settings)


def discover(plan: Plan, workers: Workers, folder: Path | None) -> Plan:
    """Let a worker find out what a user's own code declares, and plan with that.

    Args:
        plan: Of any space; only that of such code changes.
        workers: They have the images.
        folder: A study that knows it already, if its file is the same.

    Raises:
        SpaceError: The code fails.
        SettingsError: An option does not go with it.
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
            return plan_space(plan.settings, space.known(stored.user_code))
    while not workers.idle:
        workers.wait()
    workers.submit(DiscoveryTask(space.model))
    while True:
        for event in workers.wait():
            if isinstance(event, Discovery):
                return plan_space(plan.settings, space.known(event.discovered))
            if isinstance(event, TrainingFailure | WorkerLoss):
                raise SpaceError(event.error.removeprefix("SpaceError: "))


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


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """Keep a folder for the length of a session, empty at first and gone at last."""
    shutil.rmtree(folder, ignore_errors=True)  # of a session that was killed
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
    """Build a fresh proposer and the loop around it; nothing is written.

    Args:
        study: Its limits say what is not proposed.
        plan: Fitted to those limits.
        workers: Where to train.
        listener: Hears which of the given trials are skipped.
        started: When the session began, on the monotonic clock; None for now.
    """
    data = study.record.data
    limits = Limits(**study.record.limits)
    shape, classes = data.shape, len(data.classes)
    screen = Screen(limits, shape, classes)
    given = []
    for proposal in plan.given_trials():
        reason = screen.refusal(proposal.config)
        if screen.has(proposal.config):
            reason = "another of them builds the same network"
        if reason is None:
            screen.add(proposal.config)
            given.append(proposal)
        else:
            note = f"Trial {proposal.trial}, {proposal.name}, is skipped: {reason}."
            listener.note(note)
            _remember(study, note)
    started = time.monotonic() if started is None else started
    deadline = None
    if plan.settings.in_s is not None:
        left = plan.settings.in_s - study.record.seconds - LAST_PAGE_S
        work = plan.workload(limits, shape, classes)
        deadline = Deadline(started + left, study, work)
    return Search(
        study=study,
        settings=plan.settings,
        proposer=plan.proposer(screen, given),
        workers=workers,
        listener=listener,
        rejected=screen.counts,
        user_model=getattr(plan.space, "model", None),
        started=started,
        deadline=deadline,
    )


def _remember(study: Study, *notes: str) -> None:
    """Add notes to a study's record, which is written later; each stands there once."""
    kept = tuple(dict.fromkeys([*study.record.notes, *notes]))
    study.record = replace(study.record, notes=kept)


def _other_versions(study: Study, ready: Ready) -> list[str]:
    """Say which packages are not those that the study began with."""
    return [
        f"The study began with {name} {study.record.versions[name]}, and this is "
        f"{now}: later trials may differ by that."
        for name, now in ready.versions.items()
        if study.record.versions.get(name, now) != now
    ]


def _run(study: Study, search: Search) -> None:
    """Search, and leave the study in the state that it ended in."""
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
def _held(folder: Path) -> Iterator[None]:
    """Hold a study's lock, and leave no folder where no study came of it."""
    with locks.hold(folder):
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        is_study = (folder / "study.json").exists()
        foreign = {path.name for path in folder.iterdir()} - _BEFORE_A_STUDY
        if foreign and not is_study:
            raise NotAStudyError(
                f"A study's folder must be new or hold a study.json, and {folder} has "
                f"{min(foreign)}. Use another --name, or move what is there away."
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
def _set_aside(folder: Path, listener: Listener) -> Iterator[None]:
    """Move a study out of the way, and back where no new one came in its place."""
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
