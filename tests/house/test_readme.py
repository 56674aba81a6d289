"""The README's examples run: Python as it stands, commands as far as parsing."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import studies
from matplotlib import pyplot as plt

from tuner.cli.main import cli

ROOT = Path(__file__).parents[2]
READMES = [ROOT / "README.md", ROOT / "reports/studies/README.md"]
READMES += [ROOT / "tests/benchmarks/README.md"]
TEXTS = [path.read_text(encoding="utf-8") for path in READMES]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", "".join(TEXTS), re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [
    line.split("#")[0]
    for language, text in BLOCKS
    if not language
    for line in text.splitlines()
    if line.startswith("tune ")
]


def test_there_are_examples():
    """Or the tests below would test nothing."""
    assert len(PYTHON) >= 3
    assert len(COMMANDS) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_python_runs_as_it_stands(code, tmp_path, monkeypatch):
    """In a folder with a study of the name that they use."""
    import keras_tuner

    studies.write_study(tmp_path / "runs", "architecture-cifar10", n=12)
    monkeypatch.chdir(tmp_path)
    names = {"ax": plt.subplots()[1], "keras_tuner": keras_tuner}
    exec(code, names)  # noqa: S102  the README's own
    if "sample" in names:
        hp = keras_tuner.HyperParameters()
        assert names["sample"](hp).is_feasible((32, 32, 3))
    if "tuner" in names:
        assert names["tuner"].oracle.get_space().space
    plt.close("all")


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_are_commands(line):
    """Every word before the explanation is one that the command takes."""
    words = shlex.split(re.split(r"\s{2,}", line)[0])[1:]
    words = [word for word in words if not re.fullmatch(r"\[[A-Z.]+\]\.*", word)]
    if words[0].startswith("-"):
        words = ["search", *words]
    name, command, rest = cli.resolve_command(click.Context(cli), words)
    known = {opt for p in command.params for opt in (*p.opts, *p.secondary_opts)}
    for word in rest:
        assert not word.startswith("-") or word in known, (name, word)


@pytest.mark.parametrize("path", READMES, ids=str)
def test_links_lead_somewhere(path):
    """To a file, and to a heading in it."""
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if heading:
            heads = re.findall(r"^#+ (.*)$", linked.read_text("utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", h).lower() for h in heads]
            assert heading in [a.replace(" ", "-") for a in anchors], target


def test_the_chain_of_searches_is_what_its_records_give():
    """No figure in the tables is typed in by hand."""
    named = ["architecture-30m", "hyperparams-30m", "combined-30m"]
    named += ["hyperparams-30m/confirm-all-images", "deep-cifar10"]
    done = subprocess.run(
        [
            *[sys.executable, ROOT / "tests/benchmarks/chain.py"],
            *(ROOT / "reports/studies" / name for name in named),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    written = (ROOT / "reports/studies/README.md").read_text(encoding="utf-8")
    assert done.stdout.strip() in written
