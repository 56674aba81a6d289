"""Choose images, epochs and trials that fill a given time: `--in 15m`."""

from __future__ import annotations

import math
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from search_spaces.user_code import OwnSpace
from tuner.search.deadline import LAST_PAGE_S
from tuner.search.timing import Speed, measured
from tuner.study import words as wording
from tuner.study.folder import Study
from tuner.study.settings import SettingsError, StudySettings

CHOSEN = ("limit", "epochs", "max_trials")  # where a user leaves them open
_FEWEST_TRIALS = 12  # a best of fewer says little, and the last would end too late
_MOST_TRIALS = 10**9  # more than any time holds
_FEWEST_IMAGES = 500
_ENOUGH_IMAGES = 2000  # below so many, an epoch less is the smaller loss
_EPOCHS = (5, 3, 2, 1)
_TRIALS_TO_SPARE = 1.5  # that many more are planned; the clock ends the search
# Two small networks of equal accuracy disagree on about a quarter of the images; an
# effect of 2.8 standard errors is detected at 5 % with 80 % power (Cohen 1988).
_DISAGREEMENT = 0.25
_DETECTED = 2.8


@dataclass(frozen=True)
class Fit:
    """Sizes that fill a time.

    Attributes:
        images: Training images, validation included.
        epochs: Of every training, on average.
        trials: Besides the baseline; fewer than `_FEWEST_TRIALS` does not fit.
    """

    images: int
    epochs: int
    trials: int


def stored(
    settings: StudySettings, folder: Path, given: Collection[str]
) -> StudySettings | None:
    """Take what was chosen for a study as it began, or None if it is new.

    A longer time has more trials, where the algorithm lets a study grow.

    Args:
        settings: With `in_s`.
        folder: The study's.
        given: Names of `CHOSEN` that the user gave.

    Raises:
        SettingsError: The study was not begun for a time.
    """
    if not (folder / "study.json").exists():
        return None
    known = Study.open(folder).record.settings
    if known.in_s is None:
        raise SettingsError(
            f"--in plans a study as it begins, and {folder.name} was begun without. "
            "Leave --in out to go on with it, or give another --name."
        )
    taken = {name: getattr(known, name) for name in CHOSEN if name not in given}
    more = (settings.in_s or 0.0) / known.in_s if known.in_s else 1.0
    if taken.get("max_trials") and more > 1 and settings.search_algorithm.can_grow:
        taken["max_trials"] = math.ceil(more * taken["max_trials"])
    return replace(settings, **taken)


def chosen(
    settings: StudySettings,
    given: Collection[str],
    started: float,
    say: Callable[[str], None],
) -> StudySettings:
    """Set what the user left open so that the search takes `settings.in_s`.

    Args:
        settings: With `in_s`.
        given: Names of `CHOSEN` that the user gave; these stay.
        started: When the command began, on the monotonic clock.
        say: Gets notes, and what was chosen.

    Raises:
        SettingsError: Not even the smallest plan fits.
    """
    with measured(settings, say) as speed:
        if not speed.timed:
            raise SettingsError(
                "--in needs a config that can be timed here, and none could. "
                "Leave it out, and see what a trial's error says."
            )
        # The search loads its backend and images as this did.
        overhead = time.monotonic() - started + speed.load_s + LAST_PAGE_S
        available = (settings.in_s or 0.0) - overhead
        fits = list(_fits(speed, settings, given, available))
    fewest = _fewest(speed, settings, given)
    fit = next((f for f in fits if f.trials >= fewest), None)
    if fit is None:
        raise SettingsError(_too_short(speed, settings, fewest, fits[-1], overhead))
    fit = replace(fit, trials=min(fit.trials, _most(speed, settings, given)))
    say(words(fit, speed))
    trials = settings.max_trials
    if "max_trials" not in given:
        spare = _TRIALS_TO_SPARE if settings.search_algorithm.can_grow else 1.0
        trials = math.ceil(fit.trials * spare)
    limit = settings.limit if fit.images == speed.sizes.images else fit.images
    return replace(settings, limit=limit, epochs=fit.epochs, max_trials=trials)


def words(fit: Fit, speed: Speed) -> str:
    """Say a plan, and the smallest difference that it can show."""
    test = len(speed.data.test)
    smallest = wording.points(smallest_difference(test))
    return (
        f"Plan  {fit.images:,} of {speed.sizes.images:,} "
        f"training images, {wording.several(fit.epochs, 'epoch')}, about "
        f"{fit.trials} trials. Of two trials that disagree on a quarter of the images, "
        f"{test:,} test images can show a difference of {smallest} points or more; "
        "another seed adds to that."
    )


