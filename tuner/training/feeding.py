"""Feed images to `fit`, in the fastest way on each backend."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import keras
import numpy as np

from tuner.data.dataset import Dataset
from tuner.system import patches
from tuner.training.networks import Batches, Network

_ALIGNMENT = 64  # bytes, as TensorFlow's tensors are aligned


class Feeder(Protocol):
    """Feeds the images of one study to the `fit` of one network."""

    def batches(self, order: np.ndarray) -> Any:
        """Return the argument of `fit` for one epoch.

        Args:
            order: Indices of training images, shape (m,).
        """


def feeder(network: Network, data: Dataset) -> Feeder:
    """Return the fastest feeder for a network on this backend and device.

    Use one feeder for the whole training, because some hold the compiled steps.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _Pipeline(network, data)
    if backend == "jax" and patches.are_on():
        with patches.applying(patches.JAX_LOOP):
            from tuner.training import jax_loop

            if jax_loop.fits(network, data):
                return jax_loop.Resident(network, data)
    return _Arrays(network, data)


def shuffled(train: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Shuffle the training images in an order that depends only on (seed, epoch).

    Args:
        train: Indices of the images, shape (n,).
        seed: The run's seed, an integer from 0.
        epoch: 1, 2, ...
    """
    return np.random.default_rng((seed, epoch)).permutation(train)


class _Arrays:
    """Batches that are assembled in Python."""

    def __init__(self, network: Network, data: Dataset) -> None:
        self._network, self._data = network, data

    def batches(self, order: np.ndarray) -> Batches:
        network, data = self._network, self._data
        return Batches(network, data.x_train, data.y_train, order, network.batch_size)


class _Pipeline:
    """A `tf.data` pipeline over all images, with a single copy in memory."""

    def __init__(self, network: Network, data: Dataset) -> None:
        import tensorflow as tf

        self._network = network
        self._images = _shared_tensor(data.x_train)
        self._labels = tf.convert_to_tensor(data.y_train)

    def batches(self, order: np.ndarray) -> Any:
        import tensorflow as tf

        network, x, y = self._network, self._images, self._labels
        batches = (
            tf.data.Dataset.from_tensor_slices(order)
            .batch(network.batch_size)
            .map(lambda i: network.tensors(tf.gather(x, i), tf.gather(y, i)))
            .prefetch(2)
        )
        options = tf.data.Options()
        # The autotuner can delay the end of an epoch by seconds.
        options.autotune.enabled = False
        # The graph optimizer serializes the graph with all its images.
        options.experimental_optimization.apply_default_optimizations = False
        return batches.with_options(options)


def _shared_tensor(images: np.ndarray) -> Any:
    """Wrap memory-mapped images as a TensorFlow tensor without copying them.

    All processes that map the file share one copy. An array that is not contiguous or
    not aligned as TensorFlow needs it is copied.
    """
    import tensorflow as tf

    if images.ctypes.data % _ALIGNMENT or not images.flags.c_contiguous:
        return tf.convert_to_tensor(images)
    # DLPack exports only writable memory; TensorFlow never writes to its inputs.
    memory = (ctypes.c_uint8 * images.nbytes).from_address(images.ctypes.data)
    writable = np.ctypeslib.as_array(memory).view(images.dtype).reshape(images.shape)
    return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())
