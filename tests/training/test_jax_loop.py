"""Promises of many steps a call on JAX: it computes what plain Keras does."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.slow

# A GPU is what it is for, and the arithmetic is the same on a CPU. In a process of
# its own: the backend is fixed when Keras loads.
_SAME = """
import sys
sys.path.insert(0, "tests")
import keras
import numpy as np
from dataclasses import replace
from tasks import SMALL, digits
from tuner.training import feeding, jax_loop, user_models
from tuner.training.networks import Batches, cnn, fresh

data = digits(1200)
images, labels = data.x_train, data.y_train
# A bias before a normalization has no gradient but rounding, which Adam makes large.
normalized = sys.argv[1] == "sgd"
config = replace(SMALL, dropout=0.3, batch_norm=normalized, optimizer=sys.argv[1])
jax_loop._STEPS_PER_CALL = 8


def network():
    return fresh(lambda: cnn(config, data.input_shape, 10, len(data.train)), 3)


def same(ours, plain):
    variables = [*ours.model.variables, *ours.model.optimizer.variables]
    theirs = [*plain.model.variables, *plain.model.optimizer.variables]
    for a, b in zip(variables, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-3, atol=1e-5)


ours, plain = network(), network()
held = jax_loop.Resident(ours, data)
losses = []
for step in range(50):
    some = data.train[np.arange(32 * step, 32 * (step + 1)) % len(data.train)]
    one = ours.model.fit(held.batches(some), verbose=0).history["loss"][0]
    other = plain.model.train_on_batch(images[some], labels[some])[0]
    losses.append((one, float(other)))
    plain.model.reset_metrics()
ours_, theirs = zip(*losses)
np.testing.assert_allclose(ours_, theirs, rtol=2e-5)
assert np.mean(ours_[-10:]) < np.mean(ours_[:10])
same(ours, plain)

# 29 batches are three calls of 8 steps and one of 4; the last batch is short.
order = np.random.default_rng(0).permutation(data.train)[: 28 * 32 + 7]
assert len(held.batches(order)) == 5
batches = Batches(plain, images, labels, order, 32)
for _ in range(2):
    a, b = (
        n.model.fit(given, shuffle=False, verbose=0).history
        for n, given in ((ours, held.batches(order)), (plain, batches))
    )
    assert set(a) == set(b) == {"loss", "accuracy"}
    np.testing.assert_allclose([*a["loss"], *a["accuracy"]],
                               [*b["loss"], *b["accuracy"]], rtol=1e-4)
assert int(ours.model.optimizer.iterations) == 50 + 2 * 29
same(ours, plain)
print("the same")
"""


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_losses_are_those_of_plain_keras(optimizer):
    """Dropout, batch normalization and a short last batch included."""
    assert find_spec("jax"), "install the extra `test`: it brings JAX"
    assert "the same" in _run(_SAME, optimizer)


_OWN = """
import sys
sys.path.insert(0, "tests")
import keras
import numpy as np
from tasks import digits
from tuner.training import jax_loop
from tuner.training.networks import Batches, Network


class Halved(Network):
    def arrays(self, images, labels):
        return images.astype("float32") / 2, np.eye(10, dtype="float32")[labels]

    def tensors(self, images, labels):
        return keras.ops.cast(images, "float32") / 2, keras.ops.one_hot(labels, 10)


class Doubled(keras.Model):
    def __init__(self):
        super().__init__()
        self.flat, self.out = keras.layers.Flatten(), keras.layers.Dense(10)

    def call(self, x):
        return self.out(self.flat(x))

    def train_step(self, state, data):
        logs, state = super().train_step(state, data)
        return {**logs, "twice": 2 * logs["loss"]}, state


def network():
    keras.utils.set_random_seed(3)
    model = Doubled()
    model(np.zeros((1, 8, 8, 1), "float32"))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    # Keras would give a call sixteen items, of which it took one.
    model.compile("sgd", loss, metrics=["accuracy"], steps_per_execution=16)
    return Halved(model, 32)


data = digits()
images, labels = data.x_train, data.y_train
ours, plain = network(), network()
order = data.train
jax_loop._STEPS_PER_CALL = 4
held = jax_loop.Resident(ours, data)
assert len(held.batches(order)) > 2
a = ours.model.fit(held.batches(order), shuffle=False, verbose=0).history
b = plain.model.fit(
    Batches(plain, images, labels, order, 32), shuffle=False, verbose=0
).history
assert set(a) == set(b) and "twice" in a, (a, b)
for name in a:
    np.testing.assert_allclose(a[name], b[name], rtol=1e-4)
print("the same")
"""


def test_a_users_own_step_and_arrays_are_kept():
    """A subclass's `train_step` and its logs, one-hot labels, scaled pixels."""
    assert "the same" in _run(_OWN)


def _run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
