"""The config that the field would start from, for images of any size.

It is a small network in stages, trained as Keller Jordan's "94 % on CIFAR-10 in 3.29
seconds" (2024) and its predecessors train theirs: batch normalization, pooling early in
a stage, mirrored and shifted images, smoothed labels, large batches, and a learning
rate that rises and then falls to zero. Its values were compared on validation images of
CIFAR-10; see `tests/benchmarks/README.md`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import CnnConfig

if TYPE_CHECKING:
    from search_spaces.layers import Shape

_COLOURS = 3
_WIDTHS = (32, 64, 128, 256)  # filters of each stage
_LAST_SIDE = 4  # pixels that the last stage should see, or a little more


def recipe(base: CnnConfig, shape: Shape) -> CnnConfig:
    """Return the recipe for images of a shape; it keeps the epochs of `base`.

    Photos have three channels and may be mirrored; a mirrored digit or letter is
    another one, or none.

    Args:
        base: Where the epochs come from.
        shape: Height, width and channels of one image.
    """
    height, width, channels = shape
    side = min(height, width)
    stages = max(2, min(len(_WIDTHS), round(math.log2(side / _LAST_SIDE))))
    return replace(
        base,
        filters=tuple(f for f in _WIDTHS[:stages] for _ in range(2)),
        kernel_size=3,
        padding="same",
        activation="relu",
        batch_norm=True,
        batch_norm_momentum=0.9,
        pooling="max",
        pool_size=2,
        pool_every=2,
        pool_first=True,
        head="average",
        units=(),
        dropout=0.0,
        flip=channels == _COLOURS,
        shift=0.0625,
        label_smoothing=0.1,
        optimizer="adam",
        learning_rate=0.006,
        schedule="one_cycle",
        weight_decay=0.01,
        batch_size=128,
    )
