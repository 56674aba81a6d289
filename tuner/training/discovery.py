"""Run a user's KerasTuner code once to discover its hyperparameters and metrics."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from search_spaces.space import SpaceError, blame
from search_spaces.user_code import UserModel
from tuner.data.dataset import Dataset
from tuner.study.tasks import Discovery
from tuner.system import patches
from tuner.system.machine import memory_bytes
from tuner.training.networks import Arrays, fresh
from tuner.training.user_models import UserNetwork, fit, has_fit, network

_PROBES = 100  # builds that look for hyperparameters behind an `if`
_IDLE_PROBES = 12  # stop after this many builds in a row without a new hyperparameter
_PROBE_S = 8.0
_SAMPLE = 32  # images that a user's `fit` is tried on


def discover(user_model: UserModel, data: Dataset) -> Discovery:
    """Run a user's code on a few images and list its hyperparameters.

    Build the default config, and train it if the code has a `fit` of its own: an error
    there would fail every trial. Then build other configs to find hyperparameters
    behind each `if`.

    Args:
        user_model: The user's code.
        data: The images; only a few of them are used.

    Raises:
        SpaceError: The code fails.
    """
    trains_itself = has_fit(user_model)
    if trains_itself:
        _check_size(user_model, data)
    hp = kt.HyperParameters()
    shape, classes = data.input_shape, len(data.classes)

    def build() -> UserNetwork:
        return network(user_model, hp, shape, classes)

    default, draws_epochs = fresh(build, seed=1), False
    metrics = _metrics(user_model, default, data)
    if trains_itself:
        draws_epochs = _try_fit(user_model, default, data)
    until, idle = time.monotonic() + _PROBE_S, 0
    for probe in range(_PROBES):
        if idle == _IDLE_PROBES or time.monotonic() > until:
            break
        count = len(hp.space)
        hp.values = {h.name: _draw(h, probe, i) for i, h in enumerate(hp.space)}
        epochs = {} if draws_epochs else {"epochs": 1}
        _probe(user_model, build, data if trains_itself else None, epochs)
        idle = idle + 1 if len(hp.space) == count else 0
    if trains_itself and "epochs" in {h.name for h in hp.space}:
        draws_epochs = True
    return Discovery(
        {
            "declared": {"space": hp.get_config()["space"], "values": {}},
            "has_fit": trains_itself,
            "draws_epochs": draws_epochs,
            "metrics": metrics,
        }
    )


def _check_size(user_model: UserModel, data: Dataset) -> None:
    """Check that memory holds the images, because a `fit` gets them as one array."""
    images = len(data.train) + len(data.validation)
    need, memory = 4 * images * math.prod(data.input_shape), memory_bytes()
    if memory is not None and need > memory:
        raise SpaceError(
            f"fit of {user_model.path} gets all images as one array, so they must fit "
            f"into memory: {images:,} images as float32 take {need / 1e9:.1f} GB, this "
            f"machine has {memory / 1e9:.1f} GB. Define build_model(hp) alone, which "
            "trains batch by batch, or use --limit or a smaller --image-size."
        )


def _draw(h: Any, probe: int, number: int) -> Any:
    """Draw a value: the largest in the first probe, then a random one.

    The largest value of a loop's count reaches every hyperparameter in the loop.
    """
    if probe == 0:
        return h.prob_to_value(1 - 1e-9)
    return h.random_sample(probe * 1000 + number)


def _metrics(user_model: UserModel, built: UserNetwork, data: Dataset) -> list[str]:
    """List the metrics that a network compiles besides accuracy and loss."""
    images, labels = _sample(data)
    try:
        return list(built.assess(images, labels, np.arange(len(labels))).metrics)
    except Exception as error:
        raise SpaceError(blame(user_model.path, "evaluate", error)) from error


def _try_fit(user_model: UserModel, built: UserNetwork, data: Dataset) -> bool:
    """Train on a few images; return whether the user's `fit` chooses its epochs."""
    sample = built.arrays(*_sample(data))
    options = {"validation_data": sample, "callbacks": [], "verbose": 0}
    try:
        try:
            fit(user_model, built, sample, epochs=1, **options)
        except TypeError as error:
            if "'epochs'" not in str(error):
                raise
            fit(user_model, built, sample, **options)
            return True
    except Exception as error:
        raise SpaceError(blame(user_model.path, "fit", error)) from error
    return False


def _probe(
    user_model: UserModel,
    build: Callable[[], UserNetwork],
    data: Dataset | None,
    epochs: Mapping[str, int],
) -> None:
    """Build one config, to reach its hyperparameters; ignore its errors.

    An error here fails only the trials of such configs, not the whole space.

    Args:
        user_model: The user's code.
        build: Builds its network.
        data: The images for its `fit`, or None if it has none.
        epochs: The argument `epochs` of its `fit`, or empty if `fit` chooses them.
    """
    try:
        keras.utils.clear_session()
        built = build()
        if data is not None:
            sample = built.arrays(*_sample(data))
            if patches.are_on():
                built.model.fit = _skip_training
            options = {"validation_data": sample, "callbacks": [], "verbose": 0}
            fit(user_model, built, sample, **options, **epochs)
    except Exception:  # noqa: BLE001
        return


def _skip_training(*_: Any, **__: Any) -> keras.callbacks.History:
    history = keras.callbacks.History()
    history.history = {
        name: [0.0] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    return history


def _sample(data: Dataset) -> Arrays:
    """Choose a few training images, with at least one of each class."""
    labels = data.y_train[data.train]
    _, firsts = np.unique(labels, return_index=True)
    others = np.setdiff1d(np.arange(len(labels)), firsts)
    chosen = np.sort([*firsts, *others[: max(0, _SAMPLE - len(firsts))]])
    indices = data.train[chosen]
    return data.x_train[indices], data.y_train[indices]
