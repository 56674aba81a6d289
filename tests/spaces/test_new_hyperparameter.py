"""Promises to whoever adds a hyperparameter: three edits, and nothing old changes.

The edits are made in a copy of the package, which then searches in a process of its
own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from search_spaces.config import unlike_baseline
from tuner.system.seeds import execution_seed

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
NAME = "offset"  # of the pixels: it acts whatever the other values are
EDITS = {
    # The first field, so that nothing may rely on positions.
    "config.py": [
        (
            "    filters: tuple[int, ...] = sizes(",
            f"    {NAME}: float = number(0.0, 0.0, 0.9, architecture=True)\n",
        ),
    ],
    "layers.py": [
        ("\n\n@dataclass(frozen=True)\nclass RandomFlip", f"    {NAME}: float\n"),
    ],
    "architecture.py": [
        (
            "        filters=filters(stages, convs, first, growth),\n",
            f'        {NAME}=hp.Float("{NAME}", 0.0, 0.5, default=base.{NAME}),\n',
        ),
    ],
}
SEARCH = ["--dataset", "digits", "--limit", "200", "--epochs", "1", "--workers", "1"]
SHORT = ["--no-baseline", "--no-report"]
PROBE = """
import json, runpy, sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from click.testing import CliRunner

from search_spaces.config import CnnConfig
from search_spaces.model import build_model
from tuner.cli.main import cli

for what, path in (("script", "train.py"), ("keras", "model.keras")):
    arguments = ["export", "architecture-digits", "2", "--to", what, "-o", path]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
flat = json.loads(Path("runs/architecture-digits/trials/0002.json").read_text())
config = CnnConfig.from_dict(flat["config"])
exported = keras.models.load_model("model.keras")
images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1)).astype("float32")

def outputs(model):
    model.set_weights(exported.get_weights())
    logits = model.predict(images, verbose=0).astype("float64")
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

def distance(model):
    return np.abs(outputs(model) - exported.predict(images, verbose=0)).max()

written = distance(runpy.run_path("train.py")["build"]())
without = distance(build_model(replace(config, offset=0.0), (8, 8, 1), 10))
print(json.dumps([float(written), float(without)]))
"""


class Work:
    """A folder with studies, some by this package and some by the changed copy."""

    def __init__(self, folder):
        self.folder, self.copy = folder, folder / "copy"
        for package in ("search_spaces", "tuner", "reports"):
            ignored = shutil.ignore_patterns("studies", "__pycache__")
            shutil.copytree(ROOT / package, self.copy / package, ignore=ignored)
        for file, edits in EDITS.items():
            path = self.copy / "search_spaces" / file
            text = path.read_text(encoding="utf-8")
            for before, added in edits:
                assert text.count(before) == 1, (file, before)
                text = text.replace(before, added + before)
            used = text.replace(
                "Rescaling(1 / 255)", f"Rescaling(1 / 255, config.{NAME})"
            )
            path.write_text(used, "utf-8")

    def run(self, *arguments, changed):
        """Run Python with this package, or with the changed copy."""
        path = {"PYTHONPATH": str(self.copy)} if changed else {}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.folder, env=os.environ | path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-500:]
        return done.stdout

    def search(self, space, trials, *more, changed):
        asked = ["--space", space, "-n", str(trials), *SEARCH, *more]
        self.run("-m", "tuner", *asked, changed=changed)

    def records(self, space):
        """Give the trials of a study."""
        paths = sorted((self.folder / f"runs/{space}-digits/trials").glob("*.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return Work(tmp_path_factory.mktemp("new"))


def test_three_edits_search_record_report_and_export_it(work):
    """The script computes what the trained network does, and the field counts."""
    work.search("architecture", 2, changed=True)
    baseline, recipe, trial = work.records("architecture")
    assert baseline["config"][NAME] == recipe["config"][NAME] == 0.0
    assert 0 < trial["config"][NAME] == trial["values"][NAME] <= 0.5
    page = (work.folder / "runs/architecture-digits/report.html").read_text("utf-8")
    assert NAME in page
    written, without = json.loads(work.run("-c", PROBE, changed=True).splitlines()[-1])
    assert written < 1e-6
    assert without > 1e-5  # what a script that ignores it would be off by
    assert f"{NAME}={trial['config'][NAME]!r}" in (work.folder / "train.py").read_text(
        "utf-8"
    )


def test_an_old_study_goes_on_with_the_seeds_that_it_would_have_had(work):
    """Its space has not changed, whatever others gained."""
    work.search("hyperparams", 1, *SHORT, changed=False)
    before = work.records("hyperparams")
    work.search("hyperparams", 2, *SHORT, changed=True)
    after = work.records("hyperparams")
    assert after[: len(before)] == before
    (new,) = after[len(before) :]
    assert new["config"].pop(NAME) == 0.0
    seed = execution_seed(0, unlike_baseline(new["config"]), 0)
    assert [e["seed"] for e in new["executions"]] == [seed]
