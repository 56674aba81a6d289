"""Promises to a user's own training: what their code sees is what Keras shows it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# In a process of its own: the backend is fixed when Keras loads.
_PROGRAM = """
import sys
sys.path.insert(0, "tests")
import keras, keras_tuner
from dataclasses import replace
from tasks import digits, task
from search_spaces.user_code import UserModel
from tuner.training import loop, user_fit, user_models

CODE = '''
import keras, keras_tuner
from keras import layers

seen = []

class Stepped(keras.Model):
    def train_step(self, *args):
        return super().train_step(*args)

class Count(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        model = self.model
        rate = float(model.optimizer.learning_rate)
        model.optimizer.learning_rate = rate / 2  # a schedule by the batch
        seen.append((batch, rate, model.steps_per_execution, model.run_eagerly, JIT))

def build_model(hp):
    inputs = keras.Input((8, 8, 1))
    outputs = layers.Dense(10, activation="softmax")(layers.Flatten()(inputs))
    model = MODEL(inputs, outputs)
    rate = hp.Choice("rate", [0.5, 0.25])
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(rate), loss, OPTIONS)
    return model
'''
FIT = '''
class Mine(keras_tuner.HyperModel):
    def build(self, hp):
        return build_model(hp)

    def fit(self, hp, model, x, y, callbacks=(), **options):
        callbacks = [*callbacks, Count()]
        model.fit(x, y, batch_size=8, shuffle=False, callbacks=callbacks, **options)

hypermodel = Mine()
'''
data = digits(400)
config = {"rate": 0.25, "epochs": 2}


def written(code, model, options):
    jit = "model.jit_compile" if "jit" in options else "None"
    for name, text in (("MODEL", model), ("OPTIONS", options), ("JIT", jit)):
        code = code.replace(name, text)
    return code


def of_plain_keras(code, own, made):
    scope = {}
    exec(code, scope)
    hp = user_models.hyperparameters(config)
    arrays = made.arrays(data.x_train[data.train], data.y_train[data.train])
    model = scope["Mine"]().build(hp)
    scope["Mine"]().fit(hp, model, *arrays, epochs=2, verbose=0)
    return scope["seen"]


VARIANTS = [
    ("keras.Model", ""),
    ("keras.Model", "steps_per_execution=4"),
    ("keras.Model", "run_eagerly=True"),
    ("keras.Model", "jit_compile=True"),
    ("keras.Model", "jit_compile=False"),
    ("Stepped", ""),
]
for model, options in VARIANTS:
    code = written(CODE + FIT, model, options)
    own = UserModel("mine.py", code, has_fit=True)
    mine = replace(task(), user_model=own, config=config, epochs=2)
    *epochs, result = user_fit.train(mine, data)
    assert len(epochs) == 2
    ours = sys.modules[user_models.MODULE].seen
    plain = of_plain_keras(code, own, loop.build(mine, data, 1))
    assert ours == plain, (model, options, ours[:3], plain[:3], len(ours), len(plain))
    assert len(ours) >= 2 * 10
    assert len(ours) == 2 * 40 or "steps" in options

# Without a fit of theirs, nobody sees how many steps are a call, but of their own.
for model, options in VARIANTS:
    own = UserModel("mine.py", written(CODE, model, options))
    made = loop.build(replace(task(), user_model=own, config=config), data, 1).model
    many = keras.backend.backend() == "tensorflow" and model != "Stepped"
    many = many and "eager" not in options
    steps = 4 if "steps" in options else 16 if many else 1
    assert made.steps_per_execution == steps, (model, options)
    assert made.run_eagerly == ("eager" in options)
    if "jit" in options:
        assert made.jit_compile == ("True" in options)
print("as plain Keras")
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_users_fit_sees_every_batch_as_in_plain_keras(backend):
    """Callbacks and schedules by the batch, their own steps a call, eager or compiled.

    A model of theirs that we train keeps a step, steps and a mode of its own.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "as plain Keras" in done.stdout, done.stderr[-3000:]
