"""Turn a config into a compiled Keras model, on any Keras 3 backend."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import keras

from search_spaces.config import CnnConfig
from search_spaces.layers import LOSS, KerasCall, Shape, layers, optimizer


def build_model(config: CnnConfig, input_shape: Shape, classes: int) -> keras.Model:
    """Build and compile a config's network.

    Args:
        config: The network; feasible for `input_shape`.
        input_shape: Height, width and channels of one image.
        classes: How many classes the labels name.

    Returns:
        A compiled functional model.

        Input shape: (batch, height, width, channels), pixels as stored, 0 to 255;
            the first layer divides by 255.
        Output shape: (batch, config.outputs or classes), logits; the loss is
            sparse categorical cross-entropy on them, in nats.

    Example:
    >>> build_model(CnnConfig(), (32, 32, 3), 10).count_params()
    3688714
    """
    pixels = keras.Input(input_shape, name="pixels")
    x = pixels
    for layer in layers(config, classes):
        x = create(layer.call)(x)
    model = keras.Model(pixels, x)
    model.compile(
        optimizer=create(optimizer(config)),
        loss=create(LOSS),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def create(call: KerasCall) -> Any:
    """Make the object that a call describes."""
    return attrgetter(call.name)(keras)(**call.arguments)
