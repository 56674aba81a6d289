"""Time the training of the yardstick's configs on JAX, on a GPU or on what there is.

    KERAS_BACKEND=jax python tests/benchmarks/gpu_steps.py [--data FILE.npz]
                                                 [--images N] [--rounds N]

Sides, on the same images:

    arrays    plain Keras: `fit` on float32 arrays
    calls     uint8 images, a call a step: what `tune` does on a CPU
    resident  images on the device, up to 256 steps a call: what it does on a GPU

Sides take turns. Printed are microseconds of wall time an image (median of the rounds,
compilation left out), how many times as fast as plain Keras each is, and the share of
the floor that the last one reaches: the arithmetic at the speed of a matrix product in
float32, plus the update's seven arrays at the speed of a copy, both measured here.
`yardstick.py` times whole searches there: it takes the same KERAS_BACKEND.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from configs import CONFIGS
from data import data_file
from steps import best, cnn_config, floor

SIDES = ("arrays", "calls", "resident")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz as tune --data takes it")
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    from tuner.data.dataset import load_dataset
    from tuner.training import worker

    ready = worker.load_backend("auto", None)
    import keras

    if keras.backend.backend() != "jax":
        raise SystemExit("It times JAX: set KERAS_BACKEND=jax.")
    with tempfile.TemporaryDirectory() as folder:
        path = data_file(asked.data, Path(folder))
        data = load_dataset(
            None, path, limit=asked.images, validation_split=0.0, seed=0
        )
    speeds = machine()
    print(
        f"{ready.device}, {asked.data or 'digits'}, {len(data.train)} images,", end=" "
    )
    print(f"{asked.rounds} rounds in turn")
    print(f"matrix product {speeds[0]:.0f} GFLOP/s, copy {speeds[1]:.0f} GB/s")
    print(f"{'config':>38}", *(f"{name:>14}" for name in SIDES), "   floor share")
    for config in CONFIGS:
        sides = [side(name, config, data) for name in SIDES]
        rounds = [[run() for run in sides] for _ in range(asked.rounds)]
        plain, *ours = (statistics.median(c) for c in zip(*rounds, strict=True))
        cells = [f"{plain:.1f}", *(f"{now:.1f} ({plain / now:.1f}x)" for now in ours)]
        least = floor(cnn_config(config), data.input_shape, speeds)
        print(f"{config!s:>38}", *(f"{cell:>14}" for cell in cells), end=" ")
        print(f"{least:8.2f} {least / ours[-1]:.0%}", flush=True)


def side(name: str, config: tuple, data: object) -> Callable[[], float]:
    """Build a side's network; a call of the result trains an epoch and times it."""
    from tuner.training.jax_loop import Resident
    from tuner.training.networks import Batches, cnn

    network = cnn(cnn_config(config), data.input_shape, 10, len(data.train))
    model, order = network.model, data.train
    model.optimizer.build(model.trainable_variables)
    if name == "arrays":
        x = data.x_train[order].astype(np.float32)
        given = {"x": x, "y": data.y_train[order], "batch_size": network.batch_size}
    elif name == "calls":
        cut = Batches(network, data.x_train, data.y_train, order, network.batch_size)
        given = {"x": cut}
    else:
        given = {"x": Resident(network, data).batches(order)}

    def timed() -> float:
        started = time.perf_counter()
        model.fit(**given, shuffle=False, verbose=0)
        return (time.perf_counter() - started) / len(order) * 1e6

    timed()  # compiles
    return timed


def machine() -> tuple[float, float]:
    """Measure a matrix product in GFLOP/s, and a copy in GB/s read and written."""
    import jax
    from jax import numpy as jnp

    size = 8192 if jax.devices()[0].platform == "gpu" else 1536
    a = jax.random.normal(jax.random.key(0), (size, size))
    product, copy = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)
    long = jnp.zeros(16 * size * size // 4, jnp.float32)
    for work in (lambda: product(a, a), lambda: copy(long)):
        work().block_until_ready()
    multiplied = best(lambda: product(a, a).block_until_ready())
    copied = best(lambda: copy(long).block_until_ready())
    return 2 * size**3 / multiplied / 1e9, 2 * long.nbytes / copied / 1e9


if __name__ == "__main__":
    main()
