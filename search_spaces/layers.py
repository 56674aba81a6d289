"""The layers a config means, one after another, and their arithmetic.

`build_model` turns this list into Keras layers; feasibility, parameters and
multiply-adds are counted from the same list, so the two cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from search_spaces.config import CnnConfig

Shape = tuple[int, int, int]  # height, width, channels


@dataclass(frozen=True)
class Conv:
    """A convolution with stride 1, optional batch normalization, and ReLU."""

    filters: int
    kernel_size: int
    padding: str
    batch_norm: bool


@dataclass(frozen=True)
class Pool:
    """A pooling whose stride is its size; what does not fill a window is cut."""

    kind: str
    size: int


@dataclass(frozen=True)
class Dense:
    """A dense layer on flattened inputs; the last one has no activation."""

    units: int
    dropout: float
    output: bool


Layer = Conv | Pool | Dense


def layers(config: CnnConfig, classes: int) -> list[Layer]:
    """List the layers of a config's network, input to output."""
    plan: list[Layer] = []
    # A 1-pixel kernel loses no border, so both paddings are one network.
    padding = "same" if config.kernel_size == 1 else config.padding
    for number, filters in enumerate(config.filters, 1):
        plan.append(Conv(filters, config.kernel_size, padding, config.batch_norm))
        if config.pooling != "none" and number % config.pool_every == 0:
            plan.append(Pool(config.pooling, config.pool_size))
    plan += [Dense(units, config.dropout, output=False) for units in config.units]
    plan.append(Dense(config.outputs or classes, config.dropout, output=True))
    return plan


def network_key(config: CnnConfig, classes: int) -> tuple[object, ...]:
    """Name the trained network: configs with equal keys are one config."""
    return (
        *layers(config, classes),
        config.optimizer,
        config.learning_rate,
        config.weight_decay,
        config.batch_size,
        config.epochs,
    )


def infeasibility(config: CnnConfig, input_shape: Shape) -> str | None:
    """Say why a config has no network for images of `input_shape`, or None."""
    plan = layers(config, classes=2)
    if config.pooling != "none" and not any(isinstance(p, Pool) for p in plan):
        return (
            f"pool_every={config.pool_every} with {len(config.filters)} "
            "convolutions pools nothing"
        )
    for layer, (height, width, _) in zip(
        plan, _feature_maps(plan, input_shape), strict=True
    ):
        if height < 1 or width < 1:
            return (
                f"{layer} leaves nothing of a {input_shape[0]}x{input_shape[1]} image"
            )
    return None


def count_params(config: CnnConfig, input_shape: Shape, classes: int) -> int:
    """Count weights and biases (batch normalization: four values a filter)."""
    total = 0
    for layer, inputs, _ in _walk(config, input_shape, classes):
        match layer:
            case Conv(filters, kernel, _, batch_norm):
                total += filters * (kernel * kernel * inputs[2] + 1 + 4 * batch_norm)
            case Dense(units):
                total += units * (inputs[0] * inputs[1] * inputs[2] + 1)
    return total


def count_multiply_adds(config: CnnConfig, input_shape: Shape, classes: int) -> int:
    """Count multiply-adds of one image's forward pass in conv and dense layers."""
    total = 0
    for layer, inputs, outputs in _walk(config, input_shape, classes):
        match layer:
            case Conv(filters, kernel):
                total += outputs[0] * outputs[1] * filters * kernel * kernel * inputs[2]
            case Dense(units):
                total += units * inputs[0] * inputs[1] * inputs[2]
    return total


def _walk(
    config: CnnConfig, input_shape: Shape, classes: int
) -> list[tuple[Layer, Shape, Shape]]:
    """Pair every layer with the shapes of its input and output."""
    plan = layers(config, classes)
    shapes = [input_shape, *_feature_maps(plan, input_shape)]
    return [(layer, *io) for layer, io in zip(plan, pairwise(shapes), strict=True)]


def _feature_maps(plan: list[Layer], input_shape: Shape) -> list[Shape]:
    """Give every layer's output shape; a dense layer's is (1, 1, units)."""
    shapes = []
    height, width, channels = input_shape
    for layer in plan:
        match layer:
            case Conv(filters, kernel, padding):
                border = 0 if padding == "same" else kernel - 1
                height, width, channels = height - border, width - border, filters
            case Pool(_, size):
                height, width = height // size, width // size
            case Dense(units):
                height, width, channels = 1, 1, units
        shapes.append((height, width, channels))
    return shapes
