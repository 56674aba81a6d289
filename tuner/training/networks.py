"""A compiled model with its input format, its predictions and its evaluation."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
_STEPS_PER_CALL = 16  # a call from Python takes as long as a small network's step
_EVALUATION_BYTES = 64 * 1024**2  # of the images of a step as float32

# Keras's names of an accuracy that was compiled by its class or short name.
_ACCURACIES = ("acc", "categorical_accuracy", "sparse_categorical_accuracy")

N = TypeVar("N", bound="Network")
Arrays = tuple[np.ndarray, np.ndarray]


class Network:
    """A model of a `CnnConfig`: pixels as stored and class ids go in, logits come out.

    Attributes:
        model: The compiled model with its weights.
        batch_size: Images per step.
        has_fit: Whether a user's code trains it, which may count batches.
    """

    has_fit = False

    def __init__(self, model: keras.Model, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size

    @property
    def drawn(self) -> tuple[str, ...] | None:
        """The active hyperparameters that a user's code has drawn, or None."""
        return None

    def arrays(self, images: np.ndarray, labels: np.ndarray) -> Arrays:
        """Convert images and labels to the model's input.

        Args:
            images: uint8, shape (n, height, width, channels).
            labels: Class ids, shape (n,).
        """
        return images, labels

    def tensors(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Do the same with the backend's tensors, inside a pipeline or a step."""
        return images, labels

    def assess(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Assessment:
        """Measure accuracy and loss in inference mode, as `evaluate` does.

        Args:
            images: uint8, shape (n, height, width, channels).
            labels: Class ids, shape (n,).
            indices: Indices of the images to use, shape (m,), m >= 1.

        Returns:
            Accuracy, mean loss and the predicted class of every image, in the order
            of `indices`.
        """
        predicted = np.empty(len(indices), np.uint16)
        loss = 0.0
        for part in self.parts(indices):
            batch = indices[part]
            logits = self.predict(images[batch]).astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            right = np.take_along_axis(logits, labels[batch][:, None].astype(int), 1)
            losses = np.log(np.exp(logits).sum(axis=1)) - right[:, 0]
            predicted[part], loss = logits.argmax(axis=1), loss + float(losses.sum())
        accuracy = float(np.mean(predicted == labels[indices]))
        return Assessment(accuracy, loss / len(indices), predicted)

    @property
    def evaluation_batch(self) -> int:
        """Images per evaluation step."""
        return evaluation_batch(self.model.input_shape[1:])

    def parts(self, indices: np.ndarray) -> list[slice]:
        """Split indices into slices of one evaluation step each."""
        size = self.evaluation_batch
        return [slice(at, at + size) for at in range(0, len(indices), size)]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Return the model's outputs for the images of one step, in inference mode."""
        # Always the same shape, because a new shape would compile the network again.
        batch = np.resize(np.arange(len(images)), self.evaluation_batch)
        inputs, _ = self.arrays(images[batch], np.zeros(len(batch), np.int32))
        outputs = self.model.predict_on_batch(inputs)
        return np.asarray(outputs, np.float32)[: len(images)]  # of any precision


def evaluation_batch(shape: Sequence[int]) -> int:
    """Return the number of images per evaluation step for a shape: 500 at most."""
    pixels = math.prod(shape)
    return max(1, min(_EVALUATION_BATCH, _EVALUATION_BYTES // (4 * pixels)))


def numbers(logs: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are numbers, with any kind of accuracy as "accuracy"."""
    metrics = {}
    for name, value in logs.items():
        prefix = "val_" if name.startswith("val_") else ""
        is_accuracy = name.removeprefix("val_") in _ACCURACIES
        if np.size(value) == 1:
            key = f"{prefix}accuracy" if is_accuracy else name
            metrics[key] = np.asarray(value).item()
    return metrics


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of images and labels in a network's input format.

    Args:
        network: The network.
        images: uint8, shape (n, height, width, channels).
        labels: Class ids, shape (n,).
        order: Indices of the images, shape (m,).
        size: Images per batch.
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
        indices = self._order[batch * self._size : (batch + 1) * self._size]
        return self._network.arrays(self._images[indices], self._labels[indices])


def cnn(
    config: CnnConfig, shape: tuple[int, int, int], classes: int, images: int
) -> Network:
    """Build a config's network with new weights, to be trained on so many images."""
    steps = config.epochs * math.ceil(images / config.batch_size)
    return Network(build_model(config, shape, classes, steps), config.batch_size)


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Make the layers that are created meanwhile compute in a precision.

    Args:
        precision: "bfloat16" sets Keras's policy `mixed_bfloat16`, in which weights,
            the optimizer's state and batch normalization's statistics stay float32.
            "float32" keeps what Keras and a user's code have set.
    """
    before = keras.config.dtype_policy()
    if precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        if precision == "bfloat16":
            keras.config.set_dtype_policy(before)


def fresh(
    build: Callable[[], N],
    seed: int,
    *,
    jit_compile: bool | None = None,
    precision: str = "float32",
) -> N:
    """Build a network whose weights depend only on the seed.

    Args:
        build: Builds the network with its weights.
        seed: Seeds weights and dropout.
        jit_compile: Whether XLA compiles it; None keeps the model's own setting.
        precision: What it computes in; see `computing_in`.
    """
    keras.utils.clear_session()
    gc.collect()
    keras.utils.set_random_seed(seed)
    with computing_in(precision):
        network = build()
    model = network.model
    if jit_compile is not None:
        model.jit_compile = jit_compile
    model.optimizer.build(model.trainable_variables)
    if keras.backend.backend() == "tensorflow" and patches.are_on():
        _speed_up(network)
    return network


def has_plain_steps(model: keras.Model) -> bool:
    """Whether a model trains with Keras's own methods, and not eagerly."""
    names = ("fit", "train_step", "make_train_function")
    inherited = (getattr(type(model), n) is getattr(keras.Model, n) for n in names)
    return (
        not model.run_eagerly and not set(names) & set(vars(model)) and all(inherited)
    )


def _is_tensorflow_on_cpu() -> bool:
    """Whether TensorFlow computes on a CPU, where Keras does not use XLA.

    With `fuse`, TensorFlow's kernels took 0.47 to 0.99 of XLA's time on the networks of
    `tests/benchmarks/steps.py`, without compilation.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.get_visible_devices("GPU")


def _speed_up(network: Network) -> None:
    """Make TensorFlow compute the same with fewer passes and fewer calls."""
    model = network.model
    if not has_plain_steps(model):
        return
    if not model.jit_compile:
        fuse(model.optimizer)
        if _is_tensorflow_on_cpu():
            quicken(model.layers, network.batch_size)
    if model.steps_per_execution == 1 and not network.has_fit:
        model.steps_per_execution = _STEPS_PER_CALL
