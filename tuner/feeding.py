"""How `fit` gets the images of an epoch, on each backend."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tuner.datasets import Dataset
from tuner.networks import Batches, Network

_ALIGNMENT = 64  # bytes, of TensorFlow's tensors


@dataclass(frozen=True)
class ShuffledImages:
    """The training images, in an order drawn from (seed, epoch) alone.

    Attributes:
        data: The images and their split.
        network: What will be trained.
        seed: Of the order, any integer from 0.
    """

    data: Dataset
    network: Network
    seed: int
    _tensors: dict[str, Any] = field(default_factory=dict)

    def epoch(self, epoch: int) -> Any:
        """Give `fit` the batches of epoch 1, 2, ..."""
        rng = np.random.default_rng((self.seed, epoch))
        order = rng.permutation(self.data.train)
        data, network = self.data, self.network
        backend = keras.backend.backend()
        if backend == "tensorflow":
            return self._tensorflow_batches(order)
        if backend == "jax" and (resident := self._resident()):
            return resident.rows(order)
        return Batches(network, data.x_train, data.y_train, order, network.batch_size)

    def _resident(self) -> Any:
        from tuner import resident

        images = self.data.x_train
        if "resident" not in self._tensors and resident.fits(self.network, images):
            self._tensors["resident"] = resident.Resident(
                self.network, images, self.data.y_train
            )
        return self._tensors.get("resident")

    def _tensorflow_batches(self, order: np.ndarray) -> Any:
        import tensorflow as tf

        if not self._tensors:
            self._tensors["x"] = _shared_tensor(self.data.x_train)
            self._tensors["y"] = tf.convert_to_tensor(self.data.y_train)
        x, y = self._tensors["x"], self._tensors["y"]
        batches = (
            tf.data.Dataset.from_tensor_slices(order)
            .batch(self.network.batch_size)
            .map(lambda i: self.network.tensors(tf.gather(x, i), tf.gather(y, i)))
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
