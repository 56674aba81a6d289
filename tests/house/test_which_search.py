"""The comparison of the searches can be made again, and the README quotes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "benchmarks" / "which_search"


@pytest.mark.slow
def test_the_stored_trainings_replay(tmp_path):
    """Every config is there; each search spends what Hyperband's plan takes."""
    subprocess.run(
        [
            *[sys.executable, FOLDER / "replay.py", "--oracle-seeds", "3"],
            *["--json", tmp_path / "a.json", "--figure", tmp_path / "a.png"],
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (found["configs"], found["epochs"], found["oracle_seeds"]) == (72, 120, 3)
    for search in found["searches"].values():
        assert 40 < search["validation"]["mean"] <= found["best_validation"] + 2
        assert search["curve"]["epochs"][-1] == 120
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_the_readme_quotes_the_result():
    """No figure in the README's table is typed by hand alone."""
    found = json.loads((FOLDER / "result.json").read_text(encoding="utf-8"))
    assert found["oracle_seeds"] >= 200
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, search in found["searches"].items():
        measured = search["validation"]
        low, high = measured["low"], measured["high"]
        row = f"| {name} | {measured['mean']:.2f} [{low:.2f}, {high:.2f}] |"
        assert row in readme
