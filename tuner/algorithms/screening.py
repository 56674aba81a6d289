"""Reject configs that cannot be trained, are too large, or repeat a network."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from search_spaces.layers import (
    Shape,
    count_multiply_adds,
    count_params,
    infeasibility,
    network_key,
)
from search_spaces.user_code import Config, UserConfig

_CPU_COST = 8  # most multiply-adds on a CPU, as a multiple of the baseline's
_BYTES_A_PARAM = 16  # weight, gradient and Adam's two moments, float32
_MEMORY_SHARE = 0.6


@dataclass(frozen=True)
class Limits:
    """How large a network may be; None means no limit.

    Attributes:
        max_params: Weights and biases, set by the user.
        max_multiply_adds: Of one image's forward pass.
        max_bytes: Memory for training it, estimated from its parameters.
    """

    max_params: int | None = None
    max_multiply_adds: int | None = None
    max_bytes: int | None = None

    def refusal(self, config: Config, shape: Shape, classes: int) -> str | None:
        """Return why a config is rejected for images of `shape`, or None.

        A config of a user's own code is never rejected: only building it shows its
        size.
        """
        if isinstance(config, UserConfig):
            return None
        if infeasibility(config, shape):
            return "impossible for these images"
        params = count_params(config, shape, classes)
        if self.max_params and params > self.max_params:
            return f"too large (over {self.max_params:,} parameters)"
        if self.max_bytes and params * _BYTES_A_PARAM > self.max_bytes:
            return "too large for memory"
        multiply_adds = count_multiply_adds(config, shape, classes)
        if self.max_multiply_adds and multiply_adds > self.max_multiply_adds:
            return f"too slow here (over {_CPU_COST}x the baseline's multiply-adds)"
        return None


def limits_for(
    baseline: Config,
    shape: Shape,
    classes: int,
    *,
    max_params: int | None,
    on_gpu: bool,
    memory_bytes: int | None,
) -> Limits:
    """Return the limits of a study on this machine; none for a user's own code."""
    if isinstance(baseline, UserConfig):
        return Limits()
    cost = None
    if not on_gpu and not infeasibility(baseline, shape):
        cost = _CPU_COST * count_multiply_adds(baseline, shape, classes)
    share = int(memory_bytes * _MEMORY_SHARE) if memory_bytes else None
    return Limits(max_params, cost, share)


class Screen:
    """Reject configs that cannot or need not be trained, and count the reasons.

    Args:
        limits: How large a network may be.
        shape: Height, width and channels of one image.
        classes: Number of classes.
    """

    def __init__(self, limits: Limits, shape: Shape, classes: int) -> None:
        self.counts: Counter[str] = Counter()
        self._limits, self._shape, self._classes = limits, shape, classes
        self._seen: set[tuple[object, ...]] = set()
        self._rejected: set[tuple[object, ...]] = set()

    def admits(self, config: Config) -> bool:
        """Whether to train this config. Counts each rejected config once."""
        key = _key(config, self._classes)
        # Check the limits first: a config that pools nothing although it asks for
        # pooling has the same key as one without pooling.
        reason = self.refusal(config)
        if reason and key not in self._rejected:
            self._rejected.add(key)
            self.counts[reason] += 1
        return reason is None and key not in self._seen

    def would_admit(self, config: Config) -> bool:
        """Whether to train this config, without counting a rejection."""
        return self.refusal(config) is None and not self.has(config)

    def has(self, config: Config) -> bool:
        """Whether a config that trains the same network was added."""
        return _key(config, self._classes) in self._seen

    def refusal(self, config: Config) -> str | None:
        """Return why a config is rejected, or None."""
        return self._limits.refusal(config, self._shape, self._classes)

    def add(self, config: Config) -> None:
        """Add a config that is trained, so that no other repeats it."""
        self._seen.add(_key(config, self._classes))


def _key(config: Config, classes: int) -> tuple[object, ...]:
    """Return a key that is equal for configs that train the same network."""
    if isinstance(config, UserConfig):
        return tuple(sorted(config.to_dict().items()))
    return network_key(config, classes)
