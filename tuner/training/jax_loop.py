"""Many training steps a call on JAX, over images that stay on the device.

There Keras calls its step from Python once a batch, whatever `steps_per_execution`
says, and sends every batch to the device. Here `fit` is given the order of the images
alone, and a call loops over the model's own `train_step`.
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

_STEPS_A_CALL = 256  # at most: a call takes as many as there are
_SHARE = 16  # of a GPU's memory, the images may take one in so many; workers share it
_NO_STEP = -1

State = tuple[list[Any], ...]


def fits(network: Network, data: Dataset) -> bool:
    """Whether a loop over a network's steps can be compiled, and would be faster.

    On a CPU it is two to five times slower than a call a step.
    """
    model, device = network.model, jax.devices()[0]
    if device.platform == "cpu" or not model.jit_compile:
        return False
    if model.steps_per_execution > 1 or not has_plain_steps(model):
        return False
    memory = device.memory_stats()
    bytes_ = len(data.train) * data.x_train[0].nbytes
    return bool(memory) and _SHARE * bytes_ <= memory["bytes_limit"]


class Resident:
    """A network that is trained on the images of one study.

    Args:
        network: Its model's `fit` takes what `batches` gives, and nothing else,
            from now.
        data: Its training images go to the device.
    """

    def __init__(self, network: Network, data: Dataset) -> None:
        self._network = network
        self._images = jnp.asarray(data.x_train[data.train])
        self._labels = jnp.asarray(data.y_train[data.train])
        self._train = data.train
        model = network.model
        # `fit` builds the metrics from its first batch, which is no batch of images.
        one = network.tensors(self._images[:1], self._labels[:1])
        model._symbolic_build(data_batch=one)  # noqa: SLF001  as train_on_batch does
        self._steps = jax.jit(self._loop, donate_argnums=0)
        if model.train_function is not None:  # or a release has it by another name
            raise TypeError("a new model has a train_function already")
        model.steps_per_execution = 1  # or `fit` gives a call so many items
        model.train_function = self._call

    def batches(self, order: np.ndarray) -> keras.utils.PyDataset:
        """Give `fit` an epoch.

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
        """Train a step for each row of indices, up to the first that holds none."""

        def step(row: Any, state: State) -> tuple[Any, State]:
            batch = self._network.tensors(images[row], labels[row])
            logs, after = self._network.model.train_step(state, batch)
            # It may give tuples where it was given lists.
            leaves = jax.tree.leaves(after)
            return logs, jax.tree.unflatten(jax.tree.structure(state), leaves)

        def body(number: Any, carried: tuple[Any, State]) -> tuple[Any, State]:
            return step(rows[number], carried[1])

        logs, _ = jax.eval_shape(step, rows[0], state)
        nothing = jax.tree.map(lambda log: jnp.zeros(log.shape, log.dtype), logs)
        steps = jnp.sum(rows[:, 0] != _NO_STEP)
        return jax.lax.fori_loop(0, steps, body, (nothing, state))


class _Rows(keras.utils.PyDataset):  # type: ignore[misc]
    """Indices of images, a row a step and an item a call.

    All calls but a last one for a short batch have one shape, so that a network is
    compiled for whole batches once.
    """

    def __init__(self, order: np.ndarray, size: int) -> None:
        super().__init__(workers=1, use_multiprocessing=False)
        steps = len(order) // size
        self._whole = order[: steps * size].reshape(steps, size)
        self._short = order[steps * size :]
        self._calls = math.ceil(steps / _STEPS_A_CALL)

    def __len__(self) -> int:
        return self._calls + bool(len(self._short))

    def __getitem__(self, call: int) -> tuple[np.ndarray]:
        if call == self._calls:
            return (self._short[None],)
        rows = self._whole[call * _STEPS_A_CALL : (call + 1) * _STEPS_A_CALL]
        missing = _STEPS_A_CALL - len(rows)
        return (np.pad(rows, ((0, missing), (0, 0)), constant_values=_NO_STEP),)