def _too_short(
    speed: Speed, settings: StudySettings, fewest: int, least: Fit, overhead: float
) -> str:
    """Say that a time holds too few trials, and which would hold enough."""
    training = _training_s(speed, settings, least.images, least.epochs)
    trainings = _trainings(speed, settings, least.epochs, fewest)
    enough = 1.1 * (overhead + training * trainings / speed.workers)
    enough_s = math.ceil(enough / 10) * 10  # starting takes not always the same
    least_in = f"{enough_s}s" if enough_s <= 90 else f"{math.ceil(enough / 60)}m"
    first = " and the baseline" if settings.baseline else ""
    smaller = ", or smaller networks with --max-params"
    return (
        f"--in must have time for {wording.several(fewest, 'trial')}{first}, about "
        f"{least_in} here with {least.images:,} images and "
        f"{wording.several(least.epochs, 'epoch')} each. Got {settings.in_s:g} s: "
        f"starting, timing and the page take {overhead:.0f} s, which leaves time for "
        f"{wording.several(least.trials, 'trial')}. Give --in {least_in}, or fewer "
        f"trials with -n{'' if isinstance(speed.plan.space, OwnSpace) else smaller}."
    )


def smallest_difference(images: int) -> float:
    """Give what a comparison of two networks on the same images detects, a fraction.

    2.8 sqrt(d / n), for networks that disagree on d = 1/4 of the images.

    Args:
        images: n, > 0.
    """
    return _DETECTED * math.sqrt(_DISAGREEMENT / images)


def _fits(
    speed: Speed, settings: StudySettings, given: Collection[str], available: float
) -> Iterator[Fit]:
    """Give plans that fit, best first: many images, then epochs, then trials.

    Args:
        speed: What was measured.
        settings: What the user asked for.
        given: Names of `CHOSEN` that stay.
        available: Seconds of the search.
    """
    # Where epochs are the fidelity, first rungs are short already. And a base is not
    # itself with other epochs than those it was found with.
    is_open = "epochs" not in given and settings.base is None
    is_open = is_open and not settings.search_algorithm.sets_epochs
    epochs = _EPOCHS if is_open else (settings.epochs or 1,)
    wanted = _fewest(speed, settings, given)
    everything = speed.sizes.images
    smaller = []
    for number in epochs:
        images = everything
        if "limit" not in given:
            images = _images(speed, settings, number, wanted, available)
        images = max(images, min(_FEWEST_IMAGES, everything))
        fit = _fit(speed, settings, images, number, available)
        if images >= min(_ENOUGH_IMAGES, everything):
            yield fit
        else:
            smaller.append(fit)
    yield from sorted(smaller, key=lambda fit: -fit.images)


def _fewest(speed: Speed, settings: StudySettings, given: Collection[str]) -> int:
    """Say how many trials a plan must hold."""
    wanted = settings.max_trials if "max_trials" in given else None
    return min(wanted or _FEWEST_TRIALS, _most(speed, settings, given))


def _most(speed: Speed, settings: StudySettings, given: Collection[str]) -> int:
    """Say how many trials there can be: by option, by space, or by schedule."""
    planned = speed.plan.record().trials or 0
    is_default = "max_trials" not in given and planned == settings.max_trials
    return (speed.plan.points or sys.maxsize) if is_default else planned


def _images(
    speed: Speed, settings: StudySettings, epochs: int, trials: int, available: float
) -> int:
    """Give the most images, to two digits, that leave time for so many trials."""
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
    """Count the trials that fit."""
    training = _training_s(speed, settings, images, epochs)
    held = available * speed.workers / training
    algorithm, options = settings.search_algorithm, settings.algorithm_options
    most = algorithm.schedule(_MOST_TRIALS, epochs, options).trials
    trials = bisect_right(
        range(1, most + 1),
        held,
        key=lambda count: _trainings(speed, settings, epochs, count),
    )
    return Fit(images, epochs, trials)


def _training_s(
    speed: Speed, settings: StudySettings, images: int, epochs: int
) -> float:
    """Give what a trial to the end takes on one worker, all of its seeds."""
    return speed.training_s(speed.sizes.of(images), epochs) * settings.executions


def _trainings(
    speed: Speed, settings: StudySettings, epochs: int, trials: int
) -> float:
    """Count the trials to the end that the workers have time for in a plan of some.

    The baseline is one. While the last trial ends, the other workers idle: half of
    one, on average.
    """
    trained = 0.0
    if trials:
        options = settings.algorithm_options
        schedule = settings.search_algorithm.schedule(trials, epochs, options)
        trained = schedule.epochs / epochs
    return trained + settings.baseline + (speed.workers - 1) / 2
