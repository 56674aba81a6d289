"""Promises of the installation: a wheel is whole, and lives with Ray's `tune`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("search_spaces", "tuner", "reports")
RAY = f"ray=={version('ray')}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build a wheel of a copy of the project, so that nothing is built here."""
    project = tmp_path_factory.mktemp("project")
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / name, project / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            shutil.copy(source, target)
    build = ["-m", "pip", "wheel", "-q", "--no-deps", "-w", project / "dist", project]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (made,) = (project / "dist").glob("*.whl")
    return made


@pytest.fixture
def environment(tmp_path):
    """A new environment; the dependencies come from the one that runs the tests."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = [path for path in sys.path if path.endswith("site-packages")]
    (site / "rest.pth").write_text("\n".join(paths), encoding="utf-8")
    return folder


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


def test_a_wheel_has_every_module_and_template_and_no_study(wheel):
    """As the checkout has them, and what says that they are typed."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {n for n in archive.namelist() if ".dist-info/" not in n}
    expected = {f"{package}/py.typed" for package in PACKAGES}
    for package in PACKAGES:
        expected |= {str(p.relative_to(ROOT)) for p in (ROOT / package).rglob("*.py")}
    templates = ROOT / "reports/pages/templates"
    expected |= {str(p.relative_to(ROOT)) for p in templates.iterdir()}
    assert packed == expected


@pytest.mark.skipif(os.name != "posix", reason="bin/")
def test_a_wheel_searches_outside_the_checkout(wheel, environment):
    """Here and on Ray, where its code travels; pages are drawn by its templates."""
    _pip(environment, wheel)
    assert f"version {version('tune-keras')}" in _says(environment, "tune", "--version")
    for package in PACKAGES:
        where = f"import {package}; print({package}.__file__)"
        assert _says(environment, "python", "-c", where).startswith(str(environment))
    small = ["--dataset", "digits", "--limit", "200", "--epochs", "1", "-n", "1"]
    said = _says(environment, "tune", "--space", "architecture", *small)
    assert (environment / "runs/architecture-digits/report.html").exists(), said
    far = ["--space", "hyperparams", *small, "--ray", "local"]
    said = _says(environment, "tune", *far)
    assert "on a Ray cluster of 1 node" in said
    assert (environment / "runs/hyperparams-digits/report.html").exists(), said
    assert (environment / "runs/comparison.html").exists()


@pytest.mark.skipif(os.name != "posix", reason="bin/")
def test_our_command_and_rays_live_together(wheel, environment):
    """Ray first or last: there is always a command, and one line brings `tune` back."""
    folder = environment
    ours = f"tune, version {version('tune-keras')}"

    _pip(folder, "--ignore-installed", RAY)
    _pip(folder, "--ignore-installed", wheel)
    assert ours in _says(folder, "tune", "--version")

    _pip(folder, "--force-reinstall", RAY)  # as if it had come last
    assert ours not in _says(folder, "tune", "--version")
    assert ours in _says(folder, "tune-keras", "--version")
    assert ours in _says(folder, "python", "-m", "tuner", "--version")

    _pip(folder, "--force-reinstall", wheel)  # what the README says to do then
    assert ours in _says(folder, "tune", "--version")
