"""Time what grows with a study: the driver, a resume, `tune list`, the page.

    python tests/benchmarks/growth.py [--trials 10 100 1000] [--report 5000]

Trainings are arithmetic here, so that what is left is the driver's own time a trial:
proposing, screening, writing records, ranking. A resume is the replay of all that is
stored until the search could hand out the next training. Commands are whole processes.
A record is written at every epoch, so much of a trial's time is the disk's: the last
column is what one such file took just then.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument(
        "--epochs", type=int, nargs="+", default=[9, 81, 729], help="of Hyperband"
    )
    parser.add_argument("--report", type=int, default=5000, help="trials of the page")
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        print(
            "search: trials, epochs, ms a trial, resume s, MiB of the driver, ms a file"
        )
        for count in asked.trials:
            driver(Path(name), "random", count, epochs=9)
        for epochs in asked.epochs:
            driver(Path(name), "hyperband", None, epochs)
        commands(Path(name), max(asked.trials), asked.report)


def driver(folder: Path, algorithm: str, count: int | None, epochs: int) -> None:
    """Search with workers that compute nothing, then resume what is complete."""
    from arithmetic import Arithmetic, session

    from tuner.study.settings import StudySettings
    from tuner.study.tasks import EpochEnd
    from tuner.system.files import atomic_file

    class Instant(Arithmetic):
        """Short trainings, which store no state on the way, as real ones do not."""

        def wait(self, timeout: float | None = None) -> list:
            return [
                replace(event, state=None) if isinstance(event, EpochEnd) else event
                for event in super().wait(timeout)
            ]

    settings = StudySettings(
        "combined", algorithm=algorithm, max_trials=count, epochs=epochs, baseline=False
    )
    study = folder / f"{algorithm}-{count}-{epochs}"
    started = time.perf_counter()
    search = session(study, Instant(2), settings)
    seconds = time.perf_counter() - started
    trials = len(search.study.trials)
    trained = sum(trial.rungs[-1].epochs for trial in search.study.trials.values())
    resumes = []
    for _ in range(3):
        started = time.perf_counter()
        session(study, Instant(2), settings)
        resumes.append(time.perf_counter() - started)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each, again = 1000 * seconds / trials, statistics.median(resumes)
    started = time.perf_counter()
    for _ in range(50):
        with atomic_file(folder / "file") as file:
            file.write("{}")
    disk = 20 * (time.perf_counter() - started)
    row = f"{trials:>6} {trained:>7} {each:8.1f} {again:8.2f} {memory:8.0f} {disk:6.2f}"
    print(f"{algorithm:>10}: {row}", flush=True)


def commands(folder: Path, listed: int, reported: int) -> None:
    """Time `tune --help`, `tune list` and `tune report`, three times each."""
    from studies import write_study

    runs = folder / "runs"
    write_study(runs, "listed", n=listed)
    write_study(runs / "large", "reported", n=reported)
    for words in (
        ["--help"],
        ["list", "--directory", str(runs)],
        ["report", "reported", "--directory", str(runs / "large")],
    ):
        times = []
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "tuner", *words],
                check=True,
                capture_output=True,
                cwd=ROOT,
            )
            times.append(time.perf_counter() - started)
        low, high = min(times), max(times)
        what = f"tune {words[0]}"
        print(f"{what:>12} {statistics.median(times):6.2f} s ({low:.2f} to {high:.2f})")
    print(f"({listed:,} trials listed, {reported:,} in the page)")


if __name__ == "__main__":
    main()
