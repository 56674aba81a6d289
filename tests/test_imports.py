"""Promises of the structure: imports run one way, and light things stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("search_spaces", "tuner", "reports")
HEAVY = {"keras", "keras_tuner", "tensorflow", "jax", "torch"}

# Bottom to top: a module imports from its own line or from those above it.
LAYERS = [
    {"search_spaces.errors"},
    {"search_spaces.config"},
    {"search_spaces.layers", "search_spaces.own"},
    {"search_spaces.architecture", "search_spaces.hyperparams"},
    {"search_spaces.combined", "search_spaces.published", "search_spaces.model"},
    {"search_spaces.space"},
    {"search_spaces.hypermodel"},
    {"tuner.records", "tuner.locks", "tuner.seeds", "tuner.numbers", "tuner.quiet"},
    {"tuner.loading"},
    {"tuner.fitting"},
    {"tuner.tables"},
    {"tuner.machine", "tuner.files", "tuner.interrupts", "tuner.arms"},
    {"tuner.snippet", "tuner.objective"},
    {"tuner.record_files"},
    {"tuner.tasks", "tuner.hyperband"},
    {"tuner.ranking", "tuner.wording", "tuner.screening", "tuner.image_arrays"},
    {"tuner.rungs", "tuner.executions"},
    {"tuner.image_decoding"},
    {"tuner.image_cache"},
    {"tuner.named_datasets", "tuner.image_files", "tuner.splits"},
    {"tuner.datasets", "tuner.settings", "tuner.study", "tuner.proposals"},
    {"tuner.fused", "tuner.fast_layers"},
    {"tuner.networks", "tuner.copies", "tuner.devices", "tuner.estimate"},
    {"tuner.own_models", "tuner.resident"},
    {"tuner.feeding", "tuner.own_objects"},
    {"tuner.training"},
    {"tuner.own_training"},
    {"tuner.worker", "tuner.placement"},
    {"tuner.workers"},
    {"tuner.ray_cluster", "tuner.ray_images"},
    {"tuner.ray_workers", "tuner.oracles", "tuner.opening", "tuner.replay"},
    {"tuner.known", "tuner.continuing", "tuner.deadline"},
    {"tuner.options", "tuner.console"},
    {"tuner.search", "tuner.planning", "tuner.summary"},
    {"tuner.session", "tuner.progress", "tuner.live_page"},
    {"tuner.timing"},
    {"tuner.time_plan"},
    {"tuner.dry_run", "tuner.export", "tuner.comparing", "tuner.running"},
    {"tuner.script"},
    {"tuner.arm_commands", "tuner.export_command"},
    {"tuner.cli"},
    {"tuner.__main__"},
]
COMMANDS = {
    "tuner.cli",
    "tuner.live_page",
    "tuner.arm_commands",
    "tuner.export_command",
}
# `reports` reads records: this much of `tuner`, and never a framework.
SHARED = {
    "tuner.records",
    "tuner.record_files",
    "tuner.files",
    "tuner.locks",
    "tuner.ranking",
    "tuner.rungs",
    "tuner.numbers",
    "tuner.tables",
    "tuner.objective",
    "tuner.snippet",
}


def _modules():
    for package in PACKAGES:
        for path in sorted((ROOT / package).glob("*.py")):
            if path.stem != "__init__":
                yield f"{package}.{path.stem}", path


def _imports(path):
    """List the modules that a file imports anywhere, top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _own(path):
    known = {name for name, _ in _modules()}
    return {name for name in _imports(path) if name in known}


@pytest.mark.parametrize(
    ("name", "path"), [m for m in _modules() if not m[0].startswith("reports.")]
)
def test_imports_run_one_way(name, path):
    """Each module has its place, and imports nothing from above it."""
    level = {m: i for i, layer in enumerate(LAYERS) for m in layer}
    assert name in level, f"say in LAYERS where {name} belongs"
    # The one look upward: a config asks the layers whether it is feasible.
    allowed = {"search_spaces.layers"} if name == "search_spaces.config" else set()
    above = {i for i in _own(path) if not i.startswith("reports.")} - allowed
    assert {i for i in above if level[i] > level[name]} == set()


@pytest.mark.parametrize(("name", "path"), list(_modules()))
def test_tuner_and_reports_meet_on_disk(name, path):
    """Only the command sees both; reports read records and no framework."""
    own = _own(path)
    if name.startswith("reports."):
        assert {i for i in own if i.startswith("tuner.")} <= SHARED
        assert {i.split(".")[0] for i in _imports(path)} & HEAVY == set()
    elif name not in COMMANDS:
        assert {i for i in own if i.startswith("reports.")} == set()


def _loaded_by(code):
    """List the heavy packages that a fresh Python has loaded after some code."""
    watched = sorted(HEAVY | {"pandas"})
    probe = f"{code}\nimport sys\nprint(*(m for m in {watched} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import tuner.cli",
        "import tuner, search_spaces, reports",
        "import search_spaces.config as c; c.BASELINE.is_feasible((8, 8, 1))",
        "import tuner.workers",
        "import tuner.settings; tuner.settings.StudySettings('architecture')",
        "import tuner.session, tuner.progress, tuner.summary",
        "from click.testing import CliRunner\nfrom tuner.cli import cli\n"
        "assert CliRunner().invoke(cli, ['search', '--help']).exit_code == 0",
    ],
)
def test_what_should_be_light_is_light(code):
    """`tune --help`, shell completion and a worker's first lines load no framework."""
    assert _loaded_by(code) == []


def test_reports_need_no_framework():
    """A page can be built where Keras is not installed."""
    assert _loaded_by("import reports.page, reports.__main__") == ["pandas"]


def test_the_light_test_can_fail():
    """It sees a framework where one is loaded, also behind another module."""
    assert "keras" in _loaded_by("import search_spaces.model")
    assert "keras_tuner" in _loaded_by("import tuner.oracles")
