"""Every seed follows from the study's seed, by hashing.

Seeds that are shifted (`seed + 1`) meet: the second trial of one study is then
the first of the next. Hashed seeds do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def derive_seed(*parts: Any) -> int:
    """Hash plain values to a seed from 1 to 2**31 - 2."""
    text = json.dumps(parts, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % (2**31 - 2) + 1


def execution_seed(study_seed: int, values: Mapping[str, Any], execution: int) -> int:
    """Seed one training.

    It depends on neither the order of trials nor on `epochs`: a config that
    differs in its epochs alone is a longer training of the same network.

    Args:
        study_seed: The study's.
        values: What tells the config from others. Of a `CnnConfig` it is what is not
            as in the baseline (`unlike_baseline`): a hyperparameter that is added
            to the program leaves every seed as it was.
        execution: Which of the config's trainings.
    """
    network = {name: value for name, value in values.items() if name != "epochs"}
    return derive_seed(study_seed, network, execution)
