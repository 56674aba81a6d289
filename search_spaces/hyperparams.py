"""How a network is trained: epochs, batch size, optimizer and regularization."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import BASELINE, OPTIMIZERS, CnnConfig

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:
    """Draw how to train; what the network is stays as in `base`.

    `epochs` ranges from 1 to twice the epochs of `base`.
    """
    return replace(
        base,
        epochs=hp.Int("epochs", 1, 2 * base.epochs, default=base.epochs),
        batch_size=hp.Choice("batch_size", [16, 32, 64, 128], default=base.batch_size),
        learning_rate=hp.Float(
            "learning_rate", 1e-4, 1e-2, sampling="log", default=base.learning_rate
        ),
        optimizer=hp.Choice("optimizer", list(OPTIMIZERS), default=base.optimizer),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1, default=base.dropout),
        weight_decay=hp.Choice(
            "weight_decay", [0.0, 1e-4, 1e-3, 1e-2], default=base.weight_decay
        ),
    )
