"""What is not proposed: configs that cannot, or need not, be trained."""

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

_CPU_COST = 8  # times the baseline's multiply-adds that a CPU is asked for at most
_BYTES_A_PARAM = 16  # weight, gradient and Adam's two moments, float32
_MEMORY_SHARE = 0.6


@dataclass(frozen=True)
class Limits:
    """How large a network may be; None is no limit.

    Attributes:
        max_params: Weights and biases, a user's choice.
        max_multiply_adds: Of one image's forward pass.
        max_bytes: Memory that training it takes, as far as arithmetic can tell.
    """

    max_params: int | None = None
    max_multiply_adds: int | None = None
    max_bytes: int | None = None

    def refusal(self, config: Config, shape: Shape, classes: int) -> str | None:
        """Say why a config is not trained on images of `shape`, or None.

        What a user's own code builds is seen when it is built.
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
    """Set the limits of a study on this machine; a user's own code has none."""
    if isinstance(baseline, UserConfig):
        return Limits()
    cost = None
    if not on_gpu and not infeasibility(baseline, shape):
        cost = _CPU_COST * count_multiply_adds(baseline, shape, classes)
    share = int(memory_bytes * _MEMORY_SHARE) if memory_bytes else None
    return Limits(max_params, cost, share)


class Screen:
    """Reject configs that cannot or need not be trained, and count them.

    Args:
        limits: How large a network may be.
        shape: Height, width and channels of one image.
        classes: How many classes the labels name.
    """

    def __init__(self, limits: Limits, shape: Shape, classes: int) -> None:
        self.counts: Counter[str] = Counter()
        self._limits, self._shape, self._classes = limits, shape, classes
        self._seen: set[tuple[object, ...]] = set()
        self._refused: set[tuple[object, ...]] = set()

    def admits(self, config: Config) -> bool:
        """Whether to train this config; a refusal is counted once a config."""
        key = _key(config, self._classes)
        # Before the key: one that asks for what it cannot have may share its key
        # with one that does not ask.
        reason = self.refusal(config)
        if reason and key not in self._refused:
            self._refused.add(key)
            self.counts[reason] += 1
        return reason is None and key not in self._seen

    def would_admit(self, config: Config) -> bool:
        """Whether to train this config; a refusal is not counted."""
        return self.refusal(config) is None and not self.has(config)

    def has(self, config: Config) -> bool:
        """Whether a config that builds the same network was added."""
        return _key(config, self._classes) in self._seen

    def refusal(self, config: Config) -> str | None:
        """Say why a config is not trained, or None."""
        return self._limits.refusal(config, self._shape, self._classes)

    def add(self, config: Config) -> None:
        """Remember a config that is trained, so that none repeats it."""
        self._seen.add(_key(config, self._classes))


def _key(config: Config, classes: int) -> tuple[object, ...]:
    """Name the trained network: configs with equal keys are one config."""
    if isinstance(config, UserConfig):
        return tuple(sorted(config.to_dict().items()))
    return network_key(config, classes)
