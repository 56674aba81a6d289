"""How `fit` gets its images, on each backend."""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

import keras
import numpy as np

from tuner.data.dataset import Dataset
from tuner.system import patches
from tuner.training.networks import Batches, Network

_ALIGNMENT = 64  # bytes, of TensorFlow's tensors


class Feeder(Protocol):
    """Gives `fit` of one network the images of one study."""

    def batches(self, order: np.ndarray) -> Any:
        """Give what `fit` takes for an epoch.

        Args:
            order: Indices of training images, shape (m,).
        """


def feeder(network: Network, data: Dataset) -> Feeder:
    """Choose what is fastest for a network on this backend and device.

    A network has one for as long as it trains: some hold its compiled steps.
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
    """Order the training images by (seed, epoch) alone.

    Args:
        train: Their indices, shape (n,).
        seed: Of the training, any integer from 0.
        epoch: 1, 2, ...
    """
    return np.random.default_rng((seed, epoch)).permutation(train)


class _Arrays:
    """Batches that are cut in Python."""

    def __init__(self, network: Network, data: Dataset) -> None:
        self._network, self._data = network, data

    def batches(self, order: np.ndarray) -> Batches:
        network, data = self._network, self._data
        return Batches(network, data.x_train, data.y_train, order, network.batch_size)


class _Pipeline:
    """A `tf.data` pipeline over all images, which lie in memory once."""

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
        # Its autotuner can hold up the end of an epoch by seconds.
        options.autotune.enabled = False
        # Its optimizer writes the graph out and reads it again, images and all.
        options.experimental_optimization.apply_default_optimizations = False
        return batches.with_options(options)


def _shared_tensor(images: np.ndarray) -> Any:
    """Make a TensorFlow tensor of mapped images without a copy.

    They stay one copy for all processes that map them. Other arrays are copied
    where they do not lie as TensorFlow's own do.
    """
    import tensorflow as tf

    if images.ctypes.data % _ALIGNMENT or not images.flags.c_contiguous:
        return tf.convert_to_tensor(images)
    # DLPack hands out what may be written to; TensorFlow writes into no input.
    memory = (ctypes.c_uint8 * images.nbytes).from_address(images.ctypes.data)
    writable = np.ctypeslib.as_array(memory).view(images.dtype).reshape(images.shape)
    return tf.experimental.dlpack.from_dlpack(writable.__dlpack__())
