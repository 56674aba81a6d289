"""What a worker is, wherever it runs: a backend on a device, then task after task."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator

from tuner.datasets import Dataset
from tuner.tasks import DiscoveryTask, Event, Ready, Task, TimingTask, TrainingFailure


def load_backend(device: str, threads: int | None, gpu: str | None = None) -> Ready:
    """Load Keras and its backend on a device; before anything else does.

    Args:
        device: "auto", "cpu" or "gpu".
        threads: CPU threads to use, or None for all.
        gpu: The one GPU to see, by number or UUID; None for all.
    """
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    from tuner import devices

    return devices.prepare(device, threads)


def run(task: Task, data: Dataset) -> Iterator[Event]:
    """Do a task: what happens, as it happens. The last event is its end.

    An exception is a failed training, whose traceback goes to stderr.
    """
    from tuner import own_models, own_training, training

    try:
        if isinstance(task, DiscoveryTask):
            yield own_models.discover(task.own, data)
        elif isinstance(task, TimingTask):
            yield training.time_steps(task, data)
        elif task.own and task.own.has_fit:
            yield from own_training.train(task, data)
        else:
            yield from training.train(task, data)
    except Exception as error:  # noqa: BLE001  a failed trial is a result
        traceback.print_exc()
        yield TrainingFailure(task.trial, task.execution, first_line(error))


def first_line(error: Exception) -> str:
    """Say what went wrong in one line, in words where the cause is known."""
    text = str(error).strip().splitlines()
    line = text[0][:300] if text else ""
    name = type(error).__name__
    signs = ("ResourceExhausted", "OutOfMemory", "RESOURCE_EXHAUSTED")  # a backend each
    if isinstance(error, MemoryError) or any(s in f"{name} {line}" for s in signs):
        return "out of memory" + (f": {line}" if line else "")
    return f"{name}: {line}" if line else name
