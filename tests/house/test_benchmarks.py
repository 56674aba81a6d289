"""Promises of the benchmarks: they run without images of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "benchmarks"

_EVERY_CONFIG = """
import sys
from pathlib import Path
from configs import CONFIGS
from data import data_file
from steps import cnn_config
from tuner.data.dataset import load_dataset

path = data_file(None, Path(sys.argv[1]))
data = load_dataset(None, path, limit=1000, validation_split=0.1, seed=0)
assert data.input_shape == (32, 32, 3)
assert len(data.classes) == 10
assert data.x_train.max() > 200
assert len(CONFIGS) >= 8
assert all(cnn_config(config).is_feasible(data.input_shape) for config in CONFIGS)
"""


def test_every_config_can_be_built_for_the_images_that_are_there(tmp_path):
    """Pooled networks too, which the digits as they come are too small for."""
    done = subprocess.run(
        [sys.executable, "-c", _EVERY_CONFIG, tmp_path],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    ["gpu_steps", "growth", "memory", "precision", "steps", "throughput", "yardstick"],
)
def test_every_script_says_what_it_takes(script):
    done = subprocess.run(
        [sys.executable, HERE / f"{script}.py", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--" in done.stdout
