"""Promises of the installation: our command lives with Ray's of the same name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RAY = f"ray=={version('ray')}"

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path):
    """A new environment, and our project copied, so that nothing is built here."""
    project = tmp_path / "project"
    ours = ("search_spaces", "tuner", "reports", "pyproject.toml", "README.md")
    project.mkdir()
    for name in (*ours, "LICENSE"):
        source, target = ROOT / name, project / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(source, target)
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    # The dependencies come from the environment that runs the tests.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "rest.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    return folder, project


def _pip(folder, *arguments):
    command = [folder / "bin/python", "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*command, *arguments], check=True, capture_output=True)


def _says(folder, *command):
    done = subprocess.run(
        [folder / "bin" / command[0], *command[1:]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(os.name != "posix", reason="bin/")
def test_our_command_and_rays_live_together(environment):
    """Ray first or last: there is always a command, and one line brings `tune` back."""
    folder, project = environment
    ours = f"tune, version {version('tune-keras')}"

    _pip(folder, "--ignore-installed", RAY)
    _pip(folder, "--ignore-installed", project)
    assert ours in _says(folder, "tune", "--version")

    _pip(folder, "--force-reinstall", RAY)  # as if it had come last
    assert ours not in _says(folder, "tune", "--version")
    assert ours in _says(folder, "tune-keras", "--version")
    assert ours in _says(folder, "python", "-m", "tuner", "--version")

    _pip(folder, "--force-reinstall", project)  # what the README says to do then
    assert ours in _says(folder, "tune", "--version")
