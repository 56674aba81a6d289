"""A compiled model with what it takes and gives, and how well it does."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, TypeVar

import keras
import numpy as np

from search_spaces.config import CnnConfig
from search_spaces.model import build_model
from tuner.fused import fuse
from tuner.tasks import Assessment

_EVALUATION_BATCH = 500
_STEPS_A_CALL = 16  # a call from Python takes as long as a small network's step

N = TypeVar("N", bound="Network")
Arrays = tuple[np.ndarray, np.ndarray]


class Network:
    """A model of a `CnnConfig`: pixels as stored and class ids go in, logits come out.

    Attributes:
        model: Compiled, its weights built.
        batch_size: Images a step.
    """

    def __init__(self, model: keras.Model, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size

    @property
    def drawn(self) -> tuple[str, ...] | None:
        """The hyperparameters that a user's own code asked for, or None."""
        return None

    def arrays(self, images: np.ndarray, labels: np.ndarray) -> Arrays:
        """Give some images and labels as the model takes them.

        Args:
            images: uint8, shape (n, height, width, channels).
            labels: Class ids, shape (n,).
        """
        return images, labels

    def tensors(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Give the same as TensorFlow's tensors, inside a `tf.data` pipeline."""
        return images, labels

    def judge(self, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, float]:
        """Classify some images, and sum up their losses.

        Args:
            images: uint8, at most 500 of them.
            labels: Their class ids.
        """
        logits = self.predict(images).astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        right = np.take_along_axis(logits, labels[:, None].astype(int), 1)
        losses = np.log(np.exp(logits).sum(axis=1)) - right[:, 0]
        return logits.argmax(axis=1), float(losses.sum())

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Give the model's outputs for at most 500 images, in inference mode."""
        # Always one shape: another would compile the network once more.
        batch = np.resize(np.arange(len(images)), _EVALUATION_BATCH)
        inputs, _ = self.arrays(images[batch], np.zeros(len(batch), np.int32))
        return np.asarray(self.model.predict_on_batch(inputs))[: len(images)]


def assess(
    network: Network, images: np.ndarray, labels: np.ndarray, which: np.ndarray
) -> Assessment:
    """Measure a network in inference mode, as `evaluate` does.

    Args:
        network: Of any kind.
        images: uint8, shape (n, height, width, channels).
        labels: Class ids, shape (n,).
        which: Indices of the images to use, shape (m,), m >= 1.

    Returns:
        Accuracy, mean loss and the chosen class of every image, in the order of
        `which`.
    """
    chosen = np.empty(len(which), np.uint16)
    loss = 0.0
    for start in range(0, len(which), _EVALUATION_BATCH):
        part = slice(start, start + _EVALUATION_BATCH)
        batch = which[part]
        chosen[part], summed = network.judge(images[batch], labels[batch])
        loss += summed
    accuracy = float(np.mean(chosen == labels[which]))
    return Assessment(accuracy, loss / len(which), chosen)


def cnn(config: CnnConfig, shape: tuple[int, int, int], classes: int) -> Network:
    """Build a config's network with new weights."""
    return Network(build_model(config, shape, classes), config.batch_size)


def fresh(build: Callable[[], N], seed: int, *, jit_compile: bool | None = None) -> N:
    """Build a network with weights that follow from the seed alone.

    Args:
        build: Makes it, weights included.
        seed: Also of dropout.
        jit_compile: Whether XLA compiles it; None lets measurements choose.
    """
    keras.utils.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    network = build()
    model = network.model
    if jit_compile is None:
        jit_compile = bool(model.jit_compile) and not _is_tensorflow_on_cpu()
    model.jit_compile = jit_compile
    model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow":
        _save_passes(model)
    return network


def _is_tensorflow_on_cpu() -> bool:
    """Say whether TensorFlow's own kernels compute, which there are faster than XLA's.

    With `fuse` they took 0.4 to 0.95 of XLA's time on every network of
    `tests/benchmarks/steps.py`, and no time to compile.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def _save_passes(model: keras.Model) -> None:
    """Let TensorFlow compute the same with fewer passes and fewer calls."""
    if not model.jit_compile:
        fuse(model.optimizer)
    if model.steps_per_execution == 1 and not model.run_eagerly:
        model.steps_per_execution = _STEPS_A_CALL
