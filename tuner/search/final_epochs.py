"""Choose the epochs that a finished network trains, so that it fills a time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from search_spaces.config import CnnConfig
from search_spaces.user_code import Config
from tuner.search.deadline import LAST_PAGE_S
from tuner.search.timing import measure_speed, training_seconds
from tuner.study import words
from tuner.study.settings import SettingsError, StudySettings

# More epochs than this overfit sooner than they help; at a constant learning rate, any
# more than the search chose may do so.
_MOST_TIMES = 10  # the config's own epochs
_MOST = 60


def most_epochs(config: Config) -> int:
    """Return the most epochs that a time may be filled with.

    Args:
        config: The config with its epochs in the search.
    """
    own = config.epochs
    if isinstance(config, CnnConfig) and not config.is_scheduled:
        return own
    return max(own, min(_MOST_TIMES * own, _MOST))


def epochs_within(
    settings: StudySettings,
    seconds: float,
    started: float,
    say: Callable[[str], None],
) -> int:
    """Time a study's only candidate, and return the epochs that fit into a time.

    Args:
        settings: The settings of a study of kind "final".
        seconds: The time that the whole command should take.
        started: When it began, on the monotonic clock.
        say: Called with notes, and with the chosen number.

    Raises:
        SettingsError: Not even one epoch fits, or the config cannot be timed.
    """
    with measure_speed(settings, say) as speed:
        if not speed.timed:
            raise SettingsError(
                "--in must time the config on this machine, and building or training "
                "it failed. Leave --in out to see the error."
            )
        (config, timing), *_ = speed.timed
        start, images = training_seconds(timing, speed.sizes, 0), len(speed.data.train)
        epoch = training_seconds(timing, speed.sizes, 1) - start
        # The training loads Keras and the images once more.
        overhead = time.monotonic() - started + speed.load_s + LAST_PAGE_S + start
    epochs = int((seconds - overhead) / epoch)
    if epochs < 1:
        enough = math.ceil((overhead + epoch) / 10) * 10
        raise SettingsError(
            f"--in must have time for one epoch of {images:,} images, about "
            f"{enough}s on this machine, got {seconds:.0f}s. Give --in {enough}s, or "
            "leave it out for the config's own epochs."
        )
    epochs = min(epochs, most_epochs(config))
    say(
        f"Plan  {words.several(epochs, 'epoch')} of {images:,} images, "
        f"{words.about(epochs * epoch)} of training; the trial had {config.epochs}."
    )
    return epochs
