"""Optimizer updates on TensorFlow as one pass over memory instead of many.

Keras writes an update as one operation per product and sum, each of which reads and
writes arrays as large as the network. For a wide dense layer the update takes as long
as the layer's own arithmetic, unless XLA fuses the operations. TensorFlow has the same
formulas as single operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from tuner.system import patches

Update = Callable[[Any, Any, Any, Any], None]


def fuse(optimizer: keras.optimizers.Optimizer) -> bool:
    """Make an optimizer update each variable in one operation, if there is one.

    Its class, settings and variables do not change, so a saved optimizer is plain
    Keras. The formulas are Keras's, but may round the last bit differently.

    Args:
        optimizer: A built optimizer on TensorFlow, of a network that XLA does not
            compile.

    Returns:
        Whether there is such an operation: for Adam and AdamW without AMSGrad, for
        SGD, and for RMSprop that is not centered.
    """
    with patches.applying(patches.OPTIMIZER):
        update = _update_of(optimizer)
        if update is None:
            return False
        plain = optimizer.update_step

        def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
            if _is_dense(gradient):
                update(optimizer, gradient, variable, learning_rate)
            else:
                plain(gradient, variable, learning_rate)

        step = patches.guarded(patches.OPTIMIZER, update_step, plain)
        optimizer.update_step = step
        return True
    return False


def _update_of(optimizer: keras.optimizers.Optimizer) -> Update | None:
    kind = type(optimizer)  # a subclass may update differently
    if kind in {keras.optimizers.Adam, keras.optimizers.AdamW}:
        return None if optimizer.amsgrad else _adam
    if kind is keras.optimizers.SGD:
        return _momentum if optimizer.momentum else _descent
    if kind is keras.optimizers.RMSprop and not optimizer.centered:
        return _rmsprop(optimizer)
    return None


def _is_dense(gradient: Any) -> bool:
    import tensorflow as tf

    return isinstance(gradient, tf.Tensor)  # an embedding's gradients are slices


def _adam(optimizer: Any, gradient: Any, variable: Any, rate: Any) -> None:
    import tensorflow as tf

    step = tf.cast(optimizer.iterations + 1, variable.dtype)
    beta_1 = tf.constant(optimizer.beta_1, variable.dtype)
    beta_2 = tf.constant(optimizer.beta_2, variable.dtype)
    index = optimizer._get_variable_index(variable)  # noqa: SLF001  as in Keras
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[index].value.handle,  # noqa: SLF001
        v=optimizer._velocities[index].value.handle,  # noqa: SLF001
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=tf.cast(rate, variable.dtype),
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.constant(optimizer.epsilon, variable.dtype),
        grad=tf.cast(gradient, variable.dtype),
    )


def _momentum(optimizer: Any, gradient: Any, variable: Any, rate: Any) -> None:
    import tensorflow as tf

    index = optimizer._get_variable_index(variable)  # noqa: SLF001
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=optimizer.momentums[index].value.handle,
        lr=tf.cast(rate, variable.dtype),
        grad=tf.cast(gradient, variable.dtype),
        momentum=tf.constant(optimizer.momentum, variable.dtype),
        use_nesterov=optimizer.nesterov,
    )


def _descent(optimizer: Any, gradient: Any, variable: Any, rate: Any) -> None:
    import tensorflow as tf

    del optimizer  # the learning rate is its only setting
    tf.raw_ops.ResourceApplyGradientDescent(
        var=variable.handle,
        alpha=tf.cast(rate, variable.dtype),
        delta=tf.cast(gradient, variable.dtype),
    )


def _rmsprop(optimizer: Any) -> Update:
    import tensorflow as tf

    momentums = [m.value for m in optimizer._momentums]  # noqa: SLF001
    if not momentums:  # the operation needs them anyway, and multiplies them by 0
        velocities = optimizer._velocities  # noqa: SLF001
        momentums = [tf.Variable(tf.zeros(v.shape, v.dtype)) for v in velocities]

    def update(optimizer: Any, gradient: Any, variable: Any, rate: Any) -> None:
        index = optimizer._get_variable_index(variable)  # noqa: SLF001
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=optimizer._velocities[index].value.handle,  # noqa: SLF001
            mom=momentums[index].handle,
            lr=tf.cast(rate, variable.dtype),
            rho=tf.constant(optimizer.rho, variable.dtype),
            momentum=tf.constant(optimizer.momentum, variable.dtype),
            epsilon=tf.constant(optimizer.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )

    return update
