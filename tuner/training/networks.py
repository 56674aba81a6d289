"""A compiled model with what it takes and gives, and how well it does."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import keras
import numpy as np

from search_spaces.config import CnnConfig
from search_spaces.model import build_model
from tuner.study.tasks import Assessment
from tuner.system import patches
from tuner.training.fast_layers import quicken
from tuner.training.fast_optimizers import fuse

_EVALUATION_BATCH = 500
_STEPS_A_CALL = 16  # a call from Python takes as long as a small network's step
_EVALUATION_BYTES = 64 * 1024**2  # of its images as float32

# What Keras calls the accuracy of a metric that was named by its class or in short.
_ACCURACIES = ("acc", "categorical_accuracy", "sparse_categorical_accuracy")

N = TypeVar("N", bound="Network")
Arrays = tuple[np.ndarray, np.ndarray]


class Network:
    """A model of a `CnnConfig`: pixels as stored and class ids go in, logits come out.

    Attributes:
        model: Compiled, its weights built.
        batch_size: Images a step.
        has_fit: Whether a user's own code trains it, which may count batches.
    """

    has_fit = False

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
        """Give the same of the backend's tensors, inside a pipeline or a step."""
        return images, labels

    def assess(
        self, images: np.ndarray, labels: np.ndarray, which: np.ndarray
    ) -> Assessment:
        """Measure it in inference mode, as `evaluate` does.

        Args:
            images: uint8, shape (n, height, width, channels).
            labels: Class ids, shape (n,).
            which: Indices of the images to use, shape (m,), m >= 1.

        Returns:
            Accuracy, mean loss and the chosen class of every image, in the order of
            `which`.
        """
        chosen = np.empty(len(which), np.uint16)
        loss = 0.0
        for part in self.parts(which):
            some = which[part]
            logits = self.predict(images[some]).astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            right = np.take_along_axis(logits, labels[some][:, None].astype(int), 1)
            losses = np.log(np.exp(logits).sum(axis=1)) - right[:, 0]
            chosen[part], loss = logits.argmax(axis=1), loss + float(losses.sum())
        accuracy = float(np.mean(chosen == labels[which]))
        return Assessment(accuracy, loss / len(which), chosen)

    @property
    def evaluation_batch(self) -> int:
        """Images a step without training."""
        return evaluation_batch(self.model.input_shape[1:])

    def parts(self, which: np.ndarray) -> list[slice]:
        """Cut indices into parts that one step without training takes."""
        size = self.evaluation_batch
        return [slice(at, at + size) for at in range(0, len(which), size)]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Give the model's outputs for the images of one step, in inference mode."""
        # Always one shape: another would compile the network once more.
        batch = np.resize(np.arange(len(images)), self.evaluation_batch)
        inputs, _ = self.arrays(images[batch], np.zeros(len(batch), np.int32))
        return np.asarray(self.model.predict_on_batch(inputs))[: len(images)]


def evaluation_batch(shape: Sequence[int]) -> int:
    """Say how many images of a shape make a step without training: 500 at most."""
    pixels = math.prod(shape)
    return max(1, min(_EVALUATION_BATCH, _EVALUATION_BYTES // (4 * pixels)))


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Give the metrics that are numbers, accuracy by one name whatever its kind."""
    found = {}
    for name, value in logs.items():
        prefix = "val_" if name.startswith("val_") else ""
        known = name.removeprefix("val_") in _ACCURACIES
        if np.size(value) == 1:
            found[f"{prefix}accuracy" if known else name] = np.asarray(value).item()
    return found


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Some images and labels as a network takes them, batch by batch.

    Args:
        network: Takes them.
        images: uint8, shape (n, height, width, channels).
        labels: Class ids, shape (n,).
        order: Indices of the images, shape (m,).
        size: Images a batch.
    """

    def __init__(
        self,
        network: Network,
        images: np.ndarray,
        labels: np.ndarray,
        order: np.ndarray,
        size: int,
    ) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        self._network, self._images, self._labels = network, images, labels
        self._order, self._size = order, size

    def __len__(self) -> int:
        return math.ceil(len(self._order) / self._size)

    def __getitem__(self, batch: int) -> Arrays:
        which = self._order[batch * self._size : (batch + 1) * self._size]
        return self._network.arrays(self._images[which], self._labels[which])


def cnn(config: CnnConfig, shape: tuple[int, int, int], classes: int) -> Network:
    """Build a config's network with new weights."""
    return Network(build_model(config, shape, classes), config.batch_size)


def fresh(build: Callable[[], N], seed: int, *, jit_compile: bool | None = None) -> N:
    """Build a network with weights that follow from the seed alone.

    Args:
        build: Makes it, weights included.
        seed: Also of dropout.
        jit_compile: Whether XLA compiles it; None leaves it as it was compiled.
    """
    keras.utils.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    network = build()
    model = network.model
    if jit_compile is not None:
        model.jit_compile = jit_compile
    model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow" and patches.are_on():
        _save_passes(network)
    return network


def has_plain_steps(model: keras.Model) -> bool:
    """Whether a model trains by Keras's own steps, as graphs, however many a call."""
    names = ("fit", "train_step", "make_train_function")
    is_kerass = (getattr(type(model), n) is getattr(keras.Model, n) for n in names)
    return (
        not model.run_eagerly and not set(names) & set(vars(model)) and all(is_kerass)
    )


def _is_tensorflow_on_cpu() -> bool:
    """Say whether TensorFlow's own kernels compute, as Keras chooses on a CPU.

    With `fuse` they took 0.47 to 0.99 of XLA's time on the networks of
    `tests/benchmarks/steps.py`, compilation left out.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def _save_passes(network: Network) -> None:
    """Let TensorFlow compute the same with fewer passes and fewer calls."""
    model = network.model
    if not has_plain_steps(model):
        return
    if not model.jit_compile:
        fuse(model.optimizer)
        if _is_tensorflow_on_cpu():
            quicken(model.layers, network.batch_size)
    if model.steps_per_execution == 1 and not network.has_fit:
        model.steps_per_execution = _STEPS_A_CALL
