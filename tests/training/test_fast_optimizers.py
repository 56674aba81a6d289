"""Promises of the fast path on TensorFlow: it computes what plain Keras does."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from tasks import digits

from tuner.training.fast_layers import quicken
from tuner.training.fast_optimizers import fuse
from tuner.training.networks import Network, fresh

tf = pytest.importorskip("tensorflow")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow", reason="TensorFlow's operations"
    ),
]

_OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.003),
    "adam with a schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(0.003, 10, 0.9)
    ),
    "adamw": lambda: keras.optimizers.AdamW(0.003, weight_decay=0.01),
    "adam, clipped": lambda: keras.optimizers.Adam(0.003, global_clipnorm=0.5),
    "sgd": lambda: keras.optimizers.SGD(0.2),
    "momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9),
    "nesterov": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.005, rho=0.8),
    "rmsprop with momentum": lambda: keras.optimizers.RMSprop(0.001, momentum=0.5),
}


def _network(optimizer, *hidden, convolved=lambda: keras.layers.Activation("linear")):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(8, 3, activation="relu"),
            convolved(),
            keras.layers.MaxPooling2D(2),
            keras.layers.Flatten(),
            *(make() for make in hidden),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    return Network(model, 32)


def _batches():
    data = digits()
    for step in range(50):
        some = np.arange(32 * step, 32 * (step + 1)) % len(data.x_train)
        yield data.x_train[some], data.y_train[some]


def _losses(network):
    model = network.model
    return [float(model.train_on_batch(x, y)) for x, y in _batches()]


@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_the_losses_of_50_steps_are_those_of_plain_keras(name):
    plain = _network(_OPTIMIZERS[name]())
    ours = fresh(lambda: _network(_OPTIMIZERS[name]()), 3)
    assert not ours.model.jit_compile
    losses = _losses(ours)
    np.testing.assert_allclose(losses, _losses(plain), rtol=2e-5)
    assert losses[-1] < 0.9 * losses[0]
    variables = zip(
        ours.model.optimizer.variables, plain.model.optimizer.variables, strict=True
    )
    for mine, theirs in variables:
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "tanh"}])
def test_wide_dense_layers_compute_what_plain_keras_does(options):
    """Their input's gradient is another order of the same sums."""

    def wide():
        return keras.layers.Dense(2000, **{"activation": "relu", **options})

    def build():
        return _network(keras.optimizers.SGD(0.2), wide)

    plain, ours = build(), fresh(build, 3)
    assert ["call" in vars(layer) for layer in ours.model.layers[-2:]] == [True, False]
    losses = _losses(ours)
    np.testing.assert_allclose(losses, _losses(plain), rtol=2e-5)
    assert losses[-1] < 0.9 * losses[0]
    x, _ = next(iter(_batches()))
    np.testing.assert_allclose(
        ours.predict(x), plain.model.predict_on_batch(x), rtol=1e-3, atol=1e-4
    )


def _changed(layer, shape=(None, 72), batch_size=32):
    layer.build(shape)
    quicken([layer], batch_size)
    return "call" in vars(layer)


@pytest.mark.parametrize("size", [8, 64])
def test_where_it_takes_longer_dense_layers_stay_as_they_are(size):
    assert not _changed(keras.layers.Dense(2000), batch_size=size)
    assert _changed(keras.layers.Dense(2000))


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.layers.Dense(2000, dtype="mixed_float16"),
        lambda: keras.layers.Dense(100),
        lambda: type("Mine", (keras.layers.Dense,), {})(2000),
        lambda: keras.layers.EinsumDense("ab,bc->ac", 2000),
        keras.layers.BatchNormalization,
    ],
    ids=["mixed precision", "small", "a subclass", "einsum", "normalized vectors"],
)
def test_other_layers_stay_as_they_are(make):
    assert not _changed(make())


@pytest.mark.parametrize(
    "options",
    [{"axis": 1}, {"scale": False}, {"center": False}, {"synchronized": True}],
)
def test_other_normalizations_stay_as_they_are(options):
    images = (None, 6, 6, 8)
    assert _changed(keras.layers.BatchNormalization(), images)
    assert not _changed(keras.layers.BatchNormalization(**options), images)


def test_a_dense_layer_of_sequences_is_left_to_keras():
    """Its input has three axes."""
    layer = keras.layers.Dense(2000)
    x = np.random.default_rng(0).normal(size=(32, 3, 72)).astype(np.float32)
    expected = np.asarray(layer(x))
    quicken([layer], 32)
    assert "call" in vars(layer)
    np.testing.assert_array_equal(np.asarray(layer(x)), expected)


@pytest.mark.parametrize(
    "layers",
    [
        [keras.layers.Flatten, lambda: keras.layers.Dense(200)],
        [keras.layers.BatchNormalization, keras.layers.Flatten],
    ],
    ids=["dense", "normalized"],
)
def test_pixels_that_no_layer_has_made_floats_are_left_to_keras(layers):
    """Keras promotes them."""

    def build():
        keras.utils.set_random_seed(3)
        pixels = keras.Input((32, 32, 1), dtype="uint8")
        x = pixels
        for make in layers:
            x = make()(x)
        model = keras.Model(pixels, keras.layers.Dense(10)(x))
        model.compile(keras.optimizers.SGD(1e-6), "mse")
        return Network(model, 32)

    x = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 1), np.uint8)
    y = np.zeros((64, 10), np.float32)
    losses = [n.model.train_on_batch(x, y) for n in (build(), fresh(build, 3))]
    np.testing.assert_allclose(*losses, rtol=2e-5)


