"""Load Keras and KerasTuner without what nobody here uses of them.

Keras loads scikit-learn for its wrappers and Matplotlib for its galleries where they
are installed: a second of every process, on a busy machine.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType

from tuner.system import patches

_BY_THE_WAY = ("sklearn", "matplotlib")
_HALF_LOADED = {"keras", "keras_tuner"}  # where one of them fails


def load_keras(*, whole: bool = False) -> None:
    """Load Keras with the backend that the user has chosen.

    Args:
        whole: With its wrappers and galleries: a user's own code may use any of it.
    """
    with _hidden(whole=whole):
        import keras  # noqa: F401


def load_keras_tuner(*, whole: bool = False) -> None:
    """Load KerasTuner, and Keras without tensors: proposing takes none.

    That is two seconds and half a gigabyte of a process that trains nothing. What it
    starts has the environment as it was.

    Args:
        whole: With all that it uses of scikit-learn, as for `load_keras`.
    """
    is_loaded = "keras" in sys.modules or not patches.are_on()
    if not is_loaded and not _load_without_tensors(whole=whole):
        load_keras(whole=whole)
    with _hidden(whole=whole):
        import keras_tuner  # noqa: F401


def _load_without_tensors(*, whole: bool) -> bool:
    """Load KerasTuner on Keras's NumPy backend, and say whether that went well.

    That backend loads JAX for operations that are not called here; few have JAX.
    """
    given = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    jax = _module("jax", lax=None, monitoring=_module("jax.monitoring"))
    fourier = _module("keras.src.backend.jax.math", fft=None, fft2=None)
    try:
        with _in_place({m.__name__: m for m in (jax, fourier)}), _hidden(whole=whole):
            import keras_tuner  # noqa: F401
    except patches.MISSING as error:  # another Keras has this in another way
        patches.leave_out(patches.LOADING, error)
        for name in [n for n in sys.modules if n.partition(".")[0] in _HALF_LOADED]:
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


def _hidden(*, whole: bool) -> AbstractContextManager[None]:
    """Let what is loaded by the way be missing for a while."""
    is_plain = whole or not patches.are_on()
    return _in_place({} if is_plain else dict.fromkeys(_BY_THE_WAY))


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
