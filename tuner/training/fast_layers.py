"""Layers that TensorFlow's CPU kernels compute faster in another form of the same.

What is saved of a layer is plain Keras: only the call of this one object changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from tuner.system import patches

_BATCHES = range(16, 33)
_LEAST_WEIGHTS = 100_000
_IMAGE_AXES = 4


def quicken(layers: Iterable[keras.layers.Layer], batch_size: int) -> None:
    """Change the layers that have a faster form, for inputs of float32.

    - The input's gradient of a wide dense layer y = x W is dy W': few rows times a
      large matrix that is read across its rows. (W dy')' has the same sums and reads W
      along them. It took 0.39 to 0.48 of the time for 28,800 x 128 weights and 16 or
      32 images, and the published baseline's step 0.83; with 8 images, from 64 on, and
      with few weights it took longer.
    - Batch normalization in training is one operation each way, where Keras has a
      dozen. Steps of four networks took 0.84 to 0.93 of their time. The operation's
      variance is the unbiased one, Keras's moving variance learns from the biased.

    Args:
        layers: On TensorFlow, on a CPU, not compiled by XLA.
        batch_size: Images a step.
    """
    for layer in layers:
        with patches.applying(patches.LAYERS):
            if not layer.built or layer.dtype_policy.name != "float32":
                continue
            if batch_size in _BATCHES and _is_wide_dense(layer):
                _turn(layer)
            elif _normalizes_images(layer):
                _fuse(layer)


def _is_wide_dense(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Dense  # a subclass may compute something else
        and layer.kernel.value.shape.num_elements() >= _LEAST_WEIGHTS
    )


def _turn(layer: keras.layers.Dense) -> None:
    import tensorflow as tf

    plain = layer.call

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: Any, weights: Any) -> tuple[Any, Any]:
        def gradient(dy: Any) -> tuple[Any, Any]:
            dx = tf.transpose(tf.matmul(weights, dy, transpose_b=True))
            return dx, tf.matmul(x, dy, transpose_a=True)

        return tf.matmul(x, weights), gradient

    def call(inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001
        if layer.lora_enabled or not _is_float32(inputs, rank=2):
            return plain(inputs, training=training)
        outputs = product(inputs, tf.convert_to_tensor(layer.kernel.value))
        if layer.use_bias:
            outputs = tf.add(outputs, layer.bias.value)
        return outputs if layer.activation is None else layer.activation(outputs)

    layer.call = patches.guarded(patches.LAYERS, call, plain)


def _normalizes_images(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.input_spec.ndim == _IMAGE_AXES
        and layer.axis in {-1, _IMAGE_AXES - 1}
        and layer.scale
        and layer.center
        and not layer.synchronized
        and not getattr(layer, "renorm", False)
    )


def _fuse(layer: keras.layers.BatchNormalization) -> None:
    import tensorflow as tf

    plain = layer.call

    def call(
        inputs: Any,
        training: bool | None = None,  # noqa: FBT001
        mask: Any = None,
    ) -> Any:
        learns = training and layer.trainable and mask is None
        if not (learns and _is_float32(inputs, rank=_IMAGE_AXES)):
            return plain(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=layer.gamma.value,
            offset=layer.beta.value,
            mean=tf.constant([], tf.float32),  # those of the batch
            variance=tf.constant([], tf.float32),
            epsilon=layer.epsilon,
        )
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        learned = (
            (layer.moving_mean, mean),
            (layer.moving_variance, variance * (count - 1) / count),
        )
        momentum = layer.momentum
        after = [moving * momentum + now * (1 - momentum) for moving, now in learned]
        for (moving, _), value in zip(learned, after, strict=True):
            moving.assign(value)
        return outputs

    layer.call = patches.guarded(patches.LAYERS, call, plain)


def _is_float32(inputs: Any, rank: int) -> bool:
    """Whether inputs are what the operations take; Keras takes more kinds."""
    import tensorflow as tf

    is_dense = isinstance(inputs, tf.Tensor)
    return is_dense and inputs.dtype == tf.float32 and inputs.shape.rank == rank
