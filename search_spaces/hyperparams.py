"""How a network is trained: epochs, batches, augmentation, optimizer and schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import BASELINE, OPTIMIZERS, SCHEDULES, CnnConfig
from search_spaces.drawing import between, choose

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

# An optimizer's useful learning rates, and its decoupled weight decays.
_RATES = {"adam": (3e-4, 1e-2), "sgd": (1e-2, 1.0), "rmsprop": (1e-4, 3e-3)}
_DECAYS = {
    "adam": (0.0, 1e-3, 1e-2, 5e-2),
    "sgd": (0.0, 1e-4, 5e-4, 2e-3),
    "rmsprop": (0.0, 1e-3, 1e-2, 5e-2),
}


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:
    """Draw how to train; what the network is stays as in `base`.

    `epochs` ranges from 1 to twice the epochs of `base`. Learning rate and weight decay
    have a range of their own for each optimizer.
    """
    optimizer = hp.Choice("optimizer", list(OPTIMIZERS), default=base.optimizer)
    rates, decays = {}, {}
    for name in OPTIMIZERS:
        with hp.conditional_scope("optimizer", [name]):
            rate, decay = f"{name}_learning_rate", f"{name}_weight_decay"
            rates[name] = between(hp, rate, *_RATES[name], base.learning_rate)
            decays[name] = choose(hp, decay, _DECAYS[name], base.weight_decay)
    return replace(
        base,
        epochs=hp.Int("epochs", 1, 2 * base.epochs, default=base.epochs),
        batch_size=choose(hp, "batch_size", (32, 64, 128, 256, 512), base.batch_size),
        optimizer=optimizer,
        learning_rate=rates[optimizer],
        schedule=choose(hp, "schedule", SCHEDULES, base.schedule),
        weight_decay=decays[optimizer],
        flip=hp.Boolean("flip", default=base.flip),
        shift=choose(hp, "shift", (0.0, 0.0625, 0.125), base.shift),
        label_smoothing=choose(
            hp, "label_smoothing", (0.0, 0.1, 0.2), base.label_smoothing
        ),
        dropout=hp.Float("dropout", 0.0, 0.5, step=0.1, default=base.dropout),
    )
