"""Many training steps per call on JAX, over images that stay on the device.

On JAX, Keras calls its step from Python once per batch, whatever `steps_per_execution`
is, and sends every batch to the device. Here `fit` gets only the order of the images,
and each call loops over the model's own `train_step`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp

from tuner.data.dataset import Dataset
from tuner.training.networks import Network, has_plain_steps

_STEPS_PER_CALL = 256  # at most; a call trains the steps that are left
_MEMORY_DIVISOR = 16  # images may take 1/16 of a GPU's memory, which workers share
_NO_STEP = -1

State = tuple[list[Any], ...]


def fits(network: Network, data: Dataset) -> bool:
    """Whether a loop over a network's steps can be compiled and would be faster.

    On a CPU the loop is two to five times slower than one call per step.
    """
    model, device = network.model, jax.devices()[0]
    if device.platform == "cpu" or not model.jit_compile:
        return False
    if model.steps_per_execution > 1 or not has_plain_steps(model):
        return False
    memory = device.memory_stats()
    bytes_ = len(data.train) * data.x_train[0].nbytes
    return bool(memory) and _MEMORY_DIVISOR * bytes_ <= memory["bytes_limit"]


class Resident:
    """A feeder that keeps the images of one study on the device.

    Args:
        network: From now on its model's `fit` takes only what `batches` returns.
        data: Its training images are sent to the device.
    """

    def __init__(self, network: Network, data: Dataset) -> None:
        self._network = network
        self._images = jnp.asarray(data.x_train[data.train])
        self._labels = jnp.asarray(data.y_train[data.train])
        self._train = data.train
        model = network.model
        # `fit` would build the metrics from its first batch, which has no images here.
        one = network.tensors(self._images[:1], self._labels[:1])
        model._symbolic_build(data_batch=one)  # noqa: SLF001  as train_on_batch does
        self._steps = jax.jit(self._loop, donate_argnums=0)
        if model.train_function is not None:  # a Keras release changed this
            raise TypeError("a new model already has a train_function")
        model.steps_per_execution = 1  # `fit` must pass one item per call
        model.train_function = self._call

    def batches(self, order: np.ndarray) -> keras.utils.PyDataset:
        """Return the argument of `fit` for one epoch.

        Args:
            order: Indices of training images, shape (m,).
        """
        places = np.searchsorted(self._train, order).astype(np.int32)
        return _Rows(places, self._network.batch_size)

    def _call(self, state: State, iterator: Iterator[Any]) -> tuple[Any, State]:
        rows = next(iterator)[0]
        logs, state = self._steps(state, self._images, self._labels, rows)
        return logs, state

    def _loop(self, state: State, images: Any, labels: Any, rows: Any) -> Any:
        """Train one step per row of indices, up to the first empty row."""

        def step(row: Any, state: State) -> tuple[Any, State]:
            batch = self._network.tensors(images[row], labels[row])
            logs, after = self._network.model.train_step(state, batch)
            # `train_step` may return tuples for lists.
            leaves = jax.tree.leaves(after)
            return logs, jax.tree.unflatten(jax.tree.structure(state), leaves)

        def body(number: Any, carried: tuple[Any, State]) -> tuple[Any, State]:
            return step(rows[number], carried[1])

        logs, _ = jax.eval_shape(step, rows[0], state)
        nothing = jax.tree.map(lambda log: jnp.zeros(log.shape, log.dtype), logs)
        steps = jnp.sum(rows[:, 0] != _NO_STEP)
        return jax.lax.fori_loop(0, steps, body, (nothing, state))


class _Rows(keras.utils.PyDataset):  # type: ignore[misc]
    """Indices of images: one row per step, one item per call.

    All calls have the same shape, except a last call for a short batch, so that a
    network is compiled only once for full batches.
    """

    def __init__(self, order: np.ndarray, size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        steps = len(order) // size
        self._full = order[: steps * size].reshape(steps, size)
        self._short = order[steps * size :]
        self._calls = math.ceil(steps / _STEPS_PER_CALL)

    def __len__(self) -> int:
        return self._calls + bool(len(self._short))

    def __getitem__(self, call: int) -> tuple[np.ndarray]:
        if call == self._calls:
            return (self._short[None],)
        rows = self._full[call * _STEPS_PER_CALL : (call + 1) * _STEPS_PER_CALL]
        missing = _STEPS_PER_CALL - len(rows)
        return (np.pad(rows, ((0, missing), (0, 0)), constant_values=_NO_STEP),)
