"""The layers of a config's network, in order: the one table that everything reads.

Each layer class has the name of its Keras class, and its fields have the names of that
class's arguments. `build_model` builds the model from them, the exported script is
written from them, and they count parameters and multiply-adds.

A network is a plain sequence here. Residual connections are not: a layer would then
also name its other input, and `build_model` and the script would keep outputs by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from search_spaces.config import HYPERPARAMETERS, CnnConfig

Shape = tuple[int, int, int]  # height, width, channels


class KerasCall(NamedTuple):
    """A call in Keras as data, from which an object or its source code is made.

    Attributes:
        name: The function or class within `keras`, for example "layers.Conv2D".
        arguments: Plain values by Keras's names.
    """

    name: str
    arguments: Mapping[str, Any]

    def source(self) -> str:
        """Write the call as Python."""
        arguments = ", ".join(f"{n}={_source(v)}" for n, v in self.arguments.items())
        return f"keras.{self.name}({arguments})"


def _source(value: Any) -> str:
    return value.source() if isinstance(value, KerasCall) else repr(value)


@dataclass(frozen=True)
class Layer:
    """One Keras layer; these defaults hold for a layer without weights."""

    @property
    def call(self) -> KerasCall:
        """The call that creates it in Keras; a field of None keeps Keras's default."""
        arguments = {name: v for name, v in vars(self).items() if v is not None}
        return KerasCall(f"layers.{type(self).__name__}", arguments)

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the output's shape; below 1 if nothing would be left."""
        return inputs

    def params(self, inputs: Shape) -> int:  # noqa: ARG002  others use it
        """Count its values, trainable or not."""
        return 0

    def multiply_adds(self, inputs: Shape) -> int:  # noqa: ARG002  others use it
        """Count the multiply-adds of one image's forward pass."""
        return 0


@dataclass(frozen=True)
class Rescaling(Layer):
    """Multiplies every pixel by `scale`."""

    scale: float


@dataclass(frozen=True)
class RandomFlip(Layer):
    """Mirrors half of the images in training."""

    mode: str
    dtype: str = "float32"


@dataclass(frozen=True)
class RandomTranslation(Layer):
    """Shifts each image in training, by up to these shares of its size."""

    height_factor: float
    width_factor: float
    fill_mode: str
    interpolation: str
    dtype: str = "float32"  # of places, too: less would shift large images unevenly


@dataclass(frozen=True)
class Conv2D(Layer):
    """A convolution with stride 1."""

    filters: int
    kernel_size: int
    padding: str

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the shape: "valid" padding loses the border."""
        border = 0 if self.padding == "same" else self.kernel_size - 1
        return inputs[0] - border, inputs[1] - border, self.filters

    def params(self, inputs: Shape) -> int:
        """Count weights and biases."""
        return self.filters * (self.kernel_size**2 * inputs[2] + 1)

    def multiply_adds(self, inputs: Shape) -> int:
        """Count one for each weight and output pixel."""
        height, width, filters = self.output_shape(inputs)
        return height * width * filters * self.kernel_size**2 * inputs[2]


@dataclass(frozen=True)
class BatchNormalization(Layer):
    """Batch normalization over the last axis."""

    momentum: float

    def params(self, inputs: Shape) -> int:
        """Count scale, offset, moving mean and moving variance of each channel."""
        return 4 * inputs[2]


@dataclass(frozen=True)
class ReLU(Layer):
    """The rectifier."""


@dataclass(frozen=True)
class Activation(Layer):
    """An activation, by Keras's name."""

    activation: str


@dataclass(frozen=True)
class _Pooling(Layer):
    """A pooling whose stride is its size; what does not fill a window is cut."""

    pool_size: int

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the shape: incomplete windows are dropped."""
        return inputs[0] // self.pool_size, inputs[1] // self.pool_size, inputs[2]


@dataclass(frozen=True)
class MaxPooling2D(_Pooling):
    """The largest value of each window."""


@dataclass(frozen=True)
class AveragePooling2D(_Pooling):
    """The mean of each window."""


@dataclass(frozen=True)
class Flatten(Layer):
    """Puts all values of an image into one row."""

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the row as an image of one pixel."""
        return 1, 1, inputs[0] * inputs[1] * inputs[2]


@dataclass(frozen=True)
class _GlobalPooling(Layer):
    """One value for each filter, over all pixels."""

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the row as an image of one pixel."""
        return min(inputs[0], inputs[1], 1), 1, inputs[2]


@dataclass(frozen=True)
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean over all pixels."""


