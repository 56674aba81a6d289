"""Time one search with 1, 2 and 4 workers, in both orders.

    python tests/benchmarks/throughput.py [--data FILE.npz] [--limit N] [--rounds N]
                                          [--workers 1 2 4] [-- TUNE OPTIONS]

Every side is a whole `tune` command on the same 8 configs; the seconds are those of
its search, from the first trial's start to the last one's end. A ratio is of trials
an hour, against the first number of workers in the same round. What follows `--`
goes to `tune`: `--workers-per-gpu 4`, for example, on a GPU.
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
from pathlib import Path

from data import data_file

HERE = Path(__file__).parent


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="an .npz as tune --data takes it")
    parser.add_argument("--limit", type=int, default=2000, help="training images")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("rest", nargs="*", help="options for tune")
    asked = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as name:
        asked.data = data_file(asked.data, Path(name))
        for number in range(asked.rounds):
            order = asked.workers[:: -1 if number % 2 else 1]
            rounds.append({n: seconds(asked, n, Path(name)) for n in order})
            print(rounds[-1], flush=True)
    print(f"{platform.machine()}, {os.cpu_count()} cores, {asked.data.name},")
    print(
        f"{asked.limit} images, {asked.epochs} epochs, 8 configs, {len(rounds)} rounds"
    )
    first = asked.workers[0]
    for count in asked.workers:
        ratios = sorted(r[first] / r[count] for r in rounds)
        print(
            f"{count} workers: {statistics.median(r[count] for r in rounds):6.1f} s, "
            f"{statistics.median(ratios):.2f}x ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def seconds(asked: argparse.Namespace, workers: int, folder: Path) -> float:
    """Give the seconds of one search."""
    command = ["-m", "tuner", "--space", HERE / "space.py", "-n", 8, "--no-baseline"]
    command += ["--data", asked.data, "--limit", asked.limit, "--epochs", asked.epochs]
    command += ["--directory", folder, "--name", "bench", "--overwrite"]
    command += ["--workers", workers, "--no-report", "--json", *asked.rest]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE)},
    )
    result = json.loads(done.stdout)
    assert len(result["trials"]) == 8, result["status"]
    return float(result["seconds"])


if __name__ == "__main__":
    main()
