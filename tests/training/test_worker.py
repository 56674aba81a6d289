"""Promises of a worker, wherever it runs: its device, and events that end."""

import os

import numpy as np
import pytest

from tuner.training import worker


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
        "tuner.training.devices.prepare",
        lambda *_: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]),
    )
    worker.load_backend(device, 1, gpu)
    assert seen == [expected]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wrong\nsecond line", "AbortedError: wrong"),
        ("", "AbortedError"),
        (
            "Exception encountered when calling Sequential.call().\n\n"
            "\x1b[1mInput 0 of layer is incompatible\x1b[0m\n\nArguments received:",
            "AbortedError: Input 0 of layer is incompatible",
        ),
        (
            "Graph execution error:\n\nDetected at node a/b defined at (most recent "
            'call last):\n  File "x.py", line 7\n\n  File "y.py", line 1\n\n'
            "Received a label value of 7\n\t [[{{node a/b}}]] [Op:__inference_1]",
            "AbortedError: Received a label value of 7",
        ),
        (
            "Graph execution error:\n\nDetected at node a defined at (most recent "
            "call last):\n<stack traces unavailable>\n"
            "Operation received an exception:Status: 1, message: could not execute",
            "out of memory: "
            "Operation received an exception:Status: 1, message: could not execute",
        ),
        (
            "{{function_node __wrapped__Fill_device_/job:host}} RESOURCE_EXHAUSTED",
            "out of memory: RESOURCE_EXHAUSTED",
        ),
    ],
)
def test_what_went_wrong_is_said_and_not_where(text, said):
    """TensorFlow puts a page about the graph before it."""

    class AbortedError(Exception):
        pass

    assert worker.first_line(AbortedError(text)) == said


@pytest.mark.slow
def test_what_tensorflow_says_of_a_failed_step_is_found():
    """Its own text, of whatever version is here."""
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, jit_compile=False)
    with pytest.raises(Exception, match="Graph execution error") as caught:
        model.fit(np.zeros((32, 4)), np.full(32, 7), verbose=0)
    said = worker.first_line(caught.value)
    assert said.startswith("InvalidArgumentError: Received a label value of 7")
