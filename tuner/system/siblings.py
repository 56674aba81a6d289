"""Import our packages from the folder that contains `tuner`, whatever `sys.path` is.

A user's folder on the path may have a `reports.py` or a `search_spaces.py`.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

# No pathlib: with `python -m` the working folder is still first on the path, so only
# modules that Python itself has already loaded are safe to import.
_HERE = __file__.rsplit(os.sep, 3)[0]


class _Siblings:
    """Finds our packages by name, and leaves all other modules to other finders."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Find one of `names`; on a cluster node it may be elsewhere."""
        del target
        is_ours = path is None and name in self.names
        return PathFinder.find_spec(name, [_HERE]) if is_ours else None


_siblings = _Siblings()
sys.meta_path.insert(0, _siblings)


def claim(package: str) -> None:
    """Make imports of `package` in this process find ours."""
    _siblings.names.add(package)
