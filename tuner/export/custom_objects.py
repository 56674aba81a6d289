"""Find what loading a user's stored model needs: objects that Keras does not know."""

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

_LAMBDA = "__lambda__"  # Keras's class name for a function without a name


@dataclass(frozen=True)
class Needs:
    """What loading a `.keras` file needs.

    Attributes:
        modules: The module of each of the user's classes and functions, by name.
        has_lambdas: Whether the file contains functions without a name, which Keras
            loads only with `safe_mode=False`.
    """

    modules: Mapping[str, ModuleType]
    has_lambdas: bool

    @property
    def options(self) -> str:
        """Further arguments for `load_model`, as Python code."""
        names = ", ".join(f"{name!r}: {name}" for name in self.modules)
        objects = f", custom_objects={{{names}}}" if names else ""
        return objects + ", safe_mode=False" * self.has_lambdas

    def imports(self, file: Path, kept: Path) -> list[str]:
        """Return the Python lines that import the user's objects.

        Args:
            file: The user's file, beside the modules that it imports.
            kept: The file as it was searched: the study's copy, if there is one.
        """
        if not self.modules:
            return []
        by_module: dict[str, list[str]] = {}
        for name, module in self.modules.items():
            by_module.setdefault(module.__name__, []).append(name)
        folders = dict.fromkeys(str(p.resolve().parent) for p in (kept, file))
        lines = ["import sys", "", f"sys.path[:0] = {list(folders)}"]
        for module_name, names in sorted(by_module.items()):
            found = kept.stem if module_name == MODULE else as_written(module_name)
            lines.append(f"from {found} import {', '.join(names)}")
        return lines


def check_needs(path: Path, saved: Any) -> Needs:
    """Find what loading a file needs, and check that it then predicts the same.

    Args:
        path: A `.keras` file.
        saved: The `keras.Model` that this process saved in it.

    Raises:
        StudyError: The file cannot be loaded, or predicts something else.
    """
    import keras

    with zipfile.ZipFile(path) as file:
        objects = list(_objects(json.loads(file.read("config.json"))))
    names = [_name_and_module(entry) for entry in objects if not _is_keras(entry)]
    modules = {name: _module_of(name, module, saved) for name, module in sorted(names)}
    needs = Needs(modules, any(entry["class_name"] == _LAMBDA for entry in objects))
    custom = {name: getattr(module, name) for name, module in modules.items()}
    pixels = np.random.default_rng(0).integers(0, 256, (2, *saved.input_shape[1:]))
    try:
        loaded = keras.saving.load_model(path, custom, safe_mode=not needs.has_lambdas)
        before, after = (m.predict(pixels, verbose=0) for m in (saved, loaded))
    except Exception as error:
        raise StudyError(cannot_store(error)) from error
    if not np.allclose(before, after, rtol=1e-3, atol=1e-5, equal_nan=True):
        raise StudyError(
            "A stored model must predict the same once loaded, but this one does not. "
            f"One of {', '.join(modules) or 'its parts'} is stored by a name that "
            "several objects share. Give it a unique name, or export with --script."
        )
    return needs


def cannot_store(error: Exception) -> str:
    """Return the message for a model that Keras cannot store or load."""
    reason = (str(error).strip() or "no reason given").splitlines()[-1][:200]
    return (
        f"Keras cannot store and load this model: {type(error).__name__}: "
        f"{reason.rstrip('.')}. Give your own layers a get_config and your lambdas a "
        "name, or export with --script."
    )


def _objects(config: Any) -> Iterator[Mapping[str, Any]]:
    """Iterate over all objects that a config describes."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _objects(part)


def _is_keras(entry: Mapping[str, Any]) -> bool:
    """Whether an object is one that Keras loads by itself."""
    module = entry.get("module") or "keras"
    if module == "builtins":
        return bool(entry["class_name"] != "function")
    return module.partition(".")[0] == "keras"


def _name_and_module(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of a class or function, and its module as far as Keras says."""
    import keras

    is_function = entry["class_name"] == "function"
    name: str = entry["config"] if is_function else entry["class_name"]
    registered = keras.saving.get_registered_object(
        name if is_function else entry.get("registered_name") or name
    )
    if registered is not None:  # perhaps under another name
        return registered.__name__, registered.__module__
    return name.rpartition(">")[2], entry["module"]


def _module_of(name: str, module: str, saved: Any) -> ModuleType:
    """Find the module of an object; Keras does not store that of a function.

    Raises:
        StudyError: No module has an object with that name.
    """
    candidates = [sys.modules.get(module), sys.modules[MODULE]]
    if module == "builtins":
        used = [f for f in _parts(saved) if getattr(f, "__name__", None) == name]
        candidates = [sys.modules.get(getattr(f, "__module__", "")) for f in used]
        nearby = filter(inspect.ismodule, vars(sys.modules[MODULE]).values())
        candidates += [sys.modules[MODULE], *nearby]
    for candidate in candidates:
        if candidate is not None and hasattr(candidate, name):
            return candidate
    raise StudyError(
        "A model's classes and functions must be defined at the top level of a file, "
        f"but {name} is not. Move it there, or export with --script."
    )


def _parts(model: Any) -> Iterator[Any]:
    """Iterate over the attributes of all layers of a model."""
    for layer in model.layers:
        yield from vars(layer).values()
        if hasattr(layer, "layers"):
            yield from _parts(layer)
