"""Packages of ours, found beside `tuner` whatever comes first on the path.

A user may have a `reports.py` or a `search_spaces.py` on it.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

# Without pathlib: under `python -m` the working folder is still first on the path, and
# only what Python has loaded by itself is safe.
_HERE = __file__.rsplit(os.sep, 3)[0]


class _Siblings:
    """Finds packages by their names, and leaves all else to the other finders."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Find one of `names`; on a cluster node it need not lie here."""
        del target
        is_ours = path is None and name in self.names
        return PathFinder.find_spec(name, [_HERE]) if is_ours else None


_siblings = _Siblings()
sys.meta_path.insert(0, _siblings)


def claim(package: str) -> None:
    """Let an import of a package of ours find ours in this process."""
    _siblings.names.add(package)
