"""Promises of a worker, wherever it runs: its device, and events that end."""

import os

import pytest

from tuner import worker


@pytest.mark.parametrize(
    ("device", "gpu", "expected"),
    [("auto", "GPU-7", "GPU-7"), ("cpu", "GPU-7", "-1"), ("auto", None, "before")],
)
def test_it_sees_the_gpu_it_was_given(monkeypatch, device, gpu, expected):
    """Set before the backend loads, by the variable that every backend reads."""
    seen = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "before")
    monkeypatch.setenv("JAX_PLATFORMS", "")
    monkeypatch.setattr(
        "tuner.devices.prepare",
        lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]),
    )
    worker.load_backend(device, 1, gpu)
    assert seen == [expected]
