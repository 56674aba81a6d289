"""A user's KerasTuner code: a file with `build_model(hp)` or a `HyperModel`.

Only workers run the file; here it is text. Its hyperparameters are known once a worker
has run it (`tuner.training.discovery.discover`).
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from search_spaces.config import BASELINE, CnnConfig

if TYPE_CHECKING:
    import keras_tuner as kt

_NOTHING: Mapping[str, Any] = {"space": [], "values": {}}


@dataclass(frozen=True)
class UserConfig:
    """The hyperparameter values that a user's code is called with.

    Attributes:
        values: Values of the active hyperparameters by name, without `epochs`.
        epochs: Passes over the training images.
    """

    values: Mapping[str, Any]
    epochs: int

    def to_dict(self) -> dict[str, Any]:
        """Return one plain value per hyperparameter."""
        return {**self.values, "epochs": self.epochs}

    def changed(self, values: Mapping[str, Any]) -> UserConfig:
        """Return this config with some values changed.

        Raises:
            ValueError: A name is not one of this config's.
        """
        unknown = sorted(set(values) - set(self.to_dict()))
        if unknown:
            known = ", ".join(self.to_dict())
            raise ValueError(f"Unknown hyperparameters {unknown}. Known: {known}.")
        return UserConfig.from_dict({**self.to_dict(), **values})

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> UserConfig:
        """Read what `to_dict` wrote."""
        values = {name: value for name, value in flat.items() if name != "epochs"}
        return cls(values, int(flat["epochs"]))


Config = CnnConfig | UserConfig


@dataclass(frozen=True)
class UserModel:
    """A user's file, as it is sent to the workers.

    Attributes:
        path: Where the file was read, on the machine of the search.
        code: Its text.
        origin: The original path if `path` is a study's copy; the modules that the
            file imports are next to the original.
        pixels: "unit" for float32 in [0, 1], "raw" for float32 in 0..255.
        has_fit: Whether the code overrides `HyperModel.fit`.
        draws_epochs: Whether that `fit` chooses the epochs itself.
        metrics: Keras's names of the compiled metrics besides accuracy and loss; only
            metrics that are single numbers.
    """

    path: str
    code: str
    origin: str = ""
    pixels: str = "unit"
    has_fit: bool = False
    draws_epochs: bool = False
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class UserSpace:
    """The search space of a user's code, with the interface of `space.Space`.

    Attributes:
        name: The stem of the file's name.
        model: The file.
        base: Its epochs apply to every config without epochs of its own.
        declared: `HyperParameters.get_config` of all hyperparameters of the code, or
            None before a worker has run it.
    """

    name: str
    model: UserModel
    base: CnnConfig = BASELINE
    declared: Mapping[str, Any] | None = None
    brings_epochs: bool = False
    takes_base: bool = False

    @property
    def has_recipe(self) -> bool:
        """Whether it draws the hyperparameters that the recipe sets: no."""
        return False

    @property
    def code(self) -> str:
        """The file's text."""
        return self.model.code

    @property
    def source(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.model.code.encode()).hexdigest()

    def config(self, values: Mapping[str, Any]) -> UserConfig:
        """Return the config for `values`, with defaults for missing values."""
        hp = self.declare()
        hp.values.update(values)
        active = {
            h.name: hp.values.get(h.name, h.default)
            for h in hp.space
            if hp.is_active(h)
        }
        return UserConfig.from_dict({"epochs": self.base.epochs, **active})

    def read(self, flat: Mapping[str, Any]) -> UserConfig:
        """Read what a config's `to_dict` wrote."""
        return UserConfig.from_dict(flat)

    def declare(self, *, tune_epochs: bool = True) -> kt.HyperParameters:
        """List every hyperparameter, each with its conditions.

        Args:
            tune_epochs: False omits `epochs`, as for a `Space`.
        """
        import keras_tuner as kt

        # KerasTuner modifies the config that it reads.
        stored = copy.deepcopy(dict(self.declared or _NOTHING))
        hp = kt.HyperParameters.from_config(stored)
        declared = kt.HyperParameters()
        declared.merge([h for h in hp.space if tune_epochs or h.name != "epochs"])
        return declared

    def to_dict(self) -> dict[str, Any]:
        """Return the result of the discovery, for a record."""
        discovered = {
            "declared": self.declared,
            "has_fit": self.model.has_fit,
            "draws_epochs": self.model.draws_epochs,
        }
        metrics = list(self.model.metrics)  # older studies did not store them
        return {**discovered, "metrics": metrics} if metrics else discovered

    def with_discovery(self, discovered: Mapping[str, Any]) -> UserSpace:
        """Return this space with the result of a discovery, as `to_dict` returns it."""
        model = replace(
            self.model,
            has_fit=discovered["has_fit"],
            draws_epochs=discovered["draws_epochs"],
            metrics=tuple(discovered.get("metrics", ())),
        )
        return replace(self, model=model, declared=discovered["declared"])


def brings_a_model(code: str, path: str) -> bool:
    """Whether a file may define a model itself, instead of `sample(hp)`.

    Args:
        code: The file's text.
        path: The file's path, for the error.

    Raises:
        SyntaxError: The text is not Python.
    """
    tree = ast.parse(code, path)
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    if any(f.name == "sample" for f in functions):
        return False
    return any(_takes_hp(f) for f in functions) or "HyperModel" in code


def _takes_hp(function: ast.FunctionDef) -> bool:
    arguments = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
    return arguments[:1] == ["hp"]
