"""Promises of the limits on what is proposed."""

from __future__ import annotations

import pytest

from search_spaces.config import BASELINE, CnnConfig
from tuner.algorithms.screening import Limits, limits_for

CIFAR = (32, 32, 3)


@pytest.mark.parametrize(
    ("limits", "config", "reason"),
    [
        (Limits(), CnnConfig(), None),
        (Limits(max_params=3_688_714), CnnConfig(), None),
        (
            Limits(max_params=3_688_713),
            CnnConfig(),
            "too large (over 3,688,713 parameters)",
        ),
        (Limits(max_bytes=50_000_000), CnnConfig(), "too large for memory"),
        (
            Limits(max_multiply_adds=1000),
            CnnConfig(),
            "too slow here (over 8x the baseline's multiply-adds)",
        ),
        (Limits(), CnnConfig(kernel_size=11, filters=(8,) * 4), "impossible for"),
    ],
)
def test_a_refusal_names_its_reason(limits, config, reason):
    """Each limit refuses what is beyond it, and says which it was."""
    refusal = limits.refusal(config, CIFAR, 10)
    assert (refusal is None) == (reason is None)
    assert reason is None or refusal.startswith(reason)


def test_a_cpu_is_not_asked_for_more_than_eight_baselines():
    """On a GPU there is no such limit."""
    common = {"max_params": None, "memory_bytes": None}
    on_cpu = limits_for(BASELINE, CIFAR, 10, on_gpu=False, **common)
    on_gpu = limits_for(BASELINE, CIFAR, 10, on_gpu=True, **common)
    deep = CnnConfig(filters=(64,) * 5, kernel_size=5, padding="same")

    assert on_cpu.max_multiply_adds == 8 * 4_465_280
    assert on_cpu.refusal(deep, CIFAR, 10)
    assert on_gpu.refusal(deep, CIFAR, 10) is None


def test_the_published_baseline_is_too_large_at_224_pixels_for_a_small_memory():
    """202 M parameters take 3.2 GB with their gradients and Adam's moments."""
    small = limits_for(
        BASELINE, (224, 224, 3), 10, max_params=None, on_gpu=True, memory_bytes=4 << 30
    )
    assert small.refusal(BASELINE, (224, 224, 3), 10) == "too large for memory"
