"""Let a user's file import the modules next to it, as a script can.

For a script, Python puts the script's folder first on the path for all code: a
`random.py` there would replace the standard library's, and a `tuner.py` would replace
ours. Here only the files of that folder see the folder's modules.
"""

from __future__ import annotations

import builtins
import hashlib
import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    BuiltinImporter,
    FrozenImporter,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType
from typing import Any

_ALIAS = "tune_beside_"  # plus a hash of the folder: the package of its modules


def beside(file: Path) -> dict[str, Any]:
    """Return globals with which a user's file finds the modules next to it.

    Args:
        file: The user's file, at its original path.
    """
    return {"__builtins__": _folder(str(file.resolve().parent)).builtins(file)}


def as_written(text: str) -> str:
    """Replace our aliases in a text by the module names that the user's files use."""
    return re.sub(rf"\b{_ALIAS}\w+\.", "", text)


@cache
def _folder(folder: str) -> _Folder:
    finder = _Folder(folder)
    sys.meta_path.insert(0, finder)
    return finder


class _Folder(MetaPathFinder):
    """Finds the modules of a user's folder for the files in it.

    A module whose name is unique keeps its name. A module whose name also exists
    elsewhere is imported as a part of the package `alias`: the folder's files get that
    module when they import the name, and all other code gets the one elsewhere.

    Args:
        folder: The folder's absolute path.
    """

    def __init__(self, folder: str) -> None:
        self.alias = _ALIAS + hashlib.sha256(folder.encode()).hexdigest()[:12]
        self._folder = folder
        self._is_hidden: dict[str, bool] = {}  # by the first part of a name
        self._roots = {self.alias}  # first parts of the names found here

    def builtins(self, file: Path | None = None) -> dict[str, Any]:
        """Return Python's builtins with an import that looks into the folder.

        Args:
            file: A file that runs under another module name, so that an import of its
                stem does not mean itself.
        """
        itself = file.stem if file else ""

        def import_(name: str, *args: Any, **options: Any) -> ModuleType:
            fromlist = options.get("fromlist", args[2] if len(args) > 2 else ())
            level = options.get("level", args[3] if len(args) > 3 else 0)
            root = name.partition(".")[0]
            if level or root == itself or not self._hides(name):
                return builtins.__import__(name, *args, **options)
            module = builtins.__import__(f"{self.alias}.{name}", fromlist=fromlist)
            return module if fromlist else sys.modules[f"{self.alias}.{root}"]

        return {**vars(builtins), "__import__": import_}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a module of the folder."""
        del target
        if fullname == self.alias:
            package = ModuleSpec(fullname, None, is_package=True)
            package.submodule_search_locations = [self._folder]
            return package
        if path is None and self._has(fullname) and not self._is_elsewhere(fullname):
            self._roots.add(fullname)
            path = [self._folder]
        if path is None or fullname.partition(".")[0] not in self._roots:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(fullname, spec.loader.path, self)
        return spec

    def _hides(self, name: str) -> bool:
        """Whether a name is a module of the folder that only its files can see."""
        if not self._has(name):
            return False
        root = name.partition(".")[0]
        if root not in self._is_hidden:
            self._is_hidden[root] = self._is_elsewhere(root)
        return self._is_hidden[root]

    def _has(self, name: str) -> bool:
        """Whether the folder has this module; a namespace package does not count."""
        root = name.partition(".")[0]
        if BuiltinImporter.find_spec(root) or FrozenImporter.find_spec(root):
            return False  # a script cannot replace these modules either
        places: Sequence[str] | None = [self._folder]
        spec = None
        for part in name.split("."):
            spec = PathFinder.find_spec(part, places) if places else None
            if spec is None:
                return False
            places = list(spec.submodule_search_locations or ())
        return spec is not None and spec.origin is not None

    def _is_elsewhere(self, root: str) -> bool:
        """Whether a name exists elsewhere too, so that it is ambiguous."""
        here = PathFinder.find_spec(root, [self._folder])

        def is_other(spec: ModuleSpec | None) -> bool:
            return spec is None or here is None or spec.origin != here.origin

        if root in sys.modules:
            return is_other(getattr(sys.modules[root], "__spec__", None))
        for finder in sys.meta_path:
            if isinstance(finder, _Folder):
                if finder is not self and finder._has(root):  # noqa: SLF001  same class
                    return True
            elif (spec := finder.find_spec(root, None)) and is_other(spec):
                return True
        return False


class _Loader(SourceFileLoader):
    """Loads a module whose imports look into a user's folder first."""

    def __init__(self, fullname: str, path: str, folder: _Folder) -> None:
        super().__init__(fullname, path)
        self._folder = folder

    def exec_module(self, module: ModuleType) -> None:
        """Run the module with an import that looks into the folder."""
        vars(module)["__builtins__"] = self._folder.builtins()
        super().exec_module(module)
