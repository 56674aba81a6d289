"""Time the training steps of some configs, one gain after another.

    python tests/benchmarks/steps.py [--data FILE.npz] [--rounds N] [--threads N]

Sides, each with all that the ones before it have:

    arrays   plain Keras: `fit` on float64 arrays, compiled as Keras chooses (XLA)
    bytes    uint8 images through tf.data, without its autotuner
    kernels  TensorFlow's own kernels instead of XLA's
    fused    an optimizer's update in one operation
    steps    16 steps a call from Python
    layers   wide dense layers and batch normalization in a faster form: what `tune`
             does

The last two configs are the recipe, and the recipe without augmentation, smoothed
labels and schedule, which shows what those cost.

Sides take turns on the same batches. Printed are microseconds of CPU time an image
(median of the rounds, which other work on the machine disturbs least), the ratio of
each side to the one before it, and the share of the floor that the last one reaches.
The floor is the arithmetic at the speed of a matrix product, plus the update's seven
arrays at the speed of a copy, both measured here.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from configs import CONFIGS
from data import data_file

from search_spaces.config import CnnConfig
from tuner.study import words

IMAGES = 1024
SIDES = ("arrays", "bytes", "kernels", "fused", "steps", "layers")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz as tune --data takes it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    from tuner.training import worker

    worker.load_backend("cpu", asked.threads)
    from search_spaces.config import BASELINE
    from search_spaces.recipe import recipe

    x, y = images(asked.data)
    speeds = machine()
    print(f"{platform.machine()}, {asked.threads} of {os.cpu_count()} cores,", end=" ")
    print(f"{asked.data or 'digits'}, {IMAGES} images, {asked.rounds} rounds in turn")
    print(f"matrix product {speeds[0]:.0f} GFLOP/s, copy {speeds[1]:.1f} GB/s")
    print(f"{'config':>38}", *(f"{name:>14}" for name in SIDES), "  floor share")
    known = recipe(BASELINE, x.shape[1:])
    plain = {"flip": False, "shift": 0.0, "label_smoothing": 0.0}
    without = replace(known, **plain, schedule="constant")
    for config in [*map(cnn_config, CONFIGS), known, without]:
        sides = [side(name, config, x, y) for name in SIDES]
        rounds = [[run() for run in sides] for _ in range(asked.rounds)]
        row(
            config, [statistics.median(c) for c in zip(*rounds, strict=True)], x, speeds
        )


def row(config: CnnConfig, found: list[float], x: np.ndarray, speeds: tuple) -> None:
    """Print a config's line."""
    cells = [f"{found[0]:.0f}"]
    cells += [f"{now:.0f} ({before / now:.2f}x)" for before, now in pairwise(found)]
    least = floor(config, x.shape[1:], speeds)
    print(
        f"{words.config(config.to_dict(), {'flip', 'filters'}):>38.38}",
        *(f"{cell:>14}" for cell in cells),
        end=" ",
    )
    print(f"{least:7.0f} {least / found[-1]:.0%}", flush=True)


def images(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Load what the sides train on."""
    from tuner.data.dataset import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        path = data_file(path, Path(folder))
        data = load_dataset(None, path, limit=IMAGES, validation_split=0.0, seed=0)
    return data.x_train[data.train], data.y_train[data.train]


def side(name: str, config: CnnConfig, x: np.ndarray, y: np.ndarray) -> Callable:
    """Build a side's network; a call of the result times it."""
    import tensorflow as tf

    from tuner.training.fast_layers import quicken
    from tuner.training.fast_optimizers import fuse
    from tuner.training.networks import cnn

    model = cnn(config, x.shape[1:], 10, len(x)).model
    model.jit_compile = name in {"arrays", "bytes"}
    model.optimizer.build(model.trainable_variables)
    batch, gains = config.batch_size, SIDES[3 : SIDES.index(name) + 1]
    if "fused" in gains:
        fuse(model.optimizer)
    if "steps" in gains:
        model.steps_per_execution = 16
    if "layers" in gains:
        quicken(model.layers, batch)
    if name == "arrays":
        scaled = x.astype(np.float64)  # the model divides, as fast as a script's own

        def fit() -> None:
            model.fit(scaled, y, batch_size=batch, shuffle=False, verbose=0)
    else:
        bytes_, labels = tf.constant(x), tf.constant(y)
        options = tf.data.Options()
        options.autotune.enabled = False
        batches = (
            tf.data.Dataset.range(len(x))
            .batch(batch)
            .map(lambda i: (tf.gather(bytes_, i), tf.gather(labels, i)))
            .prefetch(2)
            .with_options(options)
        )

        def fit() -> None:
            model.fit(batches, shuffle=False, verbose=0)

    def timed() -> float:
        started = time.process_time()
        fit()
        return (time.process_time() - started) / len(x) * 1e6

    timed()  # compiles
    return timed


def cnn_config(config: tuple) -> CnnConfig:
    """Make a config of ours."""
    filters, units, pooling, batch_size = config
    pool = "max" if pooling else "none"
    return CnnConfig(filters, units=units, pooling=pool, batch_size=batch_size)


def machine() -> tuple[float, float]:
    """Measure a matrix product in GFLOP/s, and a copy in GB/s read and written."""
    import tensorflow as tf

    a = tf.random.normal((1536, 1536))
    product = best(lambda: tf.matmul(a, a).numpy())
    source = np.ones(2**24, np.float32)
    target = np.empty_like(source)
    copied = best(lambda: np.copyto(target, source))
    return 2 * 1536**3 / product / 1e9, 2 * source.nbytes / copied / 1e9


def best(work: Callable) -> float:
    """Give the least of ten times, in seconds."""
    times = []
    for _ in range(10):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def floor(config: CnnConfig, shape: tuple, speeds: tuple) -> float:
    """Give the least microseconds an image that arithmetic and memory allow."""
    from search_spaces.layers import count_multiply_adds, count_params

    gflops, gigabytes = speeds
    arithmetic = 3 * 2 * count_multiply_adds(config, shape, 10) / gflops / 1e3
    traffic = 7 * 4 * count_params(config, shape, 10)
    traffic /= config.batch_size * gigabytes * 1e3
    return arithmetic + traffic


if __name__ == "__main__":
    main()
