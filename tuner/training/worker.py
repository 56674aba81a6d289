"""What a worker is, wherever it runs: a backend on a device, then task after task."""

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
    Ready,
    Task,
    TimingTask,
    TrainingFailure,
)
from tuner.training.loading import load_keras, load_keras_tuner

_OUT_OF_MEMORY = (
    *("ResourceExhausted", "OutOfMemory", "RESOURCE_EXHAUSTED"),  # a backend each
    "received an exception:Status: 1,",  # oneDNN's kernels in TensorFlow
)
# What TensorFlow says before what went wrong, and about where.
_PREAMBLE = re.compile(
    r"Graph execution error:|Detected at node .*|File \".*|<stack traces unavailable>"
    r"|\d+ root error\(s\) found\.|"
)
_PLACE = re.compile(r"^\{\{function_node [^}]*\}\} ")


def load_backend(
    device: str, threads: int | None, gpu: str | None = None, *, own_code: bool = True
) -> Ready:
    """Load Keras and its backend on a device; before anything else does.

    Args:
        device: "auto", "cpu" or "gpu".
        threads: CPU threads to use, or None for all.
        gpu: The one GPU to see, by number or UUID; None for all.
        own_code: Whether a user's own may run here, which may use all of Keras.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    load_keras(whole=own_code)
    load_keras_tuner(whole=own_code)
    from tuner.training import devices, loop, user_fit, user_models  # noqa: F401

    ready = devices.prepare(device, threads)
    # A collection of all modules takes 0.2 s, two a network; frozen, they are skipped.
    gc.collect()
    gc.freeze()
    return ready


def run(task: Task, data: Dataset) -> Iterator[Event]:
    """Do a task: what happens, as it happens. The last event is its end.

    An exception is a failed training, whose traceback goes to stderr.
    """
    from tuner.training import loop, user_fit, user_models

    try:
        if isinstance(task, DiscoveryTask):
            yield user_models.discover(task.user_model, data)
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
    """Say what went wrong in one line, in words where the cause is known."""
    lines = [_PLACE.sub("", line.strip()) for line in cause(error).splitlines()]
    line = next((text for text in lines if not _PREAMBLE.fullmatch(text)), "")[:300]
    name = type(error).__name__
    signs = (sign in f"{name} {line}" for sign in _OUT_OF_MEMORY)
    if isinstance(error, MemoryError) or any(signs):
        return "out of memory" + (f": {line}" if line else "")
    return f"{name}: {line}" if line else name
