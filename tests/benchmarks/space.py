"""The yardstick's configs as a space of ours."""

from dataclasses import replace

from configs import CONFIGS

from search_spaces.config import BASELINE


def sample(hp, base=BASELINE):
    """Choose one of the listed configs."""
    filters, units, pooling, batch_size = CONFIGS[
        hp.Choice("config", list(range(len(CONFIGS))))
    ]
    return replace(
        base,
        filters=filters,
        units=units,
        pooling="max" if pooling else "none",
        batch_size=batch_size,
    )
