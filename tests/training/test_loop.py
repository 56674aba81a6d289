"""Promises of a training: exact, seeded, and measured as Keras measures."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

pytestmark = pytest.mark.slow

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

# Run in a process of its own: threads and backend are fixed when Keras loads.
_CONTINUATION = """
import sys
sys.path.insert(0, "tests")
import keras
import numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
from dataclasses import replace
from tasks import SMALL, digits, task, train

config = replace(SMALL, optimizer=sys.argv[1], learning_rate=0.01, batch_norm=True)
if sys.argv[1] == "sgd":
    config = replace(config, schedule="one_cycle", flip=True, shift=0.2, epochs=5)
    config = replace(config, label_smoothing=0.1)
how = {"precision": sys.argv[2]}
events = []
whole = train(task(config, epochs=5, **how), digits(), events.append)
part = train(task(config, epochs=2, **how), digits(), lambda e: None)
assert part.state.epoch == 2
train(task(replace(config, filters=(4,)), epochs=1), digits(), lambda e: None)
resumed = []
more = task(config, epochs=5, state=part.state, **how)
rest = train(more, digits(), resumed.append)

assert [e.epoch for e in resumed] == [3, 4, 5]
assert [e.metrics for e in resumed] == [e.metrics for e in events[2:]]
assert rest.continued_from == 2
for a, b in zip(whole.state.arrays, rest.state.arrays, strict=True):
    assert np.array_equal(a, b), (a, b)
assert (whole.test.predictions == rest.test.predictions).all()
assert (whole.train.loss, whole.test.loss) == (rest.train.loss, rest.test.loss)
print("equal in", len(whole.state.arrays), "arrays")
"""


@pytest.mark.parametrize(
    ("backend", "optimizer", "precision"),
    [
        ("tensorflow", "adam", "float32"),
        ("tensorflow", "sgd", "bfloat16"),
        ("jax", "adam", "bfloat16"),
        ("jax", "sgd", "float32"),
    ],
)
def test_training_on_equals_training_through(backend, optimizer, precision):
    """2 epochs, then 3 more, are 5 epochs, bit for bit on one CPU thread."""
    assert find_spec(backend), f"install the extra `test`: it brings {backend}"
    done = subprocess.run(
        [sys.executable, "-c", _CONTINUATION, optimizer, precision],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": _ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "equal in" in done.stdout


_PATIENCE = """
import sys
sys.path.insert(0, "tests")
import keras
import numpy as np
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
from dataclasses import replace
from tasks import SMALL, digits, task, train

config = replace(SMALL, learning_rate=0.03, dropout=0.0)
wanted = dict(epochs=40, patience=3, checkpoint_seconds=0.0)
events = []
whole = train(task(config, **wanted), digits(), events.append)
losses = [e.metrics["val_loss"] for e in events]
best = int(np.argmin(losses)) + 1
assert whole.best_epoch == best == whole.state.epoch
assert whole.epochs == len(losses) == best + 3 < 40
assert abs(whole.validation.loss - losses[best - 1]) < 1e-9

# Whatever was stored last, what comes of it is the same.
for last in range(0, len(events) - 1, 2):
    state = events[last].state
    assert state.epoch == int(np.argmin(losses[: last + 1])) + 1
    again = train(task(config, state=state, **wanted), digits(), lambda e: None)
    assert (again.epochs, again.best_epoch) == (whole.epochs, best)
    assert (again.test.predictions == whole.test.predictions).all()
    assert again.test.loss == whole.test.loss
