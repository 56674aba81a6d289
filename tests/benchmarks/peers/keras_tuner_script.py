"""Plain KerasTuner as its guide shows it, in a given time.

    keras_tuner_script.py DATA.npz SECONDS SEED OUT.json

The guide's CNN: one to three convolutions of 32 to 128 filters, each with max-pooling,
then dropout or none, and Adam with a learning rate from 1e-4 to 1e-2. Random search
with early stopping takes 60 % of the time; then the best hyperparameters are trained
anew on all training images, for the epochs that were best, as the guide advises.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
from timed import Until

started = time.monotonic()
within, seed = float(sys.argv[2]), int(sys.argv[3])
data = np.load(sys.argv[1])
x_train, x_test = (data[f"x_{part}"] / np.float32(255) for part in ("train", "test"))
y_train, y_test = (data[f"y_{part}"].reshape(-1) for part in ("train", "test"))
order = np.random.default_rng(seed).permutation(len(x_train))
x_train, y_train = x_train[order], y_train[order]
keras.utils.set_random_seed(seed)


def build_model(hp: kt.HyperParameters) -> keras.Model:
    """Build the guide's CNN."""
    layers = [keras.Input(x_train.shape[1:])]
    for number in range(hp.Int("cnn_layers", 1, 3)):
        filters = hp.Int(f"filters_{number}", 32, 128, step=32)
        layers.append(
            keras.layers.Conv2D(filters, 3, activation="relu", padding="same")
        )
        layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.Flatten())
    if hp.Boolean("dropout"):
        layers.append(keras.layers.Dropout(0.5))
    layers.append(keras.layers.Dense(int(y_train.max()) + 1, activation="softmax"))
    model = keras.Sequential(layers)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    model.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def stop() -> None:
    """End the search."""
    raise kt.errors.FatalRuntimeError("The time is up.")


with tempfile.TemporaryDirectory() as folder:
    tuner = kt.RandomSearch(
        build_model,
        objective="val_accuracy",
        max_trials=10_000,
        seed=seed,
        directory=folder,
    )
    callbacks = [
        keras.callbacks.EarlyStopping("val_loss", patience=3),
        Until(started + 0.6 * within, stop),
    ]
    with suppress(kt.errors.FatalRuntimeError):
        tuner.search(
            x_train,
            y_train,
            epochs=30,
            validation_split=0.1,
            callbacks=callbacks,
            verbose=0,
        )
    trials = len(tuner.oracle.trials)
    ended = tuner.oracle.get_best_trials(1)
    best = ended[0].hyperparameters if ended else kt.HyperParameters()
    epochs = 1 + (ended[0].best_step or 0) if ended else 30
    model = tuner.hypermodel.build(best)
model.fit(
    x_train,
    y_train,
    epochs=epochs,
    callbacks=[Until(started + 0.97 * within)],
    verbose=0,
)
accuracy = model.evaluate(x_test, y_test, verbose=0)[1]
result = {"test_accuracy": accuracy, "trials": trials, "epochs": epochs}
Path(sys.argv[4]).write_text(json.dumps(result), encoding="utf-8")
