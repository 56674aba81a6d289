"""Both at once: what the network is, and how it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces import architecture, hyperparams
from search_spaces.config import BASELINE, CnnConfig

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def sample(hp: HyperParameters, base: CnnConfig = BASELINE) -> CnnConfig:
    """Draw an architecture and its training."""
    return hyperparams.sample(hp, architecture.sample(hp, base))
