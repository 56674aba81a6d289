"""Faster but equivalent forms of some layers for TensorFlow's CPU kernels.

Only the `call` of these layer objects changes, so a saved layer is plain Keras.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras

from tuner.system import patches

_BATCHES = range(16, 33)
_MIN_WEIGHTS = 100_000
_IMAGE_AXES = 4


def quicken(layers: Iterable[keras.layers.Layer], batch_size: int) -> None:
    """Give layers their faster form, if they have one.

    - The input gradient of a wide dense layer y = x W is dy W': a few rows times a
      large matrix that is read across its rows. (W dy')' has the same sums and reads W
      along its rows. It took 0.39 to 0.48 of the time for 28,800 x 128 weights and 16
      or 32 images, and the published baseline's step took 0.83; it was slower with 8
      images, with 64 or more, and with few weights.
    - Batch normalization in training becomes one operation each way instead of
      Keras's dozen. Steps of four networks took 0.84 to 0.93 of their time, and those
      of six convolutions in bfloat16 took 0.91. The operation returns the unbiased
      variance, but Keras's moving variance uses the biased one.

    Args:
        layers: Layers on TensorFlow, on a CPU, not compiled by XLA.
        batch_size: Images per step.
    """
    for layer in layers:
        with patches.applying(patches.LAYERS):
            policy = layer.dtype_policy.name
            if not layer.built or policy not in {"float32", "mixed_bfloat16"}:
                continue
            if _is_wide_dense(layer):
                if batch_size in _BATCHES and policy == "float32":
                    _transpose_gradient(layer)
            elif _normalizes_images(layer):
                _fuse(layer)


def _is_wide_dense(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is keras.layers.Dense  # a subclass may compute something else
        and layer.kernel.value.shape.num_elements() >= _MIN_WEIGHTS
    )


def _transpose_gradient(layer: keras.layers.Dense) -> None:
    import tensorflow as tf

    plain = layer.call

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def product(x: Any, weights: Any) -> tuple[Any, Any]:
        def gradient(dy: Any) -> tuple[Any, Any]:
            dx = tf.transpose(tf.matmul(weights, dy, transpose_b=True))
            return dx, tf.matmul(x, dy, transpose_a=True)

        return tf.matmul(x, weights), gradient

    def call(inputs: Any, training: bool | None = None) -> Any:  # noqa: FBT001
        if layer.lora_enabled or not _is("float32", inputs, rank=2):
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
        if not (learns and _is(layer.compute_dtype, inputs, rank=_IMAGE_AXES)):
            return plain(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=layer.gamma.value,
            offset=layer.beta.value,
            mean=tf.constant([], tf.float32),  # empty: use the batch's statistics
            variance=tf.constant([], tf.float32),
            epsilon=layer.epsilon,
        )
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        updates = (
            (layer.moving_mean, mean),
            (layer.moving_variance, variance * (count - 1) / count),
        )
        momentum = layer.momentum
        after = [moving * momentum + now * (1 - momentum) for moving, now in updates]
        for (moving, _), value in zip(updates, after, strict=True):
            moving.assign(value)
        return outputs

    layer.call = patches.guarded(patches.LAYERS, call, plain)


def _is(dtype: str, inputs: Any, rank: int) -> bool:
    """Whether the operations accept these inputs; Keras accepts more kinds."""
    import tensorflow as tf

    is_dense = isinstance(inputs, tf.Tensor)
    return is_dense and inputs.dtype == dtype and inputs.shape.rank == rank
