"""Time whether this machine trains faster in bfloat16 than in float32."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from search_spaces.config import CnnConfig
from search_spaces.layers import Shape
from tuner.study.tasks import PrecisionTask, PrecisionTiming
from tuner.system.machine import has_bfloat16
from tuner.training.networks import cnn, fresh

_ROUNDS = 3
_BATCH = 32
_IMAGES = 4 * _BATCH
_CLASSES = 10
_SMALLEST_SIDE = 16  # pixels; steps of smaller images have little arithmetic
_LARGEST_SIDE = 32  # larger images are timed as if they were cut to this
# Two 3x3 convolutions with batch normalization: a common kind of network.
_TYPICAL = CnnConfig(
    filters=(32, 64),
    padding="same",
    pooling="max",
    pool_every=2,
    batch_norm=True,
    units=(),
    batch_size=_BATCH,
)


def compare(task: PrecisionTask, shape: Shape) -> PrecisionTiming:
    """Time steps of a small network in float32 and in bfloat16, in turn.

    Args:
        task: The request.
        shape: Height, width and channels of the study's images.
    """
    height, width, channels = shape
    may_pay = task.on_gpu or has_bfloat16()
    if min(height, width) < _SMALLEST_SIDE or not may_pay:
        return PrecisionTiming(None)
    shape = min(height, _LARGEST_SIDE), min(width, _LARGEST_SIDE), channels
    # Other work on the machine disturbs a process's own time least.
    clock = time.perf_counter if task.on_gpu else time.process_time
    sides = [_steps(shape, precision, clock) for precision in ("float32", "bfloat16")]
    rounds = [[run() for run in sides] for _ in range(_ROUNDS)]
    float32_s, bfloat16_s = (min(times) for times in zip(*rounds, strict=True))
    return PrecisionTiming(float32_s / bfloat16_s)


def _steps(
    shape: Shape, precision: str, clock: Callable[[], float]
) -> Callable[[], float]:
    """Build the network; a call of the result trains a few steps and times them."""
    model = fresh(
        lambda: cnn(_TYPICAL, shape, _CLASSES, _IMAGES), seed=1, precision=precision
    ).model
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_IMAGES, *shape), np.uint8)
    labels = rng.integers(0, _CLASSES, _IMAGES)

    def run() -> float:
        started = clock()
        model.fit(images, labels, batch_size=_BATCH, shuffle=False, verbose=0)
        return clock() - started

    run()  # compiles
    return run
