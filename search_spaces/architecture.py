"""What the network is: stages of convolutions, pooling, the head and dense layers.

A stage is some convolutions with one pooling, which halves the image's sides; its
filters are those of the stage before, times the growth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import (
    ACTIVATIONS,
    BASELINE,
    HEADS,
    POOLINGS,
    CnnConfig,
)
from search_spaces.drawing import choose

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

_STAGES = range(2, 5)
_STAGE_CONVS = range(1, 4)
_FILTERS = (16, 24, 32, 48, 64)  # of the first stage
_GROWTHS = (1.0, 1.5, 2.0, 3.0)
_MOST_FILTERS = 256
_DENSE_LAYERS = range(3)
_UNITS = (32, 64, 128, 256)
_MOMENTUM = 0.9  # of the moving statistics: most trainings here are short


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:
    """Draw an architecture; how it is trained stays as in `base`."""
    stages, convs, first, growth = _stages_of(base)
    stages = choose(hp, "stages", _STAGES, stages)
    convs = choose(hp, "pool_every", _STAGE_CONVS, convs)
    first = choose(hp, "filters_1", _FILTERS, first)
    growth = choose(hp, "filter_growth", _GROWTHS, growth)
    kernel_size = choose(hp, "kernel_size", (3, 5), base.kernel_size)
    batch_norm = hp.Boolean("batch_norm", default=base.batch_norm)
    activation = choose(hp, "activation", ACTIVATIONS, base.activation)
    pooling = choose(hp, "pooling", POOLINGS[1:], base.pooling)
    pool_first = hp.Boolean("pool_first", default=base.pool_first)
    head = choose(hp, "head", HEADS, base.head)
    dense_layers = choose(hp, "dense_layers", _DENSE_LAYERS, len(base.units))
    units = []
    for layer in _DENSE_LAYERS[1:]:
        with hp.conditional_scope("dense_layers", list(_DENSE_LAYERS[layer:])):
            size = base.units[layer - 1] if layer <= len(base.units) else 128
            units.append(choose(hp, f"units_{layer}", _UNITS, size))

    return replace(
        base,
        filters=filters(stages, convs, first, growth),
        kernel_size=kernel_size,
        padding="same",
        batch_norm=batch_norm,
        batch_norm_momentum=_MOMENTUM,
        activation=activation,
        pooling=pooling,
        pool_size=2,
        pool_every=convs,
        pool_first=pool_first,
        head=head,
        units=tuple(units[:dense_layers]),
    )


def filters(stages: int, convs: int, first: int, growth: float) -> tuple[int, ...]:
    """Return the filters of each convolution, in multiples of eight, up to 256."""
    widths = (first * growth**stage for stage in range(stages))
    legal = [min(_MOST_FILTERS, 8 * round(width / 8)) for width in widths]
    return tuple(width for width in legal for _ in range(convs))


def _stages_of(config: CnnConfig) -> tuple[int, int, int, float]:
    """Return a config's stages, convolutions each, first filters and growth."""
    every = config.pool_every if config.pooled else 1
    widths = config.filters[::every]

    def distance(growth: float) -> int:
        grown = filters(len(widths), 1, widths[0], growth)
        return sum(abs(a - b) for a, b in zip(grown, widths, strict=True))

    return len(widths), every, widths[0], min(_GROWTHS, key=distance)
