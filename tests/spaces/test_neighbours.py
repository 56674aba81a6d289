"""Promises to a user's files: they see what lies beside them, and nobody else does."""

from __future__ import annotations

import random
import sys

import pytest

import tuner
from search_spaces.config import BASELINE
from search_spaces.neighbours import as_written
from search_spaces.space import SpaceError, load_space


def _width(tmp_path, *lines, name="mine.py"):
    """Give the width that a space file's own lines choose."""
    path = tmp_path / name
    code = [
        *lines,
        "from dataclasses import replace",
        "def sample(hp, base):",
        "    return replace(base, filters=(width(),))",
    ]
    path.write_text("\n".join(code), encoding="utf-8")
    return load_space(str(path)).config({}).filters[0]


def _write(tmp_path, name, *lines):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["tuner", "reports", "search_spaces", "random", "queue", "json", "beside_only"],
)
def test_a_neighbour_is_what_a_file_imports_whatever_else_has_its_name(tmp_path, name):
    """A module or a package, at the top or within a function; ours stays ours."""
    _write(tmp_path, f"{name}.py", "def width(): return 24")
    before = sys.modules.get(name)
    assert _width(tmp_path, f"from {name} import width") == 24
    folder = tmp_path / "other"
    folder.mkdir()
    _write(folder, f"{name}/__init__.py", "from .wide import width")
    _write(folder, f"{name}/wide.py", "def width(): return 40")
    lines = ["def width():", f"    import {name}.wide", f"    return {name}.width()"]
    assert _width(folder, *lines) == 40
    lines = [f"import {name}.wide as wide", "width = wide.width"]
    assert _width(folder, *lines) == 40
    if before is not None:
        assert sys.modules[name] is before
        __import__(name)
        assert not sys.modules[name].__file__.startswith(str(tmp_path))


def test_neighbours_of_neighbours_are_found(tmp_path):
    """A helper's `import tuner` means what the space file's would."""
    _write(tmp_path, "helpers_here.py", "from tuner import width")
    _write(tmp_path, "tuner.py", "from random import width")
    _write(tmp_path, "random.py", "def width(): return 16")
    assert _width(tmp_path, "from helpers_here import width") == 16
    assert hasattr(random, "shuffle")
    assert tuner.__path__


def test_a_folder_that_is_no_package_gives_its_modules(tmp_path):
    """Its name alone is still ours."""
    _write(tmp_path, "tuner/wide.py", "def width(): return 56")
    _write(tmp_path, "search_spaces/mine.py", "raise SystemExit")
    lines = [
        "from search_spaces.config import BASELINE",
        "from tuner.wide import width as w",
        "import tuner",
        "def width(): return w() + BASELINE.filters[0] * hasattr(tuner, 'siblings')",
    ]
    assert _width(tmp_path, *lines) == 56 + BASELINE.filters[0]


@pytest.mark.parametrize("name", ["search_spaces.py", "tuner.py", "reports.py"])
def test_a_space_file_may_be_named_as_ours(tmp_path, name):
    """And import what is documented of ours."""
    lines = [
        "from search_spaces.config import CnnConfig",
        "def width(): return CnnConfig(filters=(8,)).filters[0]",
    ]
    assert _width(tmp_path, *lines, name=name) == 8


def test_two_folders_have_helpers_of_one_name(tmp_path):
    """Each file gets its own."""
    for width in (8, 16):
        folder = tmp_path / str(width)
        folder.mkdir()
        _write(folder, "helpers_twice.py", f"def width(): return {width}")
        assert _width(folder, "from helpers_twice import width") == width


def test_what_no_neighbour_has_is_refused_as_python_does(tmp_path):
    """With the line of the user's file."""
    _write(tmp_path, "tuner.py", "")
    with pytest.raises(SpaceError, match=r"at line 1: ImportError: .* from 'tuner'"):
        _width(tmp_path, "from tuner import width")


def test_an_alias_is_written_as_the_user_writes_it(tmp_path):
    """Exports import by the name that a plain script can."""
    _write(tmp_path, "tuner.py", "class Wide: pass", "def width(): return 8")
    _width(tmp_path, "from tuner import Wide, width")
    (alias,) = [
        m for m, at in sys.modules.items() if getattr(at, "Wide", None) and "." in m
    ]
    assert as_written(alias) == "tuner"
    assert as_written("my.module") == "my.module"
