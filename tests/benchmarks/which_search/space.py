"""72 small networks: every one is trained fully, and searches are replayed on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.config import CnnConfig

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def sample(hp: HyperParameters) -> CnnConfig:
    """Draw depth, width, normalization, dropout and learning rate."""
    depth = hp.Int("conv_layers", 1, 3)
    filters = hp.Choice("filters", [16, 32])
    return CnnConfig(
        filters=(filters,) * depth,
        batch_norm=hp.Boolean("batch_norm"),
        pooling="max",
        units=(64,),
        dropout=hp.Choice("dropout", [0.0, 0.3]),
        learning_rate=hp.Choice("learning_rate", [1e-4, 1e-3, 1e-2]),
    )
