"""What of Keras and KerasTuner runs here in another form, and the way back.

Each is for speed alone, and rounds differently in the last bit at most. One that a
release no longer has a place for is left out, which `search.log` says, and training
goes on without it. `TUNE_PLAIN_KERAS=1` leaves out all of them: networks train as they
were compiled, by Keras alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

PLAIN = "TUNE_PLAIN_KERAS"
MISSING = (AttributeError, ImportError, TypeError)  # a name or an argument that was


class Patch(NamedTuple):
    """Something that is replaced.

    Attributes:
        replaces: What, by its name in the library.
        why: What that brings.
        module: Where the code is.
    """

    replaces: str
    why: str
    module: str


OPTIMIZER = "the optimizer's update_step"
LAYERS = "the layers' call"
STEPS = "the model's steps_per_execution"
JAX_LOOP = "the model's train_function on JAX"
PROBES = "the model's fit while a space is explored"
LOADING = "modules that Keras and KerasTuner load and nothing here uses"

_TRAINING = "tuner.training"
PATCHES = {
    OPTIMIZER: Patch(
        "keras.Optimizer.update_step",
        "an update is one pass over memory (TensorFlow)",
        f"{_TRAINING}.fast_optimizers",
    ),
    LAYERS: Patch(
        "keras.layers.Dense.call, keras.layers.BatchNormalization.call",
        "a faster product, and one operation for a dozen (TensorFlow, CPU)",
        f"{_TRAINING}.fast_layers",
    ),
    STEPS: Patch(
        "keras.Model.steps_per_execution",
        "16 steps a call, where no user's code can count them (TensorFlow)",
        f"{_TRAINING}.networks",
    ),
    JAX_LOOP: Patch(
        "keras.Model.train_function, keras.Model.steps_per_execution",
        "many steps a call over images on the device (JAX, GPU)",
        f"{_TRAINING}.jax_loop",
    ),
    PROBES: Patch(
        "keras.Model.fit",
        "what a user's fit draws is seen without training",
        f"{_TRAINING}.user_models",
    ),
    LOADING: Patch(
        "sys.modules: sklearn, matplotlib, jax",
        "a search starts seconds earlier",
        f"{_TRAINING}.loading",
    ),
}


def are_on() -> bool:
    """Whether the user has left them on."""
    return os.environ.get(PLAIN, "") in {"", "0"}


@contextmanager
def applying(name: str) -> Iterator[None]:
    """Leave a patch out, and say so, where the library has no place for it.

    Args:
        name: Of `PATCHES`. What is within undoes nothing: it changes things last.
    """
    try:
        yield
    except MISSING as error:
        leave_out(name, error)


def guarded(
    name: str, fast: Callable[..., Any], plain: Callable[..., Any]
) -> Callable[..., Any]:
    """Give a function that is the plain one from the first time the fast one fails.

    Args:
        name: Of `PATCHES`.
        fast: Called first; it has changed nothing where it raises what a missing
            name does.
        plain: The library's own, of the same arguments.
    """
    is_out = False

    @wraps(plain)
    def call(*args: Any, **options: Any) -> Any:
        nonlocal is_out
        if not is_out:
            try:
                return fast(*args, **options)
            except MISSING as error:
                is_out = True
                leave_out(name, error)
        return plain(*args, **options)

    return call


def leave_out(name: str, error: Exception) -> None:
    """Say in the log that a patch is left out."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    sys.stderr.write(f"Left to the library: {name} ({text})\n")
