"""Compare training in bfloat16 with float32: time of a step, and accuracy over seeds.

    python tests/benchmarks/precision.py [--data FILE.npz] [--limit N] [--rounds N]
                                         [--seeds N] [--epochs N] [--threads N]

Both take turns on the same batches. Printed are microseconds of CPU time an image
(median and range of the rounds), then the test accuracies of both after the same
seeds and splits, with the mean difference and its 95 % interval (paired t).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from data import data_file

if TYPE_CHECKING:
    from search_spaces.config import CnnConfig
    from tuner.data.dataset import Dataset

IMAGES = 512
PRECISIONS = ("float32", "bfloat16")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz as tune --data takes it")
    parser.add_argument("--limit", type=int, default=5000, help="training images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    from tuner.training import worker

    worker.load_backend("cpu", asked.threads)
    data = images(asked)
    print(f"{platform.machine()}, {asked.threads} of {os.cpu_count()} cores,", end=" ")
    print(f"{asked.data or 'digits'}, {asked.rounds} rounds in turn")
    for name, config in networks().items():
        sides = [steps(config, precision, data) for precision in PRECISIONS]
        rounds = [[run() for run in sides] for _ in range(asked.rounds)]
        float32, bfloat16 = zip(*rounds, strict=True)
        ratio = statistics.median(bfloat16) / statistics.median(float32)
        print(
            f"{name:>30} {spread(float32)} {spread(bfloat16)} {ratio:.2f}", flush=True
        )
    print(f"{asked.limit} images, {asked.epochs} epochs, {asked.seeds} seeds")
    for name, config in networks().items():
        if asked.seeds > 1:
            print(f"{name:>30} {accuracies(config, data, asked)}", flush=True)


def networks() -> dict[str, CnnConfig]:
    """Name the networks: wide and dense, pooled, and of six convolutions."""
    from search_spaces.config import CnnConfig

    return {
        "published baseline": CnnConfig(),
        "two pooled convolutions": CnnConfig(filters=(32, 64), pooling="max"),
        "six, batch norm, pooled": CnnConfig(
            filters=(32, 32, 64, 64, 128, 128),
            padding="same",
            pooling="max",
            pool_every=2,
            batch_norm=True,
            units=(),
        ),
    }


def images(asked: argparse.Namespace) -> Dataset:
    """Load what both train on."""
    from tuner.data.dataset import load_dataset

    with tempfile.TemporaryDirectory() as folder:
        path = data_file(asked.data, Path(folder))
        return load_dataset(None, path, limit=asked.limit, validation_split=0.1, seed=0)


def steps(config: CnnConfig, precision: str, data: Dataset) -> Callable[[], float]:
    """Build a network; a call of the result times its steps."""
    from tuner.training.feeding import feeder
    from tuner.training.networks import cnn, fresh

    network = fresh(
        lambda: cnn(config, data.input_shape, len(data.classes), len(data.train)),
        1,
        precision=precision,
    )
    feed, some = feeder(network, data), np.resize(data.train, IMAGES)

    def timed() -> float:
        started = time.process_time()
        network.model.fit(feed.batches(some), shuffle=False, verbose=0)
        return (time.process_time() - started) / IMAGES * 1e6

    timed()  # compiles
    return timed


def accuracies(config: CnnConfig, data: Dataset, asked: argparse.Namespace) -> str:
    """Train with every seed in both, and compare the test accuracies."""
    from scipy.stats import t

    pairs = np.array(
        [
            [100 * trained(config, data, asked.epochs, seed, p) for p in PRECISIONS]
            for seed in range(1, asked.seeds + 1)
        ]
    )
    differences = pairs[:, 1] - pairs[:, 0]
    error = differences.std(ddof=1) / len(pairs) ** 0.5
    half = t.ppf(0.975, len(pairs) - 1) * error
    mean, sd = pairs.mean(axis=0), pairs.std(axis=0, ddof=1)
    sides = ", ".join(
        f"{p} {m:.2f} (sd {s:.2f})"
        for p, m, s in zip(PRECISIONS, mean, sd, strict=True)
    )
    middle = differences.mean()
    return f"{sides}, {middle:+.2f} [{middle - half:+.2f}, {middle + half:+.2f}]"


def trained(
    config: CnnConfig, data: Dataset, epochs: int, seed: int, precision: str
) -> float:
    """Train once, and return the test accuracy."""
    from tuner.study.tasks import TrainingTask
    from tuner.training import loop

    *_, result = loop.train(
        TrainingTask(
            0, 0, config.to_dict(), seed, epochs, split_seed=seed, precision=precision
        ),
        data,
    )
    return result.test.accuracy


def spread(values: tuple[float, ...]) -> str:
    """Give the median and the range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.0f} ({low:.0f} to {high:.0f})"


if __name__ == "__main__":
    main()
