"""Promises of training in bfloat16; that it continues exactly is in test_loop."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import keras
import numpy as np
import pytest
from tasks import SMALL, digits, task, train

from tuner.study.tasks import PrecisionTask
from tuner.system import machine
from tuner.training import precision
from tuner.training.networks import cnn, fresh

CPU, GPU = PrecisionTask(on_gpu=False), PrecisionTask(on_gpu=True)


@pytest.fixture
def _twice_as_fast(monkeypatch):
    """Steps that take 2 in float32 and 1 in bfloat16, but for a first slow round."""

    def steps(shape, name, clock):
        seconds = {"float32": 2.0, "bfloat16": 1.0}[name]
        rounds = count()
        return lambda: seconds if next(rounds) else 100.0

    monkeypatch.setattr(precision, "_steps", steps)


@pytest.mark.usefixtures("_twice_as_fast")
@pytest.mark.parametrize(
    ("task", "flags", "shape", "speedup"),
    [
        (CPU, "flags : sse2 avx512_bf16", (32, 32, 3), 2.0),
        (CPU, "Features : asimd bf16", (300, 200, 1), 2.0),
        (CPU, "flags : sse2 avx512f", (32, 32, 3), None),
        (CPU, "", (32, 32, 3), None),
        (GPU, "", (32, 32, 3), 2.0),
        (GPU, "", (8, 8, 1), None),
    ],
)
def test_it_is_timed_where_it_can_pay(monkeypatch, task, flags, shape, speedup):
    """On GPUs and on CPUs that multiply bfloat16, unless the images are tiny."""
    monkeypatch.setattr(machine, "_lines", lambda path: [flags])
    assert precision.compare(task, shape).speedup == speedup


def test_what_this_processor_multiplies_is_read_without_an_error(monkeypatch):
    """Also where there is no such file."""
    assert isinstance(machine.has_bfloat16(), bool)
    monkeypatch.setattr(machine, "Path", lambda _: Path("/nowhere"))
    assert not machine.has_bfloat16()


@pytest.mark.slow
def test_only_arithmetic_is_in_bfloat16():
    """What is stored is float32, and so are the logits; the next network is whole."""
    config = SMALL.changed({"batch_norm": True})

    def build(name):
        return fresh(lambda: cnn(config, (8, 8, 1), 10, 100), 1, precision=name).model

    model = build("bfloat16")
    variables = [*model.variables, *model.optimizer.variables]
    kinds = {v.dtype for v in variables if "seed" not in v.path}
    assert kinds <= {"float32", "int32", "int64"}
    assert model.output.dtype == "float32"
    assert {layer.compute_dtype for layer in model.layers[1:-1]} == {"bfloat16"}
    assert keras.config.dtype_policy().name == "float32"
    assert {layer.compute_dtype for layer in build("float32").layers} == {"float32"}


@pytest.mark.slow
def test_it_learns_as_float32_does():
    """The losses differ by rounding: by some, and by little."""
    losses = []
    for name in ("float32", "bfloat16"):
        events = []
        train(task(SMALL, epochs=3, precision=name), digits(), events.append)
        losses.append([event.metrics["loss"] for event in events])
    float32, bfloat16 = losses
    assert float32 != bfloat16
    np.testing.assert_allclose(bfloat16, float32, rtol=0.05)
    assert bfloat16[-1] < bfloat16[0]


@pytest.mark.slow
def test_the_timing_trains_in_both(monkeypatch):
    """Real steps, whatever this machine gains."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    speedup = precision.compare(CPU, (16, 16, 1)).speedup
    assert speedup > 0
