"""The script a user would write from KerasTuner's guide: float arrays, plain `fit`.

    plain_script.py DATA.npz EPOCHS OUT.json

It needs tensorboard, which `keras_tuner.Tuner` imports in every trial.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
from configs import CONFIGS

data = np.load(sys.argv[1])
epochs = int(sys.argv[2])
x_train, y_train = data["x_train"] / 255.0, data["y_train"]
x_val, y_val = data["x_val"] / 255.0, data["y_val"]
x_test, y_test = data["x_test"] / 255.0, data["y_test"]
results = []


class HyperModel(kt.HyperModel):
    """Filters, dense units and pooling, as the guide builds them."""

    def build(self, hp):
        filters, units, pooling, _ = CONFIGS[
            hp.Choice("config", list(range(len(CONFIGS))))
        ]
        layers = [keras.Input(x_train.shape[1:])]
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

    def fit(self, hp, model, *args, **kwargs):
        batch_size = CONFIGS[hp.get("config")][3]
        history = model.fit(*args, batch_size=batch_size, **kwargs)
        sample = len(x_test)
        scores = [
            model.evaluate(x, y, verbose=0)[1]
            for x, y in (
                (x_train[:sample], y_train[:sample]),
                (x_val, y_val),
                (x_test, y_test),
            )
        ]
        results.append({"config": hp.get("config"), "accuracies": scores})
        return history


with tempfile.TemporaryDirectory() as folder:
    tuner = kt.GridSearch(HyperModel(), objective="val_accuracy", directory=folder)
    tuner.search(
        x_train, y_train, epochs=epochs, validation_data=(x_val, y_val), verbose=0
    )
results.sort(key=lambda result: result["config"])
Path(sys.argv[3]).write_text(json.dumps(results), encoding="utf-8")