@dataclass(frozen=True)
class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of all pixels."""


@dataclass(frozen=True)
class Dropout(Layer):
    """Sets a share of the values to zero in training."""

    rate: float


@dataclass(frozen=True)
class Dense(Layer):
    """A dense layer on a row of values."""

    units: int
    activation: str | None = None
    name: str | None = None
    dtype: str | None = None

    def output_shape(self, inputs: Shape) -> Shape:
        """Return the units as an image of one pixel."""
        return *inputs[:2], self.units

    def params(self, inputs: Shape) -> int:
        """Count weights and biases."""
        return self.units * (inputs[2] + 1)

    def multiply_adds(self, inputs: Shape) -> int:
        """Count one for each weight."""
        return self.units * inputs[2]


_POOLINGS = {"max": MaxPooling2D, "average": AveragePooling2D}
_HEADS = {
    "flatten": Flatten,
    "average": GlobalAveragePooling2D,
    "max": GlobalMaxPooling2D,
}


def layers(config: CnnConfig, classes: int) -> list[Layer]:
    """List the layers of a config's network, from pixels of 0 to 255 to logits."""
    plan: list[Layer] = [Rescaling(1 / 255)]
    if config.flip:
        plan.append(RandomFlip("horizontal"))
    if config.shift:
        # Without interpolation: shifts are whole pixels, and nothing is blurred.
        plan.append(RandomTranslation(config.shift, config.shift, "reflect", "nearest"))
    # A 1-pixel kernel loses no border, so both paddings are one network.
    padding = "same" if config.kernel_size == 1 else config.padding
    pooling = _POOLINGS[config.pooling](config.pool_size) if config.pooled else None
    for number, filters in enumerate(config.filters):
        plan.append(Conv2D(filters, config.kernel_size, padding))
        if pooling and config.pool_first and number % config.pool_every == 0:
            plan.append(pooling)
        if config.batch_norm:
            plan.append(BatchNormalization(config.batch_norm_momentum))
        is_relu = config.activation == "relu"
        plan.append(ReLU() if is_relu else Activation(config.activation))
        ends_stage = (number + 1) % config.pool_every == 0
        if pooling and not config.pool_first and ends_stage:
            plan.append(pooling)
    plan.append(_HEADS[config.head]())
    dropout = [Dropout(config.dropout)] if config.dropout else []
    for units in config.units:
        plan += [*dropout, Dense(units, activation=config.activation)]
    # float32 also if the other layers compute in less.
    logits = Dense(config.outputs or classes, name="logits", dtype="float32")
    return [*plan, *dropout, logits]


LOSS = KerasCall("losses.SparseCategoricalCrossentropy", {"from_logits": True})


class Source(str):
    """A Python expression, as an argument of a `KerasCall` that is only written."""

    __slots__ = ()
    __repr__ = str.__str__


_WARM_UP = 0.2  # of all steps
_FIRST_RATE = 0.2  # of the highest rate, at the first step of a warm-up


def optimizer(config: CnnConfig, steps: int | Source | None = None) -> KerasCall:
    """Return the call that creates a config's optimizer.

    Args:
        config: The config.
        steps: Steps of the whole training, or a name for them in a script. None is
            for a network that is not trained: its learning rate is constant.
    """
    name = {"adam": "Adam", "rmsprop": "RMSprop", "sgd": "SGD"}[config.optimizer]
    rate = config.learning_rate if steps is None else _learning_rate(config, steps)
    arguments: dict[str, Any] = {"learning_rate": rate}
    if config.optimizer == "sgd":
        arguments |= {"momentum": 0.9, "nesterov": True}
    if config.weight_decay:
        arguments["weight_decay"] = config.weight_decay
    return KerasCall(f"optimizers.{name}", arguments)


def _learning_rate(config: CnnConfig, steps: int | Source) -> float | KerasCall:
    peak = config.learning_rate
    if config.schedule == "constant":
        return peak
    rise: int | Source = 0
    fall: int | Source = steps
    if config.schedule == "one_cycle" and isinstance(steps, int):
        rise = int(_WARM_UP * steps)
        fall = steps - rise
    elif config.schedule == "one_cycle":
        rise = Source(f"int({_WARM_UP} * {steps})")
        fall = Source(f"{steps} - {rise}")
    arguments: dict[str, Any] = {"initial_learning_rate": peak, "decay_steps": fall}
    if config.schedule == "one_cycle":
        arguments["initial_learning_rate"] = _FIRST_RATE * peak
        arguments |= {"warmup_target": peak, "warmup_steps": rise}
    return KerasCall("optimizers.schedules.CosineDecay", arguments)


def network_key(config: CnnConfig, classes: int) -> tuple[object, ...]:
    """Return a key that is equal for configs that train the same network.

    Fields of the architecture count through the layers, all others by their value.
    """
    flat = config.to_dict()
    training = (
        (name, flat[name])
        for name, hyperparameter in HYPERPARAMETERS.items()
        if not hyperparameter.architecture and name in flat
    )
    return (*layers(config, classes), *training)


def infeasibility(config: CnnConfig, input_shape: Shape) -> str | None:
    """Say why a config has no network for images of `input_shape`, or None."""
    walk = list(_walk(config, input_shape, classes=2))
    if config.pooling != "none" and not any(isinstance(p, _Pooling) for p, *_ in walk):
        return (
            f"pool_every={config.pool_every} with {len(config.filters)} "
            "convolutions pools nothing"
        )
    for layer, _, outputs in walk:
        if min(outputs) < 1:
            return (
                f"{layer} leaves nothing of a {input_shape[0]}x{input_shape[1]} image"
            )
    return None


def count_params(config: CnnConfig, input_shape: Shape, classes: int) -> int:
    """Count weights and biases (batch normalization: four values a filter)."""
    walk = _walk(config, input_shape, classes)
    return sum(layer.params(inputs) for layer, inputs, _ in walk)


def count_multiply_adds(config: CnnConfig, input_shape: Shape, classes: int) -> int:
    """Count multiply-adds of one image's forward pass in conv and dense layers."""
    walk = _walk(config, input_shape, classes)
    return sum(layer.multiply_adds(inputs) for layer, inputs, _ in walk)


def _walk(
    config: CnnConfig, input_shape: Shape, classes: int
) -> Iterator[tuple[Layer, Shape, Shape]]:
    """Go through the layers, each with the shapes of its input and output."""
    shape = input_shape
    for layer in layers(config, classes):
        inputs, shape = shape, layer.output_shape(shape)
        yield layer, inputs, shape
