"""The yardstick's networks as a user would write them, for both peers' scripts."""

from __future__ import annotations

import keras


def build(config: tuple, shape: tuple) -> keras.Model:
    """Build and compile a config's network, inputs scaled to [0, 1]."""
    filters, units, pooling, _ = config
    layers = [keras.Input(shape)]
    for number in filters:
        layers.append(keras.layers.Conv2D(number, 3, activation="relu"))
        if pooling:
            layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(n, activation="relu") for n in units]
    layers.append(keras.layers.Dense(10, activation="softmax"))
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def evaluate(model: keras.Model, parts: dict) -> list[float]:
    """Give the accuracy on some training, the validation and the test images."""
    sample = len(parts["test"][1])
    x, y = parts["train"]
    some = ((x[:sample], y[:sample]), parts["val"], parts["test"])
    return [model.evaluate(*part, verbose=0)[1] for part in some]
