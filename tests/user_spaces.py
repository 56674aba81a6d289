"""KerasTuner code as its guides have it, which `tune` must take unchanged."""

from __future__ import annotations

from pathlib import Path

# Getting started with KerasTuner: a function.
FUNCTION = """
import keras
import keras_tuner
from keras import layers


def build_model(hp):
    model = keras.Sequential()
    model.add(layers.Flatten())
    for i in range(hp.Int("num_layers", 1, 3)):
        model.add(
            layers.Dense(
                units=hp.Int(f"units_{i}", min_value=8, max_value=32, step=8),
                activation=hp.Choice("activation", ["relu", "tanh"]),
            )
        )
    if hp.Boolean("dropout"):
        model.add(layers.Dropout(rate=0.25))
    model.add(layers.Dense(10, activation="softmax"))
    learning_rate = hp.Float("lr", min_value=1e-3, max_value=1e-2, sampling="log")
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=learning_rate),
        loss="categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


build_model(keras_tuner.HyperParameters())
"""

# The same guide: how the network is trained is tuned too.
CLASS = """
import keras
import keras_tuner
from keras import layers


class MyHyperModel(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential()
        model.add(layers.Flatten())
        model.add(
            layers.Dense(
                units=hp.Int("units", min_value=8, max_value=64, step=8),
                activation="relu",
            )
        )
        model.add(layers.Dense(10, activation="softmax"))
        model.compile(
            optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    def fit(self, hp, model, x, y, **kwargs):
        if hp.Boolean("normalize"):
            x = layers.Normalization()(x)
        return model.fit(x, y, shuffle=hp.Boolean("shuffle"), **kwargs)
"""

# Epochs and batch size drawn in `fit`, which collide with what is passed.
DRAWS_EPOCHS = CLASS.replace(
    'shuffle=hp.Boolean("shuffle")',
    'epochs=hp.Int("epochs", 1, 3), batch_size=hp.Choice("batch_size", [16, 32])',
)

# A loop of its own, which calls the callbacks by hand and returns a number.
OWN_LOOP = """
import keras
import keras_tuner
import numpy as np
from keras import layers


class MyHyperModel(keras_tuner.HyperModel):
    def build(self, hp):
        inputs = keras.Input((8, 8, 1))
        x = layers.Flatten()(inputs)
        x = layers.Dense(hp.Choice("units", [8, 16]), activation="relu")(x)
        model = keras.Model(inputs, layers.Dense(10)(x))
        model.compile(
            "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        return model

    def fit(self, hp, model, x, y, validation_data, callbacks=None):
        batch_size = hp.Int("batch_size", 32, 64, step=32)
        for callback in callbacks:
            callback.set_model(model)
        losses = []
        for epoch in range(2):
            for start in range(0, len(x), batch_size):
                part = slice(start, start + batch_size)
                model.train_on_batch(x[part], y[part])
            losses.append(float(model.test_on_batch(*validation_data)))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_loss": losses[-1]})
        return min(losses)
"""


def write_space(folder: Path, code: str) -> Path:
    """Write a user's file, mine.py."""
    path = folder / "mine.py"
    path.write_text(code, encoding="utf-8")
    return path
