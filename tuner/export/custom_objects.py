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

import numpy as np

from search_spaces.neighbours import as_written
from tuner.study.folder import StudyError
from tuner.training.user_models import MODULE

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
        """Write what imports them, in Python.

        Args:
            file: The user's, beside the modules that it imports.
            kept: The same as it was searched.
        """
        if not self.homes:
            return []
        by_module: dict[str, list[str]] = {}
        for name, module in self.homes.items():
            by_module.setdefault(module.__name__, []).append(name)
        folders = dict.fromkeys(str(p.resolve().parent) for p in (kept, file))
        lines = ["import sys", "", f"sys.path[:0] = {list(folders)}"]
        for module_name, names in sorted(by_module.items()):
            found = kept.stem if module_name == MODULE else as_written(module_name)
            lines.append(f"from {found} import {', '.join(names)}")
        return lines


def needs(path: Path, saved: Any) -> Needs:
    """Find out what a file needs, and see that it can be loaded and used with that.

    Args:
        path: A `.keras` file.
        saved: The network in it, a `keras.Model` that this process built.

    Raises:
        StudyError: It cannot be loaded, or predicts something else then.
    """
    import keras

    with zipfile.ZipFile(path) as file:
        objects = list(_objects(json.loads(file.read("config.json"))))
    own = [_named(found) for found in objects if _is_own(found)]
    homes = {name: _home(name, module, saved) for name, module in sorted(own)}
    found = Needs(homes, any(each["class_name"] == _LAMBDA for each in objects))
    given = {name: getattr(module, name) for name, module in homes.items()}
    pixels = np.random.default_rng(0).integers(0, 256, (2, *saved.input_shape[1:]))
    try:
        loaded = keras.saving.load_model(path, given, safe_mode=not found.has_lambdas)
        before, after = (m.predict(pixels, verbose=0) for m in (saved, loaded))
    except Exception as error:
        raise StudyError(refusal(error)) from error
    if not np.allclose(before, after, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise StudyError(
            "A stored network must predict as it did, and loaded again this one does "
            f"not. One of {', '.join(homes) or 'its parts'} is stored by a name that "
            "several things have: give it a name of its own, or take the network out "
            "with --script."
        )
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


def _named(found: Mapping[str, Any]) -> tuple[str, str]:
    """Give the name of a class or a function, and its module's as far as is known."""
    import keras

    is_function = found["class_name"] == "function"
    name: str = found["config"] if is_function else found["class_name"]
    registered = keras.saving.get_registered_object(
        name if is_function else found.get("registered_name") or name
    )
    if registered is not None:  # by another name perhaps
        return registered.__name__, registered.__module__
    return name.rpartition(">")[2], found["module"]


def _home(name: str, module: str, saved: Any) -> ModuleType:
    """Find the module that has it, which Keras does not store of a function.

    Raises:
        StudyError: None has it by that name.
    """
    known = [sys.modules.get(module), sys.modules[MODULE]]
    if module == "builtins":
        used = [f for f in _parts(saved) if getattr(f, "__name__", None) == name]
        known = [sys.modules.get(getattr(f, "__module__", "")) for f in used]
        nearby = filter(inspect.ismodule, vars(sys.modules[MODULE]).values())
        known += [sys.modules[MODULE], *nearby]
    for home in known:
        if home is not None and hasattr(home, name):
            return home
    raise StudyError(
        f"What a network is made of must have a name at the top of its file, and "
        f"{name} has none. Move it there, or take the network out with --script."
    )


def _parts(model: Any) -> Iterator[Any]:
    """Go through what the layers of a network hold."""
    for layer in model.layers:
        yield from vars(layer).values()
        if hasattr(layer, "layers"):
            yield from _parts(layer)
