"""The list of patches to Keras and KerasTuner, and the switch that turns them off.

A patch makes training or the start faster and changes at most the last bit of a result.
If a new release lacks what a patch replaces, the patch is skipped with a line in
`search.log`, and training continues without it. `TUNE_PLAIN_KERAS=1` turns all patches
off: networks train as they were compiled, by Keras alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

PLAIN = "TUNE_PLAIN_KERAS"
MISSING = (AttributeError, ImportError, TypeError)  # a name or argument was removed


class Patch(NamedTuple):
    """A part of Keras or KerasTuner that is replaced.

    Attributes:
        replaces: The library's names of what is replaced.
        why: What the patch gains.
        module: The module of the patch.
    """

    replaces: str
    why: str
    module: str


OPTIMIZER = "the optimizer's update_step"
LAYERS = "the layers' call"
STEPS = "the model's steps_per_execution"
JAX_LOOP = "the model's train_function on JAX"
PROBES = "the model's fit while a space is explored"
LOADING = "modules that Keras and KerasTuner load but nothing here uses"

_TRAINING = "tuner.training"
PATCHES = {
    OPTIMIZER: Patch(
        "keras.Optimizer.update_step",
        "each update is one pass over memory (TensorFlow)",
        f"{_TRAINING}.fast_optimizers",
    ),
    LAYERS: Patch(
        "keras.layers.Dense.call, keras.layers.BatchNormalization.call",
        "a faster product, and one operation instead of a dozen (TensorFlow, CPU)",
        f"{_TRAINING}.fast_layers",
    ),
    STEPS: Patch(
        "keras.Model.steps_per_execution",
        "16 steps per call, if no user code can count them (TensorFlow)",
        f"{_TRAINING}.networks",
    ),
    JAX_LOOP: Patch(
        "keras.Model.train_function, keras.Model.steps_per_execution",
        "many steps per call over images on the device (JAX, GPU)",
        f"{_TRAINING}.jax_loop",
    ),
    PROBES: Patch(
        "keras.Model.fit",
        "the hyperparameters of a user's fit are discovered without training",
        f"{_TRAINING}.discovery",
    ),
    LOADING: Patch(
        "sys.modules: sklearn, matplotlib, jax",
        "a search starts seconds earlier",
        f"{_TRAINING}.loading",
    ),
}


def are_on() -> bool:
    """Whether the patches are on, which is the default."""
    return os.environ.get(PLAIN, "") in {"", "0"}


@contextmanager
def applying(name: str) -> Iterator[None]:
    """Skip a patch, and log it, if the library lacks a name that the patch needs.

    Args:
        name: A key of `PATCHES`. Nothing is undone, so the block must change things
            only in its last step.
    """
    try:
        yield
    except MISSING as error:
        leave_out(name, error)


def guarded(
    name: str, fast: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function that calls `fast` until it fails once, then always `plain`.

    Args:
        name: A key of `PATCHES`.
        fast: The patch; it must not have changed anything when it raises `MISSING`.
        plain: The library's own function, with the same arguments.
    """
    is_skipped = False

    @wraps(plain)
    def call(*args: Any, **options: Any) -> Any:
        nonlocal is_skipped
        if not is_skipped:
            try:
                return fast(*args, **options)
            except MISSING as error:
                is_skipped = True
                leave_out(name, error)
        return plain(*args, **options)

    return call


def leave_out(name: str, error: Exception) -> None:
    """Write to the log that a patch is skipped."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    sys.stderr.write(f"Patch skipped: {name} ({text})\n")
