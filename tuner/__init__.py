"""Run a study: the search loop, the workers, the records and the `tune` command."""

import sys
from importlib.machinery import ModuleSpec, PathFinder

_HERE = __path__[0].removesuffix(__name__)  # where our packages lie side by side


class _Siblings:
    """Finds packages of ours beside this one, whatever comes first on the path.

    A user may have a `reports.py` or a `search_spaces.py` on it.
    """

    names: set[str]

    def __init__(self) -> None:
        self.names = set()

    def find_spec(
        self, name: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """Find one of `names`, or leave it to the other finders."""
        del target
        is_ours = path is None and name in self.names
        return PathFinder.find_spec(name, [_HERE]) if is_ours else None


_siblings = _Siblings()
sys.meta_path.insert(0, _siblings)


def claim(package: str) -> None:
    """Let an import of a package of ours find ours in this process."""
    _siblings.names.add(package)


claim("search_spaces")
