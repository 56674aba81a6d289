"""Turn a config into a compiled Keras model, on any Keras 3 backend."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import keras

from search_spaces.config import CnnConfig
from search_spaces.layers import LOSS, KerasCall, Shape, layers, optimizer


def build_model(
    config: CnnConfig, input_shape: Shape, classes: int, steps: int | None = None
) -> keras.Model:
    """Build and compile a config's network.

    Args:
        config: The network; feasible for `input_shape`.
        input_shape: Height, width and channels of one image.
        classes: How many classes the labels name.
        steps: Steps of the whole training, for the learning rate's schedule; None
            for a network that is not trained.

    Returns:
        A compiled functional model.

        Input shape: (batch, height, width, channels), pixels as stored, 0 to 255;
            the first layer divides by 255.
        Output shape: (batch, config.outputs or classes), logits; the loss is
            categorical cross-entropy on them and the class ids, in nats.

    Example:
    >>> build_model(CnnConfig(), (32, 32, 3), 10).count_params()
    3688714
    """
    pixels = keras.Input(input_shape, name="pixels")
    x = pixels
    for layer in layers(config, classes):
        x = create(layer.call)(x)
    model = keras.Model(pixels, x)
    compile_model(model, config, steps)
    return model


def compile_model(model: keras.Model, config: CnnConfig, steps: int | None) -> None:
    """Compile a network of `build_model` anew, for another number of steps."""
    smoothing = config.label_smoothing
    model.compile(
        optimizer=create(optimizer(config, steps)),
        loss=smoothed_crossentropy(smoothing) if smoothing else create(LOSS),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )


def smoothed_crossentropy(share: float) -> Callable[[Any, Any], Any]:
    """Return the loss of class ids whose labels are smoothed, on logits, in nats.

    Keras smooths only one-hot labels.

    Args:
        share: The share of each label that is spread over all classes, 0 to 1.
    """

    def loss(labels: Any, logits: Any) -> Any:
        one_hot = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), logits.shape[-1])
        return keras.losses.categorical_crossentropy(
            one_hot, logits, from_logits=True, label_smoothing=share
        )

    return loss


def create(call: KerasCall) -> Any:
    """Make the object that a call describes."""
    arguments = {
        name: create(value) if isinstance(value, KerasCall) else value
        for name, value in call.arguments.items()
    }
    return attrgetter(call.name)(keras)(**arguments)
