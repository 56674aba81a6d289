"""CONTRIBUTING.md is true: its map, its rule, its paths and its commands."""

from __future__ import annotations

import re
from pathlib import Path

from arithmetic import SEARCHES
from test_imports import LEVEL, RULE

from tuner.algorithms import ALGORITHMS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATHS = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|toml))`", TEXT)))


def test_the_rule_is_the_one_that_is_tested():
    """Word for word."""
    assert RULE in TEXT


def test_the_map_has_every_room():
    """Each folder has its row, and each row its folder."""
    rows = re.findall(r"^\| `([\w/]+)/` \|", TEXT, re.MULTILINE)
    rooms = {row.replace("/", ".") for row in rows} - {"tests"}
    assert rooms | {"tuner", "reports"} == set(LEVEL)


def test_every_path_is_there():
    """A file that was moved or renamed is named as it is now."""
    assert len(PATHS) > 30
    assert [path for path in PATHS if not (ROOT / path).exists()] == []


def test_every_name_is_defined_where_it_is_said_to_be():
    """`NAMES`, in `search_spaces/space.py`: the file has it."""
    places = re.findall(r"`(\w+)`(?:\(\))?,? in\s+`([\w/.]+\.py)`", TEXT)
    places += re.findall(r"`(\w+)`\s+\(`([\w/.]+\.py)`\)", TEXT)
    places += [
        (name[:-2], path)
        for name, path in re.findall(r"`(\w+\(\))` in `([\w/.]+\.py)`", TEXT)
    ]
    assert len(places) >= 8
    missing = [
        (name, path)
        for name, path in places
        if not re.search(
            rf"^(?:class|def) {name}\b|^{name}\b",
            (ROOT / path).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert missing == []


def test_every_command_is_a_target():
    """`make test` and its like."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"make ([\w-]+)", TEXT))
    assert named - targets == set()
    assert len(named) >= 5


def test_every_dependency_names_a_module_that_is_there():
    """The comments in pyproject.toml, beside what they explain."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    comments = [line.partition("#")[2] for line in lines if line.startswith('    "')]
    paths = re.findall(r"(?:tuner|reports|search_spaces)/[\w/.*]*", " ".join(comments))
    assert len(paths) > 10
    assert [path for path in paths if not list(ROOT.glob(path))] == []


def test_every_algorithm_is_searched_by_every_test_and_named_in_the_readme():
    """The lists that are kept by hand beside `ALGORITHMS`."""
    assert {search.algorithm for search in SEARCHES.values()} == set(ALGORITHMS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(r"`--algorithm ([\w\\|]+)`", readme)
    assert set(row[1].split("\\|")) == set(ALGORITHMS)
