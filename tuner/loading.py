"""Load Keras and KerasTuner without what nobody here uses of them.

Keras loads scikit-learn for its wrappers and Matplotlib for its galleries where they
are installed: a second of every process, on a busy machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_BY_THE_WAY = ("sklearn", "matplotlib")
_LOADED = {"keras", "keras_tuner"}


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Let packages that are not loaded yet be missing for a while."""
    missing: dict[str, ModuleType | None] = dict.fromkeys(names)
    with _in_place(missing):
        yield


def load_keras() -> None:
    """Load Keras with the backend that the user has chosen."""
    with hidden(*_BY_THE_WAY):
        import keras  # noqa: F401


def load_keras_tuner() -> None:
    """Load KerasTuner, and Keras without tensors: proposing takes none.

    That is two seconds and half a gigabyte of a process that trains nothing. What it
    starts has the environment as it was.
    """
    if "keras" not in sys.modules and not _load_without_tensors():
        load_keras()
    with hidden(*_BY_THE_WAY):
        import keras_tuner  # noqa: F401


def _load_without_tensors() -> bool:
    """Load KerasTuner on Keras's NumPy backend, and say whether that went well.

    That backend loads JAX for operations that are not called here; few have JAX.
    """
    given = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    jax = _module("jax", lax=None, monitoring=_module("jax.monitoring"))
    fourier = _module("keras.src.backend.jax.math", fft=None, fft2=None)
    try:
        with _in_place({m.__name__: m for m in (jax, fourier)}), hidden(*_BY_THE_WAY):
            import keras_tuner  # noqa: F401
    except (ImportError, AttributeError):  # another Keras has this in another way
        for name in [n for n in sys.modules if n.partition(".")[0] in _LOADED]:
            del sys.modules[name]
        return False
    else:
        return True
    finally:
        if given is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = given


def _module(name: str, **holds: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(holds)
    return made


@contextmanager
def _in_place(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """Let imports find these, unless they are loaded; none means that it is missing."""
    put = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(put)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in put:
            sys.modules.pop(name, None)
