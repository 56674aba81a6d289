"""Promise of the list of algorithms: nothing outside their room names one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tuner.algorithms import ALGORITHMS

ROOT = Path(__file__).parents[2]
HOME = ROOT / "tuner" / "algorithms"


def _names_in(code):
    """List the strings of a file that are an algorithm's name, by line."""
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and node.value in ALGORITHMS
    ]


@pytest.mark.parametrize("package", ["search_spaces", "tuner", "reports"])
def test_nothing_outside_their_room_names_an_algorithm(package):
    """A name is compared with nowhere else: whoever must know asks the algorithm."""
    found = {
        path.relative_to(ROOT): names
        for path in (ROOT / package).rglob("*.py")
        if HOME not in path.parents and (names := _names_in(path.read_text("utf-8")))
    }
    assert found == {}


def test_this_test_can_fail():
    """It sees a name wherever it stands: compared, in a table, as a default."""
    code = "a == 'hyperband'\nb = {'grid': 1}\ndef f(c='random'): 'bayesian search'"
    assert _names_in(code) == [(1, "hyperband"), (2, "grid"), (3, "random")]
