"""What a user's file imports from the folder that it lies in, as a script does.

There Python would put the folder first for everybody: a `random.py` in it would stand
for the standard library's, and a `tuner.py` for ours. Here only the files of that
folder see it.
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

_ALIAS = "tune_beside_"  # and a hash of the folder: a package that stands for it


def beside(file: Path) -> dict[str, Any]:
    """Give the globals that a user's file runs with, so that it finds its neighbours.

    Args:
        file: The user's, where it lay when it was written.
    """
    return {"__builtins__": _folder(str(file.resolve().parent)).builtins(file)}


def as_written(text: str) -> str:
    """Name modules as a user's files import them, in an error or a module's name."""
    return re.sub(rf"\b{_ALIAS}\w+\.", "", text)


@cache
def _folder(folder: str) -> _Folder:
    finder = _Folder(folder)
    sys.meta_path.insert(0, finder)
    return finder


class _Folder(MetaPathFinder):
    """Finds the modules of a user's folder, for the files in it.

    A name that nothing else has is that module's, as ever. One that something else
    has too is a part of the package `alias`: the folder's files are given that where
    they ask for the name, and everybody else what they would be given without.

    Args:
        folder: Absolute.
    """

    def __init__(self, folder: str) -> None:
        self.alias = _ALIAS + hashlib.sha256(folder.encode()).hexdigest()[:12]
        self._folder = folder
        self._is_hidden: dict[str, bool] = {}  # by the first part of a name
        self._roots = {self.alias}  # of the modules that this has found

    def builtins(self, file: Path | None = None) -> dict[str, Any]:
        """Give Python's builtins with an import that looks into the folder.

        Args:
            file: One that is run by another name; an import of its own is not meant.
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
        """Whether a name means a module of the folder that only its files can see."""
        if not self._has(name):
            return False
        root = name.partition(".")[0]
        if root not in self._is_hidden:
            self._is_hidden[root] = self._is_elsewhere(root)
        return self._is_hidden[root]

    def _has(self, name: str) -> bool:
        """Whether the folder has a module; a folder without `__init__.py` is none."""
        root = name.partition(".")[0]
        if BuiltinImporter.find_spec(root) or FrozenImporter.find_spec(root):
            return False  # a script's neighbour does not stand for these either
        places: Sequence[str] | None = [self._folder]
        spec = None
        for part in name.split("."):
            spec = PathFinder.find_spec(part, places) if places else None
            if spec is None:
                return False
            places = list(spec.submodule_search_locations or ())
        return spec is not None and spec.origin is not None

    def _is_elsewhere(self, root: str) -> bool:
        """Whether a name would mean something else without the folder."""
        here = PathFinder.find_spec(root, [self._folder])

        def is_other(spec: ModuleSpec | None) -> bool:
            return spec is None or here is None or spec.origin != here.origin

        if root in sys.modules:
            return is_other(getattr(sys.modules[root], "__spec__", None))
        for finder in sys.meta_path:
            if isinstance(finder, _Folder):
                if finder is not self and finder._has(root):  # noqa: SLF001  its own
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
        """Run the module."""
        vars(module)["__builtins__"] = self._folder.builtins()
        super().exec_module(module)
