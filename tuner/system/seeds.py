"""Derive every seed from the study's seed by hashing.

Shifted seeds (`seed + 1`) collide: the second trial of one study would have the seed
of the first trial of the next. Hashed seeds do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def derive_seed(*parts: Any) -> int:
    """Hash JSON values to a seed from 1 to 2**31 - 2."""
    text = json.dumps(parts, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % (2**31 - 2) + 1


def execution_seed(study_seed: int, values: Mapping[str, Any], execution: int) -> int:
    """Seed one training.

    It depends on neither the order of trials nor on `epochs`: a config that
    differs in its epochs alone is a longer training of the same network.

    Args:
        study_seed: The study's seed.
        values: The values that identify the config. For a `CnnConfig` these are the
            ones that differ from the baseline's (`unlike_baseline`), so that a new
            hyperparameter leaves every seed as it was.
        execution: The number of the training, from 0.
    """
    network = {name: value for name, value in values.items() if name != "epochs"}
    return derive_seed(study_seed, network, execution)
