"""Choose a worker's device and CPU threads, on any backend."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

import keras

from tuner.study.tasks import Ready
from tuner.system.machine import cores


class DeviceError(RuntimeError):
    """The requested device does not exist."""


def limit_threads(threads: int) -> None:
    """Limit this process to a number of CPU threads, before the backend computes.

    The number of threads changes the order in which floats are added. Only a single
    thread gives the same bits under any machine load.
    """
    # XLA reads these as it starts, and so do the libraries under torch and NumPy.
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
    """Choose the device of this process and describe it.

    Args:
        device: "cpu", "gpu", or "auto" for a GPU if the backend sees one.
        threads: CPU threads to use, or None for all.

    Raises:
        DeviceError: The device is "gpu" and the backend sees none.
    """
    if threads:
        limit_threads(threads)
    backend = keras.backend.backend()
    gpus = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus, "torch": _torch_gpus}[
        backend
    ]()
    if device == "gpu" and not gpus:
        raise DeviceError(
            f"--device gpu needs a GPU that {backend} can use, got none. "
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
        # Otherwise one process takes all of the GPU's memory.
        tf.config.experimental.set_memory_growth(gpu, enable=True)
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [d.get("device_name", "GPU") for d in details]


def _jax_gpus() -> list[str]:
    import jax

    return [d.device_kind for d in jax.devices() if d.platform == "gpu"]


def _torch_gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
