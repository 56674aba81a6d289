"""Watch the memory of a search of many small trials (Linux).

    python tests/benchmarks/memory.py [--trials 200] [--workers 2]

Prints, as trials finish, the driver's resident memory, the largest worker's, and what
all of them have in proportion (shared pages counted once). It fails where the driver
has grown by more than 64 MiB between the tenth trial and the last, or a worker by more
than 768 MiB over what one holds after its first trial.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE

def sample(hp, base=BASELINE):
    filters = hp.Int("filters", 2, 9, default=9)
    units = hp.Int("units", 8, 72, step=2, default=72)
    return replace(base, filters=(filters,), units=(units,))
"""
MIB = 1024


def main() -> None:
    """Run the search and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = watch(Path(name), asked)
    print(f"{'trials':>6} {'driver':>8} {'worker':>8} {'all':>8}   MiB")
    shown = [1, *range(10, asked.trials, max(10, asked.trials // 10)), asked.trials]
    for row in (rows[n] for n in shown if n in rows):
        print("{:6d} {:8.0f} {:8.0f} {:8.0f}".format(*row))
    late = [row for n, row in rows.items() if n >= min(10, asked.trials)]
    driver = late[-1][1] - late[0][1]
    workers = max(row[2] for row in late) - rows[min(rows)][2]
    print(
        f"driver {driver:+.0f} MiB after the tenth, largest worker {workers:+.0f} MiB"
    )
    if driver > 64 or workers > 768:
        sys.exit("The memory grows.")


def watch(folder: Path, asked: argparse.Namespace) -> dict[int, tuple]:
    """Sample the processes once for every number of finished trials."""
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    command = ["-m", "tuner", "--space", "space.py", "--dataset", "digits"]
    command += ["--limit", "300", "--epochs", "1", "-n", str(asked.trials)]
    command += ["--no-baseline", "--no-report", "--workers", str(asked.workers)]
    search = subprocess.Popen(
        [sys.executable, *command], cwd=folder, stderr=subprocess.DEVNULL
    )
    rows: dict[int, tuple] = {}
    while search.poll() is None:
        time.sleep(0.2)
        done = len(list(folder.glob("runs/*/trials/*/predictions-0.npz")))
        workers = [m for p in children(search.pid) if (m := memory(p))]
        driver = memory(search.pid)
        if done and driver and workers:
            everything = driver[1] + sum(m[1] for m in workers)
            largest = max(m[0] for m in workers)
            rows[done] = (done, driver[0], largest, everything)
    assert search.returncode == 0, "the search failed"
    return rows


def children(parent: int) -> list[int]:
    """List a process's children."""
    path = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        return [int(pid) for pid in path.read_text(encoding="ascii").split()]
    except OSError:
        return []


def memory(pid: int) -> tuple[float, float] | None:
    """Give a process's resident and proportional memory in MiB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    found = dict(line.split()[:2] for line in lines.splitlines()[1:])
    return int(found["Rss:"]) / MIB, int(found["Pss:"]) / MIB


if __name__ == "__main__":
    main()