def test_a_layer_that_is_never_called_is_left_as_it_is():
    """Of a subclassed model: it has no weights."""
    unused = [keras.layers.Dense(2000), keras.layers.BatchNormalization()]
    quicken(unused, 32)
    assert not any("call" in vars(layer) for layer in unused)


@pytest.mark.parametrize(
    ("count", "precision"),
    [(1, "float32"), (2, "float32"), (32, "float32"), (32, "mixed_bfloat16")],
)
def test_batch_normalization_learns_what_plain_keras_does(count, precision):
    """Outputs, gradients, and the moving variance, which is the biased one."""
    rng = np.random.default_rng(count)
    kind = precision.removeprefix("mixed_")
    x = tf.cast(rng.normal(3, 2, (count, 2, 3, 5)), kind)
    weights = tf.cast(rng.normal(size=(count, 2, 3, 5)), kind)
    found = []
    for fast in (False, True):
        layer = keras.layers.BatchNormalization(momentum=0.5, dtype=precision)
        layer.build(x.shape)
        layer.gamma.assign([1.1, 2.1, 3.1, 4.1, 5.1])  # no bfloat16 numbers
        if fast:
            quicken([layer], 32)
        assert ("call" in vars(layer)) is fast
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(tf.cast(outputs * weights, tf.float32))
        learned = [v.value for v in layer.trainable_variables]
        gradients = tape.gradient(loss, [x, *learned])
        moving = [v.numpy() for v in layer.non_trainable_variables]
        found.append([outputs, *gradients, *moving, layer(x, training=False)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=2e-5)


def test_a_frozen_normalization_is_left_as_it_is():
    layer = keras.layers.BatchNormalization()
    assert _changed(layer, (None, 6, 6, 8))
    layer.trainable = False
    x = np.random.default_rng(0).normal(3, 2, (4, 6, 6, 8)).astype(np.float32)
    expected = x / np.sqrt(1 + layer.epsilon)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, np.zeros(8))


def test_a_normalized_network_learns_as_in_plain_keras():
    """The first losses to the last bits; later, bits grow as in any other order."""

    def build():
        optimizer = keras.optimizers.SGD(0.05)
        return _network(optimizer, convolved=keras.layers.BatchNormalization)

    plain, ours = _losses(build()), _losses(fresh(build, 3))
    np.testing.assert_allclose(ours[:5], plain[:5], rtol=2e-5)
    np.testing.assert_allclose(ours, plain, rtol=0.01)
    assert ours[-1] < 0.9 * ours[0]


def test_several_steps_a_call_and_a_short_last_one_change_nothing():
    """37 batches are two calls of 16 steps and one of 5; the last batch is short."""
    data = digits(1200)
    x, y = data.x_train[: 36 * 32 + 7], data.y_train[: 36 * 32 + 7]
    plain, ours = _network(keras.optimizers.Adam()), _fresh(keras.optimizers.Adam)
    assert ours.model.steps_per_execution > 1
    histories = [
        n.model.fit(x, y, epochs=2, shuffle=False, verbose=0).history
        for n in (plain, ours)
    ]
    np.testing.assert_allclose(*(h["loss"] for h in histories), rtol=2e-5)
    assert int(ours.model.optimizer.iterations) == 2 * 37


def _fresh(optimizer):
    return fresh(lambda: _network(optimizer()), 3)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(amsgrad=True),
        lambda: keras.optimizers.RMSprop(centered=True),
        keras.optimizers.Lion,
        type("Mine", (keras.optimizers.Adam,), {}),
    ],
    ids=["amsgrad", "centered", "lion", "a subclass"],
)
def test_what_has_no_single_operation_stays_as_it_is(optimizer):
    model = _network(optimizer()).model
    model.optimizer.build(model.trainable_variables)
    assert not fuse(model.optimizer)
    assert "update_step" not in vars(model.optimizer)


def test_an_embeddings_sparse_gradient_is_left_to_keras():
    def build():
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Embedding(17, 4),
                keras.layers.Flatten(),
                keras.layers.Dense(10),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss)
        return Network(model, 32)

    data = digits()
    x, y = data.x_train.reshape(len(data.x_train), -1) // 16, data.y_train
    fitted = [
        n.model.fit(x, y, shuffle=False, verbose=0).history["loss"]
        for n in (build(), fresh(build, 3))
    ]
    np.testing.assert_allclose(*fitted, rtol=2e-5)


def test_a_model_that_is_saved_is_plain_keras(tmp_path):
    network = _fresh(keras.optimizers.Adam)
    _losses(network)
    network.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is keras.optimizers.Adam
    assert "update_step" not in vars(loaded.optimizer)
    assert int(loaded.optimizer.iterations) == 50
