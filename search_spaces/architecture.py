"""What the network is: convolutions, pooling and dense layers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import BASELINE, PADDINGS, POOLINGS, CnnConfig

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

MAX_CONV_LAYERS = 6
MAX_DENSE_LAYERS = 2


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:
    """Draw an architecture; how it is trained stays as in `base`."""
    depth = hp.Int("conv_layers", 1, MAX_CONV_LAYERS, default=len(base.filters))
    filters = []
    for layer in range(1, MAX_CONV_LAYERS + 1):
        with hp.conditional_scope(
            "conv_layers", list(range(layer, MAX_CONV_LAYERS + 1))
        ):
            default = _nth(base.filters, layer, 32)
            filters.append(hp.Int(f"filters_{layer}", 8, 64, step=8, default=default))
    kernel_size = hp.Choice("kernel_size", [3, 5], default=base.kernel_size)
    padding = hp.Choice("padding", list(PADDINGS), default=base.padding)
    batch_norm = hp.Boolean("batch_norm", default=base.batch_norm)

    pooling = hp.Choice("pooling", list(POOLINGS), default=base.pooling)
    with hp.conditional_scope("pooling", [p for p in POOLINGS if p != "none"]):
        pool_size = hp.Int("pool_size", 2, 3, default=base.pool_size)
        pool_every = hp.Int("pool_every", 1, 3, default=base.pool_every)

    dense_layers = hp.Int("dense_layers", 0, MAX_DENSE_LAYERS, default=len(base.units))
    units = []
    for layer in range(1, MAX_DENSE_LAYERS + 1):
        with hp.conditional_scope(
            "dense_layers", list(range(layer, MAX_DENSE_LAYERS + 1))
        ):
            default = _nth(base.units, layer, 128)
            units.append(hp.Int(f"units_{layer}", 32, 256, step=32, default=default))

    return replace(
        base,
        filters=tuple(filters[:depth]),
        kernel_size=kernel_size,
        padding=padding,
        batch_norm=batch_norm,
        pooling=pooling,
        pool_size=pool_size or base.pool_size,
        pool_every=pool_every or base.pool_every,
        units=tuple(units[:dense_layers]),
    )


def _nth(values: tuple[int, ...], number: int, otherwise: int) -> int:
    return values[number - 1] if number <= len(values) else otherwise
