"""Choose the images, epochs and trials that fill a time such as `--in 15m`."""

from __future__ import annotations

import math
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from search_spaces.user_code import UserSpace
from tuner.search.deadline import LAST_PAGE_S
from tuner.search.timing import Speed, measure_speed
from tuner.study import words as wording
from tuner.study.folder import Study
from tuner.study.settings import SettingsError, StudySettings

SIZES = ("limit", "epochs", "max_trials")  # chosen here unless the user sets them
_FEWEST_TRIALS = 12  # the best of fewer says little, and the last would end too late
_MOST_TRIALS = 10**9  # more than any time holds
_FEWEST_IMAGES = 500
_ENOUGH_IMAGES = 2000  # below this, dropping an epoch costs less than dropping images
_EPOCHS = (5, 3, 2, 1)
_SPARE_TRIALS = 1.5  # plan this many times the trials that fit; the clock ends them
# Two small networks of equal accuracy disagree on about a quarter of the images; an
# effect of 2.8 standard errors is detected at 5 % with 80 % power (Cohen 1988).
_DISAGREEMENT = 0.25
_DETECTED = 2.8


@dataclass(frozen=True)
class Fit:
    """Sizes of a search that fill a time.

    Attributes:
        images: Training images, validation images included.
        epochs: Epochs per training, on average.
        trials: Trials besides the baseline; a plan with too few is not used.
    """

    images: int
    epochs: int
    trials: int


def stored_sizes(
    settings: StudySettings, folder: Path, set_by_user: Collection[str]
) -> StudySettings | None:
    """Set the sizes that were chosen when the study began; None if it is new.

    A longer time gets more trials if the algorithm lets a study grow.

    Args:
        settings: With `in_s`.
        folder: The study's folder.
        set_by_user: Names of `SIZES` that the user sets.

    Raises:
        SettingsError: The study was begun without --in.
    """
    if not (folder / "study.json").exists():
        return None
    stored = Study.open(folder).record.settings
    if stored.in_s is None:
        raise SettingsError(
            f"--in plans a new study, and {folder.name} was begun without it. Leave "
            "--in out to resume, or give another --name."
        )
    sizes = {name: getattr(stored, name) for name in SIZES if name not in set_by_user}
    before, now = (s.in_s or 0.0 for s in (stored, settings))
    before, now = before - stored.reserved_s, now - settings.reserved_s
    ratio = now / before if before else 1.0
    if sizes.get("max_trials") and ratio > 1 and settings.search_algorithm.can_grow:
        sizes["max_trials"] = math.ceil(ratio * sizes["max_trials"])
    return replace(settings, **sizes)


def choose_sizes(
    settings: StudySettings,
    set_by_user: Collection[str],
    started: float,
    say: Callable[[str], None],
) -> StudySettings:
    """Choose the sizes that the user left open, so that the search takes its time.

    Args:
        settings: With `in_s`, the seconds that the search should take.
        set_by_user: Names of `SIZES` that the user sets; these stay.
        started: When the command began, on the monotonic clock.
        say: Called with notes, and with the chosen plan.

    Raises:
        SettingsError: Not even the smallest plan fits.
    """
    with measure_speed(settings, say) as speed:
        if not speed.timed:
            raise SettingsError(
                "--in must time a config on this machine, and every config failed. "
                "Leave --in out to see the error of a trial."
            )
        # The search loads Keras and the images once more.
        overhead = time.monotonic() - started + speed.load_s + LAST_PAGE_S
        available = (settings.in_s or 0.0) - settings.reserved_s - overhead
        fits = list(_fits(speed, settings, set_by_user, available))
    fewest = _fewest_trials(speed, settings, set_by_user)
    fit = next((f for f in fits if f.trials >= fewest), None)
    if fit is None:
        raise SettingsError(_too_short(speed, settings, fewest, fits[-1], overhead))
    most = _most_trials(speed, settings, set_by_user)
    fit = replace(fit, trials=min(fit.trials, most))
    say(describe(fit, speed, settings.reserved_s))
    trials = settings.max_trials
    if "max_trials" not in set_by_user:
        spare = _SPARE_TRIALS if settings.search_algorithm.can_grow else 1.0
        trials = math.ceil(fit.trials * spare)
    limit = settings.limit if fit.images == speed.sizes.images else fit.images
    return replace(
        settings,
        limit=limit,
        epochs=fit.epochs,
        max_trials=trials,
        precision=speed.plan.settings.precision,
    )


def describe(fit: Fit, speed: Speed, reserved_s: float = 0.0) -> str:
    """Return a plan in words, with the smallest difference that it can detect.

    Args:
        fit: The sizes of the search.
        speed: The measured speed.
        reserved_s: Seconds that are kept for training the winner on all images.
    """
    test = len(speed.data.test)
    smallest = wording.points(smallest_difference(test))
    last = ""
    if reserved_s:
        last = f" The winner then trains on all images for {wording.about(reserved_s)}."
    up_to = "up to " if speed.plan.algorithm.sets_epochs else ""
    return (
        f"Plan  {fit.images:,} of {speed.sizes.images:,} "
        f"training images, {up_to}{wording.several(fit.epochs, 'epoch')}, about "
        f"{fit.trials} trials.{last} {test:,} test images can show a difference of "
        f"{smallest} points or more between two trials that disagree on a quarter of "
        "the images; differences between seeds come on top."
    )


