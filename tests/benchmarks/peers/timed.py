"""A callback that ends `fit` when the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable

import keras


class Until(keras.callbacks.Callback):
    """Call something after the first batch that ends too late.

    Args:
        end: On the monotonic clock.
        stop: What to call; None stops this `fit` alone.
    """

    def __init__(self, end: float, stop: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._end, self._stop = end, stop

    def __deepcopy__(self, memo: object) -> Until:
        """KerasTuner copies its callbacks for every trial."""
        return Until(self._end, self._stop)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        """Look at the clock."""
        if time.monotonic() < self._end:
            return
        if self._stop:
            self._stop()
        self.model.stop_training = True
