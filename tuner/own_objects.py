"""What loads a stored network of a user's own: names that Keras alone does not know."""

from __future__ import annotations

import inspect
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.own_models import MODULE
from tuner.study import StudyError

_LAMBDA = "__lambda__"  # Keras's class of a function without a name


@dataclass(frozen=True)
class Needs:
    """What a `.keras` file is loaded with.

    Attributes:
        homes: The user's classes and functions in it by name, and the module of each.
        has_lambdas: Whether it holds functions without a name, which Keras runs only
            where it is told to.
    """

    homes: Mapping[str, ModuleType]
    has_lambdas: bool

    @property
    def options(self) -> str:
        """What `load_model` is given besides the file, as Python."""
        names = ", ".join(f"{name!r}: {name}" for name in self.homes)
        objects = f", custom_objects={{{names}}}" if names else ""
        return objects + ", safe_mode=False" * self.has_lambdas

    def imports(self, file: Path, kept: Path) -> list[str]:
        """Write a line of Python a module.

        Args:
            file: The user's.
            kept: The same as it was searched.
        """
        by_module: dict[str, list[str]] = {}
        for name, module in self.homes.items():
            by_module.setdefault(module.__name__, []).append(name)
        lines = []
        for module_name, names in sorted(by_module.items()):
            found, note = module_name, ""
            if module_name == MODULE:
                found = file.stem if file.stem.isidentifier() else kept.stem
                note = f"  # as it was searched: {kept}"
            lines.append(f"from {found} import {', '.join(names)}{note}")
        return lines


def needs(path: Path) -> Needs:
    """Find out what a file needs, and see that it can be loaded with that.

    Args:
        path: A `.keras` file of a network that this process built.

    Raises:
        StudyError: It cannot be loaded.
    """
    import keras

    with zipfile.ZipFile(path) as file:
        objects = list(_objects(json.loads(file.read("config.json"))))
    named = {_name(found): found for found in objects if _is_own(found)}
    homes = {name: _home(name, named[name]["module"]) for name in sorted(named)}
    found = Needs(homes, any(each["class_name"] == _LAMBDA for each in objects))
    given = {name: getattr(module, name) for name, module in homes.items()}
    try:
        keras.saving.load_model(path, given, safe_mode=not found.has_lambdas)
    except Exception as error:
        raise StudyError(refusal(error)) from error
    return found


def refusal(error: Exception) -> str:
    """Say that Keras cannot store a network, or not load it again."""
    said = (str(error).strip() or "no reason given").splitlines()[-1][:200]
    return (
        "Keras must be able to store and load a network, and this one it cannot: "
        f"{type(error).__name__}: {said.rstrip('.')}. Give its own layers get_config "
        "and its lambdas a name, or take the network out with --script."
    )


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """Go through all that a config describes."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _objects(part)


def _is_own(found: Mapping[str, Any]) -> bool:
    module = found.get("module") or "keras"
    if module == "builtins":
        return bool(found["class_name"] == "function")
    return module.partition(".")[0] != "keras"


def _name(found: Mapping[str, Any]) -> str:
    """Give a class's name, or a function's, without that of a registered package."""
    is_function = found["class_name"] == "function"
    name: str = found["config"] if is_function else found["class_name"]
    return name.rpartition(">")[2]


def _home(name: str, module: str) -> ModuleType:
    """Find the module that has it, which Keras does not store of a function.

    Raises:
        StudyError: None has it by that name.
    """
    own = sys.modules[MODULE]
    nearby = filter(inspect.ismodule, vars(own).values())
    known = [own, *nearby] if module == "builtins" else [sys.modules.get(module, own)]
    for home in known:
        if hasattr(home, name):
            return home
    raise StudyError(
        f"What a network is made of must have a name at the top of its file, and "
        f"{name} has none. Move it there, or take the network out with --script."
    )