print("stopped after", whole.epochs)
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_patience_keeps_the_lowest_validation_loss(backend):
    """It stops, goes back to the best epoch, and a resume does the same."""
    done = subprocess.run(
        [sys.executable, "-c", _PATIENCE],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": _ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stopped after" in done.stdout


def test_results_are_those_of_evaluate():
    """One pass of ours gives Keras's `evaluate`, on the same final weights."""
    from tasks import SMALL, digits, task, train

    from search_spaces.model import build_model
    from tuner.training.loop import restore

    data = digits()
    result = train(task(), data, lambda event: None)
    model = build_model(SMALL, data.input_shape, 10)
    restore(model, result.state)

    loss, accuracy = model.evaluate(data.x_test, data.y_test, verbose=0)
    assert result.test.accuracy == pytest.approx(accuracy, abs=1e-6)
    assert result.test.loss == pytest.approx(loss, rel=1e-5)
    x, y = data.x_train[data.validation], data.y_train[data.validation]
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert result.validation.accuracy == pytest.approx(accuracy, abs=1e-6)
    assert result.validation.loss == pytest.approx(loss, rel=1e-5)
    assert result.params == model.count_params()


def test_epochs_train_as_plain_keras_does():
    """Equal weights and batches give `fit`'s own losses, to float tolerance."""
    import keras
    from tasks import SMALL, digits, task, train

    from search_spaces.model import build_model

    config, data = replace(SMALL, dropout=0.0, epochs=2), digits()
    events = []
    train(task(config), data, events.append)

    keras.utils.set_random_seed(7)
    model = build_model(config, data.input_shape, 10)
    for epoch, event in enumerate(events, 1):
        order = np.random.default_rng((7, epoch)).permutation(data.train)
        x, y = data.x_train[order], data.y_train[order]
        history = model.fit(x, y, batch_size=32, shuffle=False, verbose=0).history
        assert event.metrics["loss"] == pytest.approx(history["loss"][0], rel=1e-4)


def test_a_result_depends_on_its_task_alone():
    """What the process trained before does not matter; the seed does."""
    from tasks import SMALL, digits, task, train

    first = train(task(), digits(), lambda event: None)
    train(task(replace(SMALL, filters=(4,))), digits(), lambda event: None)
    again = train(task(), digits(), lambda event: None)
    other = train(task(seed=8), digits(), lambda event: None)

    assert again.test.loss == pytest.approx(first.test.loss, rel=1e-4)
    assert other.test.loss != pytest.approx(first.test.loss, rel=1e-4)


def test_the_train_sample_is_fixed_and_as_large_as_the_test_set():
    """Every trial's train accuracy is measured on the same training images."""
    from tasks import digits

    from tuner.training.loop import train_sample

    few, many = digits(), digits(1400)
    assert set(train_sample(few)) == set(few.train)
    sample = train_sample(many)
    assert len(sample) == len(many.y_test)
    assert set(sample) < set(many.train)
    assert (sample == train_sample(many)).all()


def test_a_loss_that_is_no_number_is_an_error():
    """A diverged training fails in words; no record ever holds NaN."""
    from tasks import SMALL, digits, task, train

    from tuner.training.loop import DivergedError

    # Each step multiplies every weight by 1 - 10.
    wild = replace(SMALL, optimizer="sgd", learning_rate=10.0, weight_decay=1.0)
    with pytest.raises(DivergedError, match=r"loss became (nan|inf) in epoch \d+"):
        train(task(wild, epochs=20), digits(), lambda event: None)


def test_a_test_loss_that_is_no_number_is_an_error(monkeypatch):
    """Weights that break after the last epoch's metrics are caught too."""
    from tasks import digits, task, train

    from tuner.training import loop
    from tuner.training.networks import Network

    measure = Network.assess

    def broken(network, images, labels, which):
        result = measure(network, images, labels, which)
        is_test = images is digits().x_test
        return replace(result, loss=float("nan")) if is_test else result

    monkeypatch.setattr(Network, "assess", broken)
    with pytest.raises(loop.DivergedError, match="test_loss became nan in epoch 1"):
        train(task(epochs=1), digits(), lambda event: None)


def test_a_state_of_another_config_is_refused():
    """A stored state that does not fit is never half loaded."""
    from tasks import SMALL, digits, task, train

    from search_spaces.model import build_model
    from tuner.training.loop import restore

    state = train(task(), digits(), lambda event: None).state
    other = build_model(replace(SMALL, filters=(4,)), digits().input_shape, 10)
    with pytest.raises(ValueError, match="A stored state must fit its network"):
        restore(other, state)


def test_checkpoints_come_when_they_are_due():
    """With an interval of 0 every epoch but the last brings a state."""
    from tasks import digits, task, train

    events = []
    train(task(checkpoint_seconds=0.0), digits(), events.append)
    assert [e.state and e.state.epoch for e in events] == [1, 2, None]
