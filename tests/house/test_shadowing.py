"""Promises of names: no file in the working folder stands for a module of ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

OURS = ("tuner", "reports", "search_spaces")
# What our processes import as they start, multiprocessing and Ray among it.
STANDARD = (
    "random",
    "queue",
    "types",
    "tempfile",
    "signal",
    "socket",
    "pickle",
    "json",
)
SPACE = """
from dataclasses import replace
from search_spaces.config import CnnConfig

def sample(hp):
    return CnnConfig(filters=(hp.Choice("width", [2, 4]),), units=(8,))
"""
SEARCH = ["--space", "mine.py", "--dataset", "digits", "--limit", "200", "-n", "1"]
# As pip writes it for `tune`, where no `tune` need be installed.
COMMAND = """
from tuner.cli.main import main
if __name__ == "__main__":
    main()
"""


@pytest.fixture
def folder(tmp_path):
    """A user's folder whose files have names that others have too."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "mine.py").write_text(SPACE, encoding="utf-8")
    for name in (*OURS, *STANDARD):
        shadow = f"raise SystemExit('the folder stands for {name}')"
        (folder / f"{name}.py").write_text(shadow, encoding="utf-8")
    (tmp_path / "tune.py").write_text(COMMAND, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "options", [["--workers", "1"], ["--ray", "local"]], ids=["here", "ray"]
)
def test_a_search_and_its_pages_where_every_name_is_taken(folder, options):
    """The driver, its workers and the process of its pages."""
    command = [sys.executable, folder.parent / "tune.py"]
    _search(folder, *command, *SEARCH, "--epochs", "1", *options)
    assert (folder / "runs/mine-digits/report.html").exists()


def test_the_packages_run_as_modules_in_such_a_folder(folder):
    """`python -m tuner`, which is Python's to find, and `python -m reports`."""
    (folder / "tuner.py").unlink()
    _search(folder, sys.executable, "-m", "tuner", *SEARCH, "--epochs", "1")
    (folder / "reports.py").unlink()
    (folder / "tuner.py").write_text("raise SystemExit('no')", encoding="utf-8")
    page = folder / "runs/mine-digits/report.html"
    page.unlink()
    _search(folder, sys.executable, "-m", "reports", "runs/mine-digits")
    assert page.exists()


def test_a_working_folder_on_pythons_path_takes_no_name_of_ours(folder):
    """But `tuner` itself, which is Python's to find."""
    (folder / "tuner.py").unlink()
    for name in STANDARD:
        (folder / f"{name}.py").unlink()
    command = [sys.executable, folder.parent / "tune.py"]
    _search(folder, *command, *SEARCH, "--epochs", "1", PYTHONPATH=str(folder))
    assert (folder / "runs/mine-digits/report.html").exists()


def _search(folder, *command, **environment):
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    logs = [path.read_text() for path in folder.glob("runs/*/search.log")]
    text = "\n".join([done.stdout, done.stderr, *logs])
    assert "the folder stands for" not in text, text[-3000:]
    assert done.returncode == 0, text[-3000:]
