"""Kill -9 at random moments of real searches: nothing is lost, nothing is twice.

`KILLS=50 pytest tests/test_kills.py` tries as many; by default a few.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="kill -9"),
]

KILLS = int(os.environ.get("KILLS", "2"))

SPACE = """
from dataclasses import replace
from search_spaces.config import BASELINE


def sample(hp, base=BASELINE):
    width = hp.Choice("width", [2, 3, 4, 5, 6, 7, 8])
    return replace(base, filters=(width,), units=(8,), dropout=0.2)
"""
MIXED = ["--precision", "bfloat16"]  # continued as exactly
# With several workers, what ends first shapes what Hyperband promotes.
ALONE = ["--workers", "1"]
SEARCHES = {
    "random": ["-n", "5", "--epochs", "4", "--executions", "2"],
    "hyperband": [
        "--algorithm",
        "hyperband",
        "--epochs",
        "9",
        "--audit",
        "1",
        *ALONE,
        *MIXED,
    ],
}


def command(algorithm):
    """Give a search that is the same bit for bit, however often it starts anew."""
    search = ["--space", "space.py", "--dataset", "digits", "--limit", "600"]
    return [*search, *SEARCHES[algorithm], "--deterministic", "--no-report"]


def start(folder, algorithm):
    """Start the command in a folder with the space."""
    folder.mkdir(exist_ok=True)
    (folder / "space.py").write_text(SPACE, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tuner", *command(algorithm)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(folder, algorithm):
    """Run the command to its end."""
    process = start(folder, algorithm)
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said[-2000:]


def states(folder):
    """Give what `tune list` says of every study here."""
    command = [sys.executable, "-m", "tuner", "list", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return [study["status"] for study in json.loads(done.stdout)["studies"]]


def results(folder):
    """Every record's results; without times, and without how often it was cut off."""
    found = {}
    for path in sorted((folder / "runs" / "space-digits" / "trials").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        for execution in record["executions"]:
            for name in ("seconds", "train_seconds", "continued_from", "attempts"):
                del execution[name]
        for rung in record["rungs"]:
            del rung["proposed"], rung["told"]
        found[record["trial"]] = record
    return found


def workers_of(folder):
    """List processes that hold a file of this folder open or run in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("cwd").resolve() == folder.resolve():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("algorithm", SEARCHES)
def test_killed_at_any_moment_it_ends_as_if_it_had_not_been(tmp_path, algorithm):
    """The finished records are those of the uninterrupted search, bit for bit."""
    began = time.monotonic()
    finish(tmp_path / "whole", algorithm)
    seconds = time.monotonic() - began
    whole = results(tmp_path / "whole")
    assert all(r["status"] == "completed" for r in whole.values())

    rng = random.Random(algorithm)  # noqa: S311  moments, not secrets
    kills, study = 0, 0
    while kills < KILLS:
        folder = tmp_path / str(study)
        process = start(folder, algorithm)
        try:
            process.wait(rng.uniform(0.3, seconds))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            assert "running" not in states(folder)
            for number, record in results(folder).items():
                if record["status"] == "completed" and len(record["rungs"]) == len(
                    whole[number]["rungs"]
                ):
                    assert record == whole[number]
        else:
            said, _ = process.communicate()
            assert process.returncode == 0, said[-2000:]
            assert results(folder) == whole
            study += 1
    finish(folder := tmp_path / str(study), algorithm)
    assert results(folder) == whole
    deadline = time.monotonic() + 20
    while workers_of(folder):  # a worker sees that its driver is gone, and ends
        assert time.monotonic() < deadline, workers_of(folder)
        time.sleep(0.2)
