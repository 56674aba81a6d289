"""Load Keras and KerasTuner without the optional packages that nothing here uses.

Keras loads scikit-learn for its wrappers and Matplotlib for its galleries if they are
installed, which takes each process a second on a busy machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

from tuner.system import patches

_OPTIONAL = ("sklearn", "matplotlib")
_PARTLY_LOADED = {"keras", "keras_tuner"}  # if loading one of them fails


def load_keras(*, with_extras: bool = False) -> None:
    """Load Keras with the backend that the user has chosen.

    Args:
        with_extras: Load its wrappers and galleries too, because a user's code may
            use any part of Keras.
    """
    with _hidden(with_extras=with_extras):
        import keras  # noqa: F401


def load_keras_tuner(*, with_extras: bool = False) -> None:
    """Load KerasTuner, and Keras without a tensor library, which proposals do not need.

    This saves two seconds and half a gigabyte in a process that trains nothing. Child
    processes get the unchanged environment.

    Args:
        with_extras: Load the parts of scikit-learn that it uses too.
    """
    is_loaded = "keras" in sys.modules or not patches.are_on()
    if not is_loaded and not _load_without_tensors(with_extras=with_extras):
        load_keras(with_extras=with_extras)
    with _hidden(with_extras=with_extras):
        import keras_tuner  # noqa: F401


def _load_without_tensors(*, with_extras: bool) -> bool:
    """Load KerasTuner on Keras's NumPy backend; return whether that succeeded.

    That backend imports JAX for operations that are not called here, and most users do
    not have JAX.
    """
    backend = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    jax = _module("jax", lax=None, monitoring=_module("jax.monitoring"))
    fourier = _module("keras.src.backend.jax.math", fft=None, fft2=None)
    try:
        modules = {module.__name__: module for module in (jax, fourier)}
        with _replaced(modules), _hidden(with_extras=with_extras):
            import keras_tuner  # noqa: F401
    except patches.MISSING as error:  # a Keras release changed this
        patches.leave_out(patches.LOADING, error)
        for name in [n for n in sys.modules if n.partition(".")[0] in _PARTLY_LOADED]:
            del sys.modules[name]
        return False
    else:
        return True
    finally:
        if backend is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = backend


def _module(name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(attributes)
    return module


def _hidden(*, with_extras: bool) -> AbstractContextManager[None]:
    """Hide optional packages while Keras loads."""
    hides_nothing = with_extras or not patches.are_on()
    return _replaced({} if hides_nothing else dict.fromkeys(_OPTIONAL))


@contextmanager
def _replaced(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Make imports use these modules, unless loaded already; None hides a module."""
    added = {name: m for name, m in modules.items() if name not in sys.modules}
    sys.modules.update(added)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)
