"""The nine published experiments, as they were run.

A student's CIFAR-10 study of May 2024 changed one thing at a time, trained each
network once on all 50,000 training images and wrote down its test accuracy. What
was run differs from what was written up in three places: every model declared a
max-pooling layer and never called it, so none has pooling; "wide-output" was
written up as a larger batch, but the batch stayed at 32 and the softmax grew to
128 outputs; and the loss took the logits behind the softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.config import BASELINE, CnnConfig

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


@dataclass(frozen=True)
class Experiment:
    """One published experiment and what its author recorded.

    Attributes:
        config: The network as it was run.
        recorded_test_accuracy: Fraction of the 10,000 test images, one run.
        recorded_test_loss: Mean cross-entropy on them, in nats.
        recorded_train_accuracy: As `fit` showed it in the last epoch recorded: a
            running mean while the weights still moved.
    """

    config: CnnConfig
    recorded_test_accuracy: float
    recorded_test_loss: float
    recorded_train_accuracy: float


EXPERIMENTS: dict[str, Experiment] = {
    "baseline": Experiment(CnnConfig(), 0.5898, 1.1744, 0.6578),
    "filters-48": Experiment(CnnConfig(filters=(48,)), 0.5980, 1.2176, 0.7380),
    "two-conv": Experiment(CnnConfig(filters=(48, 48)), 0.6334, 1.4311, 0.9116),
    "three-conv": Experiment(
        CnnConfig(filters=(32, 24, 12), units=(128, 64)), 0.6507, 1.0408, 0.7569
    ),
    "four-conv": Experiment(
        CnnConfig(filters=(32, 32, 32, 32), units=(128, 128)), 0.6607, 1.1505, 0.8534
    ),
    "wide-output": Experiment(CnnConfig(outputs=128), 0.6155, 1.1896, 0.7449),
    # Its train accuracy was recorded after epoch 8 of 10.
    "epochs-10": Experiment(CnnConfig(epochs=10), 0.5778, 2.0718, 0.9037),
    "combined-7": Experiment(CnnConfig(outputs=128, epochs=7), 0.6104, 1.4845, 0.8804),
    "combined-256": Experiment(
        CnnConfig(units=(256,), outputs=256, epochs=6), 0.6131, 1.4894, 0.8934
    ),
}


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:  # noqa: ARG001
    """Choose one of the nine; they bring their own epochs, so `base` is unused."""
    return EXPERIMENTS[hp.Choice("experiment", list(EXPERIMENTS))].config
