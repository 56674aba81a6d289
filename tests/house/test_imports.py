"""Promises of the structure: imports run one way, and light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("search_spaces", "tuner", "reports")
HEAVY = {"keras", "keras_tuner", "tensorflow", "jax", "torch"}
SLOW = {"pandas", "sklearn", "scipy"}

# Left to right: a room imports what stands left of it, and nothing else.
RULE = (
    "search_spaces | tuner.system | tuner.data | tuner.algorithms | tuner.study | "
    "tuner.training | tuner.workers | tuner.search | tuner.export | reports.read | "
    "reports.stats | reports.figures | reports.pages | reports | tuner.cli | tuner"
)
LEVEL = {
    room: level
    for level, rooms in enumerate(RULE.split(" | "))
    for room in rooms.split(", ")
}
# The package asks for its own folder, which a Ray cluster gets.
ITSELF = {("tuner.workers.ray_cluster", "tuner")}
# `reports` reads what a study has on disk, and asks an algorithm about itself: these
# rooms, and never a framework.
SHARED = {"tuner.system", "tuner.algorithms", "tuner.study", "tuner.export.snippet"}


def _modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), path


def _imports(path):
    """List the modules that a file imports anywhere, top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if name in KNOWN]
            yield from modules
            if len(modules) < len(inner):
                yield node.module


KNOWN = {name for name, _ in _modules()}


def _ours(path):
    return {name for name in _imports(path) if name in KNOWN}


def _room(module):
    """Name the room that a module lies in, or is."""
    while module not in LEVEL:
        module = module.rpartition(".")[0]
    return module


def _is_in(module, rooms):
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def test_every_room_stands_in_the_rule():
    """A new folder is given its place, or nothing holds what it imports."""
    rooms = {name for name, path in _modules() if path.stem == "__init__"}
    assert rooms - {"reports.studies"} == set(LEVEL)


@pytest.mark.parametrize(("name", "path"), list(_modules()))
def test_imports_run_one_way(name, path):
    """A room imports only what stands left of it."""
    here = _room(name)
    wrong = {
        other
        for other in _ours(path)
        if _room(other) != here
        and LEVEL[_room(other)] >= LEVEL[here]
        and (name, other) not in ITSELF
    }
    assert wrong == set()


@pytest.mark.parametrize(("name", "path"), list(_modules()))
def test_tuner_and_reports_meet_on_disk(name, path):
    """Only the command sees both; reports read records and no framework."""
    ours = _ours(path)
    if _is_in(name, {"reports"}):
        of_tuner = {other for other in ours if _is_in(other, {"tuner"})}
        assert {other for other in of_tuner if not _is_in(other, SHARED)} == set()
        assert {i.split(".")[0] for i in _imports(path)} & HEAVY == set()
    elif not _is_in(name, {"tuner.cli"}):
        assert {other for other in ours if _is_in(other, {"reports"})} == set()


def _loaded_by(code):
    """List the heavy packages that a fresh Python has loaded after some code."""
    watched = sorted(HEAVY | SLOW)
    probe = f"{code}\nimport sys\nprint(*(m for m in {watched} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import tuner.cli.main",
        "import tuner, search_spaces, reports",
        "import search_spaces.config as c; c.BASELINE.is_feasible((8, 8, 1))",
        "import tuner.workers.local",
        "import tuner.algorithms",
        "from tuner.study.settings import StudySettings; StudySettings('architecture')",
        "import tuner.search.session, tuner.cli.progress, tuner.cli.summary",
        "from click.testing import CliRunner\nfrom tuner.cli.main import cli\n"
        "assert CliRunner().invoke(cli, ['search', '--help']).exit_code == 0",
    ],
)
def test_what_should_be_light_is_light(code):
    """`tune --help`, shell completion and a worker's first lines load no framework."""
    assert _loaded_by(code) == []


def test_reports_need_no_framework():
    """A page can be built where Keras is not installed."""
    assert HEAVY.isdisjoint(_loaded_by("import reports.pages.study, reports.__main__"))


def test_the_light_test_can_fail():
    """It sees a framework where one is loaded, also behind another module."""
    assert "keras" in _loaded_by("import search_spaces.model")
    assert "keras_tuner" in _loaded_by("import tuner.search.workload")
