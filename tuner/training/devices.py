"""What a worker runs on, on any backend."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import keras

from tuner.study.tasks import Ready
from tuner.system.machine import cores


class DeviceError(RuntimeError):
    """The device that was asked for is not there."""


def limit_threads(threads: int) -> None:
    """Keep this process to so many CPU threads; before the backend computes.

    Other numbers of threads add floats in another order: one thread, and only
    that, gives the same bits on every machine load.
    """
    # Read by XLA as it starts, and by the libraries under torch and NumPy.
    os.environ["NPROC"] = str(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if threads == 1:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_multi_thread_eigen=false"
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        case "torch":
            import torch

            torch.set_num_threads(threads)


def prepare(device: str, threads: int | None = None) -> Ready:
    """Choose the device of this process and say what it is.

    Args:
        device: "auto" takes a GPU where the backend sees one; "cpu" or "gpu".
        threads: CPU threads to use, or None for all.

    Raises:
        DeviceError: "gpu" was asked for and the backend sees none.
    """
    if threads:
        limit_threads(threads)
    backend = keras.backend.backend()
    gpus = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus, "torch": _torch_gpus}[
        backend
    ]()
    if device == "gpu" and not gpus:
        raise DeviceError(
            f"--device gpu needs a GPU that {backend} can use, and it sees none. "
            "Install the extra `cuda` (on Windows inside WSL2), or use --device cpu."
        )
    versions = {
        "python": platform.python_version(),
        "backend": backend,
        **{name: version(name) for name in ("keras", "keras-tuner", "numpy", backend)},
    }
    count = threads or cores()
    cpu = f"CPU, {count} thread{'' if count == 1 else 's'}"
    return Ready(gpus[0] if gpus else cpu, bool(gpus), versions)


def _tensorflow_gpus() -> list[str]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Otherwise one process takes all memory of the card.
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [d.get("device_name", "GPU") for d in details]


def _jax_gpus() -> list[str]:
    import jax

    return [d.device_kind for d in jax.devices() if d.platform == "gpu"]


def _torch_gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