def _too_short(
    speed: Speed, settings: StudySettings, fewest: int, least: Fit, overhead: float
) -> str:
    """Return the error for a time that is too short, with one that is long enough."""
    work = _worker_s(speed, settings, least.images, least.epochs, fewest)
    enough = 1.1 * (overhead + settings.reserved_s + work / speed.workers)
    enough_s = math.ceil(enough / 10) * 10  # rounded up: start times vary
    least_in = f"{enough_s}s" if enough_s <= 90 else f"{math.ceil(enough / 60)}m"
    baseline = " and the baseline" if settings.baseline else ""
    smaller = ", or smaller networks with --max-params"
    return (
        f"--in must have time for {wording.several(fewest, 'trial')}{baseline}, about "
        f"{least_in} on this machine with {least.images:,} images and "
        f"{wording.several(least.epochs, 'epoch')} each. Got {settings.in_s:g} s: "
        f"starting, timing and the report take {overhead:.0f} s, which leaves time for "
        f"{wording.several(least.trials, 'trial')}. Give --in {least_in}, or fewer "
        f"trials with -n{'' if isinstance(speed.plan.space, UserSpace) else smaller}."
    )


def smallest_difference(images: int) -> float:
    """Return the smallest accuracy difference that two networks can show, a fraction.

    It is 2.8 sqrt(d / n) for networks that disagree on d = 1/4 of the same n images.

    Args:
        images: n, > 0.
    """
    return _DETECTED * math.sqrt(_DISAGREEMENT / images)


def _fits(
    speed: Speed,
    settings: StudySettings,
    set_by_user: Collection[str],
    available: float,
) -> Iterator[Fit]:
    """Yield plans that fit, best first: many images, then epochs, then trials.

    Args:
        speed: The measured speed.
        settings: The settings that the user chose.
        set_by_user: Names of `SIZES` that the user sets; these stay.
        available: Seconds that the search has.
    """
    # An algorithm that sets the epochs starts with few of them already. A base keeps
    # the epochs of its trial, since with others it would be another config.
    may_choose_epochs = "epochs" not in set_by_user and settings.base is None
    may_choose_epochs = may_choose_epochs and not settings.search_algorithm.sets_epochs
    epochs = _EPOCHS if may_choose_epochs else (settings.epochs or 1,)
    fewest = _fewest_trials(speed, settings, set_by_user)
    all_images = speed.sizes.images
    smaller = []
    for number in epochs:
        images = all_images
        if "limit" not in set_by_user:
            images = _images(speed, settings, number, fewest, available)
        images = max(images, min(_FEWEST_IMAGES, all_images))
        fit = _fit(speed, settings, images, number, available)
        if images >= min(_ENOUGH_IMAGES, all_images):
            yield fit
        else:
            smaller.append(fit)
    yield from sorted(smaller, key=lambda fit: -fit.images)


def _fewest_trials(
    speed: Speed, settings: StudySettings, set_by_user: Collection[str]
) -> int:
    """Return how many trials a plan must have time for."""
    wanted = settings.max_trials if "max_trials" in set_by_user else None
    algorithm = settings.search_algorithm
    if algorithm.sets_epochs:  # its first rung is cheap, so more trials cost little
        wanted = wanted or algorithm.default_trials
    return min(wanted or _FEWEST_TRIALS, _most_trials(speed, settings, set_by_user))


def _most_trials(
    speed: Speed, settings: StudySettings, set_by_user: Collection[str]
) -> int:
    """Return how many trials -n, the algorithm's plan or the space's size allow."""
    planned = speed.plan.record().trials or 0
    is_default = "max_trials" not in set_by_user and planned == settings.max_trials
    return (speed.plan.points or sys.maxsize) if is_default else planned


def _images(
    speed: Speed, settings: StudySettings, epochs: int, trials: int, available: float
) -> int:
    """Return the most images, to two digits, that leave time for `trials` trials."""
    low, high = 0, speed.sizes.images
    if _fit(speed, settings, high, epochs, available).trials >= trials:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        fits = _fit(speed, settings, middle, epochs, available).trials >= trials
        low, high = (middle, high) if fits else (low, middle)
    unit: int = 10 ** max(0, len(str(low)) - 2)
    return low // unit * unit


def _fit(
    speed: Speed, settings: StudySettings, images: int, epochs: int, available: float
) -> Fit:
    """Return how many trials of this size fit into the available time."""
    held = available * speed.workers
    algorithm, options = settings.search_algorithm, settings.algorithm_options
    most = algorithm.schedule(_MOST_TRIALS, epochs, options).trials
    most += sum(1 for p in speed.plan.preset_trials() if p.trial)
    trials = bisect_right(
        range(1, most + 1),
        held,
        key=lambda count: _worker_s(speed, settings, images, epochs, count),
    )
    return Fit(images, epochs, trials)


def _worker_s(
    speed: Speed, settings: StudySettings, images: int, epochs: int, trials: int
) -> float:
    """Return the worker time that a plan takes, all seeds, in seconds.

    While the last trial ends, each other worker is idle for half a trial, on average.
    """
    preset = speed.plan.preset_trials()
    runs, total = len(preset), len(preset) * epochs
    drawn = trials - sum(1 for p in preset if p.trial)
    if drawn > 0:
        options = settings.algorithm_options
        schedule = settings.search_algorithm.schedule(drawn, epochs, options)
        if speed.plan.restarts:
            schedule = schedule.from_scratch()
        runs, total = runs + schedule.runs, total + schedule.epochs
    sizes = speed.sizes.of(images)
    work = speed.worker_s(sizes, runs, total)
    idle = speed.training_s(sizes, epochs) * (speed.workers - 1) / 2
    return settings.executions * (work + idle)
