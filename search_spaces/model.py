"""Turn a config into a compiled Keras model, on any Keras 3 backend."""

from __future__ import annotations

import keras

from search_spaces.config import CnnConfig
from search_spaces.layers import Conv, Dense, Pool, Shape, layers


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
    x = keras.layers.Rescaling(1 / 255)(pixels)
    is_flat = False
    for layer in layers(config, classes):
        match layer:
            case Conv(filters, kernel_size, padding, batch_norm):
                x = keras.layers.Conv2D(filters, kernel_size, padding=padding)(x)
                if batch_norm:
                    x = keras.layers.BatchNormalization()(x)
                x = keras.layers.ReLU()(x)
            case Pool(kind, size):
                pooling = {
                    "max": keras.layers.MaxPooling2D,
                    "average": keras.layers.AveragePooling2D,
                }[kind]
                x = pooling(size)(x)
            case Dense(units, dropout, output):
                if not is_flat:
                    x, is_flat = keras.layers.Flatten()(x), True
                if dropout:
                    x = keras.layers.Dropout(dropout)(x)
                activation = None if output else "relu"
                name = "logits" if output else None
                x = keras.layers.Dense(units, activation=activation, name=name)(x)
    model = keras.Model(pixels, x)
    model.compile(
        optimizer=_optimizer(config),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


def _optimizer(config: CnnConfig) -> keras.optimizers.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay or None
    match config.optimizer:
        case "adam":
            return keras.optimizers.Adam(rate, weight_decay=decay)
        case "rmsprop":
            return keras.optimizers.RMSprop(rate, weight_decay=decay)
        case _:
            return keras.optimizers.SGD(
                rate, momentum=0.9, nesterov=True, weight_decay=decay
            )
