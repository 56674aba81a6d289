"""Time `tune` against the scripts a user would write, on equal work.

    python tests/benchmarks/yardstick.py [--data FILE.npz] [--limit N] [--rounds N]
                                         [--epochs N] [--peers NAME ...]

A peer is a script from KerasTuner's guide, and one from Optuna's example. All sides
train the same configs for the same epochs on the same images and give train,
validation and test accuracy for each. They run in turn, as whole processes; the
ratio is trials an hour, ours over theirs, round by round. Without `--data` the
images are scikit-learn's digits, enlarged.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from data import data_file

from tuner.data.dataset import load_dataset

HERE = Path(__file__).parent
PEERS = {"KerasTuner": "plain_script.py", "Optuna": "optuna_script.py"}


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz as tune --data takes it")
    parser.add_argument("--limit", type=int, default=1000, help="training images")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asked.data = data_file(asked.data, folder)
        source = write_split(asked, folder)
        rounds = [measure(asked, source, folder / str(i)) for i in range(asked.rounds)]
    report(asked, rounds)


def write_split(asked: argparse.Namespace, folder: Path) -> Path:
    """Give the plain script the images and the split that `tune` uses."""
    data = load_dataset(
        None,
        asked.data,
        limit=asked.limit,
        validation_split=0.1,
        seed=0,
    )
    path = folder / "split.npz"
    np.savez(
        path,
        x_train=data.x_train[data.train],
        y_train=data.y_train[data.train],
        x_val=data.x_train[data.validation],
        y_val=data.y_train[data.validation],
        x_test=data.x_test,
        y_test=data.y_test,
    )
    return path


def measure(asked: argparse.Namespace, split: Path, folder: Path) -> dict[str, dict]:
    """Run every side once, in another order each round."""
    folder.mkdir()
    sides = ["tune", *asked.peers]
    first = int(folder.name) % len(sides)
    found = {}
    for side in sides[first:] + sides[:first]:
        if side == "tune":
            found[side] = run_tune(asked, folder)
        else:
            found[side] = run_peer(asked, side, split, folder)
        print(f"{folder.name} {side}: {found[side]['seconds']:.0f} s", file=sys.stderr)
    return found


def run_peer(asked: argparse.Namespace, peer: str, split: Path, folder: Path) -> dict:
    """Time a peer's script."""
    out = folder / f"{peer}.json"
    seconds = timed([HERE / PEERS[peer], split, asked.epochs, out])
    rows = json.loads(out.read_text(encoding="utf-8"))
    return {"seconds": seconds, "accuracies": [r["accuracies"] for r in rows]}


def run_tune(asked: argparse.Namespace, folder: Path) -> dict:
    """Time ours, its study and pages included."""
    space = ["-m", "tuner", "--space", HERE / "space.py", "--no-baseline"]
    space += ["--algorithm", "grid"]  # in the order that the others take
    data = ["--data", asked.data]
    size = ["--limit", asked.limit, "--epochs", asked.epochs]
    seconds = timed([*space, *data, *size, "--directory", folder])
    (study,) = folder.glob("*/study.json")
    records = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in study.parent.glob("trials/*.json")
    ]
    keys = ("train_accuracy", "val_accuracy", "test_accuracy")
    rows = sorted((r["values"]["config"], r["executions"][0]) for r in records)
    return {"seconds": seconds, "accuracies": [[e[k] for k in keys] for _, e in rows]}


def timed(command: list) -> float:
    """Give the wall time of a whole process, in seconds."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *map(str, command)],
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    return time.perf_counter() - started


def report(asked: argparse.Namespace, rounds: list[dict[str, dict]]) -> None:
    """Print the ratios, and all sides' accuracies beside each other."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, {asked.data.name},")
    print(f"{asked.limit} images, {asked.epochs} epochs, {len(rounds)} rounds in turn")
    print(f"{'':>10}  {'seconds':>22}  {'trials an hour, ours over theirs':>33}")
    for side in rounds[0]:
        seconds = [r[side]["seconds"] for r in rounds]
        ratios = [r[side]["seconds"] / r["tune"]["seconds"] for r in rounds]
        ratio = "" if side == "tune" else f"{spread(ratios, 2)}"
        print(f"{side:>10}  {spread(seconds, 1):>22}  {ratio:>33}")
    for split, name in enumerate(("train", "validation", "test")):
        means = []
        for side in rounds[0]:
            found = [[a[split] for a in r[side]["accuracies"]] for r in rounds]
            means.append(f"{side} {np.mean(found):.3f}")
        print(f"mean {name} accuracy: {', '.join(means)}")


def spread(values: list[float], digits: int) -> str:
    """Give the median and the range."""
    low, high = min(values), max(values)
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
