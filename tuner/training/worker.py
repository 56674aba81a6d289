"""The work of any worker: load a backend on a device, then run one task at a time."""

from __future__ import annotations

import gc
import os
import re
import traceback
from collections.abc import Iterator

from search_spaces.errors import cause
from tuner.data.dataset import Dataset
from tuner.study.tasks import (
    DiscoveryTask,
    Event,
    PrecisionTask,
    Ready,
    Task,
    TimingTask,
    TrainingFailure,
)
from tuner.training.loading import load_keras, load_keras_tuner

_OUT_OF_MEMORY = (
    *("ResourceExhausted", "OutOfMemory", "RESOURCE_EXHAUSTED"),  # one per backend
    "received an exception:Status: 1,",  # oneDNN's kernels in TensorFlow
)
# What TensorFlow prints before the error's message, and about its place.
_PREAMBLE = re.compile(
    r"Graph execution error:|Detected at node .*|File \".*|<stack traces unavailable>"
    r"|\d+ root error\(s\) found\.|"
)
_PLACE = re.compile(r"^\{\{function_node [^}]*\}\} ")


def load_backend(
    device: str, threads: int | None, gpu: str | None = None, *, user_code: bool = True
) -> Ready:
    """Load Keras and its backend on a device; call this before anything else does.

    Args:
        device: "auto", "cpu" or "gpu".
        threads: CPU threads to use, or None for all.
        gpu: The only GPU to use, by number or UUID; None for all.
        user_code: Whether a user's code may run here, which may use all of Keras.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    load_keras(with_extras=user_code)
    load_keras_tuner(with_extras=user_code)
    from tuner.training import (  # noqa: F401
        devices,
        discovery,
        loop,
        precision,
        user_fit,
    )

    ready = devices.prepare(device, threads)
    # Collecting garbage takes 0.2 s with all modules, twice per network; frozen objects
    # are skipped.
    gc.collect()
    gc.freeze()
    return ready


def run(task: Task, data: Dataset) -> Iterator[Event]:
    """Run a task and yield its events; the last one ends it.

    An exception becomes a `TrainingFailure`, with its traceback on stderr.
    """
    from tuner.training import discovery, loop, precision, user_fit

    try:
        if isinstance(task, DiscoveryTask):
            yield discovery.discover(task.user_model, data)
        elif isinstance(task, PrecisionTask):
            yield precision.compare(task, data.input_shape)
        elif isinstance(task, TimingTask):
            yield loop.time_steps(task, data)
        elif task.user_model and task.user_model.has_fit:
            yield from user_fit.train(task, data)
        else:
            yield from loop.train(task, data)
    except Exception as error:  # noqa: BLE001  a failed trial is a result
        traceback.print_exc()
        yield TrainingFailure(task.trial, task.execution, first_line(error))


def first_line(error: Exception) -> str:
    """Describe an error in one line, in plain words if the cause is known."""
    lines = [_PLACE.sub("", line.strip()) for line in cause(error).splitlines()]
    line = next((text for text in lines if not _PREAMBLE.fullmatch(text)), "")[:300]
    name = type(error).__name__
    signs = (sign in f"{name} {line}" for sign in _OUT_OF_MEMORY)
    if isinstance(error, MemoryError) or any(signs):
        return "out of memory" + (f": {line}" if line else "")
    return f"{name}: {line}" if line else name
