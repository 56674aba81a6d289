"""Load a space by its name or file, and list the hyperparameters it declares."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import random
import runpy
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_spaces.config import BASELINE, CnnConfig
from search_spaces.errors import UsageError, cause
from search_spaces.neighbours import as_written, beside
from search_spaces.user_code import UserModel, UserSpace, brings_a_model

if TYPE_CHECKING:
    import keras_tuner as kt

NAMES = ("architecture", "hyperparams", "combined", "published")
_PROBES = 100  # samples that look for hyperparameters behind an `if`


class SpaceError(UsageError):
    """A space cannot be loaded, or does not work as a space."""


@dataclass(frozen=True)
class Space:
    """What may vary.

    Attributes:
        name: "architecture", or the stem of a user's file.
        draw: `sample(hp, base)`: reads or declares hyperparameters and returns
            the config they mean, starting from `base`.
        base: The config whose values apply to everything the space does not draw.
        source: SHA-256 of a user's file, or None.
        path: The path of that file, or None.
        code: Its text, or None.
        brings_epochs: Whether each config keeps the epochs that the space gave it.
        takes_base: Whether `draw` starts from `base`.
    """

    name: str
    draw: Callable[[kt.HyperParameters, CnnConfig], CnnConfig]
    base: CnnConfig = BASELINE
    source: str | None = None
    path: Path | None = None
    code: str | None = None
    brings_epochs: bool = False
    takes_base: bool = True

    @property
    def has_recipe(self) -> bool:
        """Whether it draws the hyperparameters that the recipe sets."""
        return self.path is None and not self.brings_epochs

    def sample(self, hp: kt.HyperParameters) -> CnnConfig:
        """Return the config of one point; new hyperparameters are declared on `hp`.

        Raises:
            SpaceError: The space's `sample` failed, or returned something else.
        """
        try:
            config = self.draw(hp, self.base)
        except Exception as error:
            raise SpaceError(blame(self.path or self.name, "sample", error)) from error
        if not isinstance(config, CnnConfig):
            raise SpaceError(
                f"sample(hp) of space {self.name} must return a "
                f"search_spaces.config.CnnConfig, got {type(config).__name__}. "
                "Return CnnConfig(...) or dataclasses.replace(base, ...)."
            )
        return config

    def config(self, values: Mapping[str, Any]) -> CnnConfig:
        """Return the config for the values that an algorithm chose.

        If epochs were not among them, those of `base` apply, whatever the space says.
        """
        import keras_tuner as kt

        hp = kt.HyperParameters()
        hp.values = dict(values)
        config = self.sample(hp)
        if "epochs" in values or self.brings_epochs:
            return config
        return replace(config, epochs=self.base.epochs)

    def read(self, flat: Mapping[str, Any]) -> CnnConfig:
        """Read what a config's `to_dict` wrote."""
        return CnnConfig.from_dict(flat)

    def declare(self, *, tune_epochs: bool = True) -> kt.HyperParameters:
        """List every hyperparameter of the space, each with its conditions.

        Args:
            tune_epochs: False leaves `epochs` out: under Hyperband it is the
                fidelity, not a choice.
        """
        import keras_tuner as kt

        hp = kt.HyperParameters()
        self.sample(hp)
        # Hyperparameters behind a plain `if` appear only once its condition is met.
        for probe in range(_PROBES):
            hp.values = _draw(hp, probe)
            self.sample(hp)
        declared = kt.HyperParameters()
        declared.merge([h for h in hp.space if tune_epochs or h.name != "epochs"])
        return declared


def load_space(
    name: str, base: CnnConfig = BASELINE, kept: Path | None = None
) -> Space | UserSpace:
    """Load a space by its name, or from a Python file.

    Args:
        name: One of `NAMES`, or the path of a file with `sample(hp) -> CnnConfig`
            or `sample(hp, base) -> CnnConfig`, or one that builds the network itself
            with `build_model(hp)` or a `keras_tuner.HyperModel`.
        base: The values of everything that the space does not draw.
        kept: A copy of that file to read instead; its imports are still looked up
            beside the file itself.

    Raises:
        SpaceError: There is no such space, or its file cannot be used.
    """
    check_name(str(kept or name))
    if name in NAMES:
        module = importlib.import_module(f"search_spaces.{name}")
        return Space(name, module.sample, base, brings_epochs=name == "published")
    path = kept or Path(name)
    try:
        code = path.read_text(encoding="utf-8")
        if brings_a_model(code, str(path)):
            return UserSpace(Path(name).stem, UserModel(str(path), code, name), base)
        sample = runpy.run_path(str(path), beside(Path(name))).get("sample")
    except Exception as error:
        raise SpaceError(blame(path, "the file", error)) from error
    if not callable(sample):
        raise SpaceError(
            f"{name} must define sample(hp) -> CnnConfig, build_model(hp) -> "
            "keras.Model or a keras_tuner.HyperModel, and it defines none. "
            "See search_spaces/architecture.py for an example."
        )
    takes_base = len(inspect.signature(sample).parameters) > 1
    draw = sample if takes_base else lambda hp, _: sample(hp)
    source = hashlib.sha256(path.read_bytes()).hexdigest()
    stem = Path(name).stem
    return Space(stem, draw, base, source, path, code, takes_base=takes_base)


def check_name(name: str) -> None:
    """Check that a space exists, without running it.

    Raises:
        SpaceError: It is neither one of `NAMES` nor a Python file.
    """
    if name in NAMES or (name.endswith(".py") and Path(name).is_file()):
        return
    if name.endswith(".py"):
        raise SpaceError(f"--space must name a file that exists, got {name!r}.")
    raise SpaceError(
        f"--space must be one of {', '.join(NAMES)}, or a Python file, "
        f"got {name!r}. Write sample(hp) in a file and name that."
    )


def describe(declared: kt.HyperParameters) -> list[dict[str, Any]]:
    """List declared hyperparameters as plain values, one dict each, for a record.

    Each has `name`, `type` ("int", "float", "choice", "boolean", "fixed"),
    `default`, `conditions` (parent name to the values that switch it on), and
    either `min`, `max`, `step`, `sampling` or `values`.
    """
    rows = []
    for h in declared.space:
        config = h.get_config()
        kind = type(h).__name__.lower()
        row = {"name": h.name, "type": kind, "default": h.default}
        if kind in ("int", "float"):
            row |= {"min": config["min_value"], "max": config["max_value"]}
            row |= {"step": config["step"], "sampling": config["sampling"]}
        else:
            row["values"] = list(h.values)
        row["conditions"] = {c.name: list(c.values) for c in h.conditions}
        rows.append(row)
    return rows


def count_points(declared: kt.HyperParameters) -> int | None:
    """Count the distinct points of a space, or None where it is continuous."""
    if any(row.get("step", 0) is None for row in describe(declared)):
        return None
    parents = {c.name for h in declared.space for c in h.conditions}

    def count(rest: list[Any], values: dict[str, Any]) -> int:
        if not rest:
            return 1
        head, *tail = rest
        if not all(c.is_active(values) for c in head.conditions):
            return count(tail, values)
        options = list(head.values)
        if head.name in parents:
            return sum(count(tail, {**values, head.name: v}) for v in options)
        return len(options) * count(tail, values)

    return count(list(declared.space), {})


def enumerate_points(declared: kt.HyperParameters) -> Iterator[dict[str, Any]]:
    """Go through every point of a finite space, active values only."""

    def walk(rest: list[Any], values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not rest:
            yield values
            return
        head, *tail = rest
        if not all(c.is_active(values) for c in head.conditions):
            yield from walk(tail, values)
            return
        for value in head.values:
            yield from walk(tail, {**values, head.name: value})

    yield from walk(list(declared.space), {})


def shuffled_points(
    declared: kt.HyperParameters, seed: int
) -> Iterator[dict[str, Any]]:
    """Go through every point of a finite space in a random order."""
    points = list(enumerate_points(declared))
    random.Random(seed).shuffle(points)  # noqa: S311  an order, no secret
    yield from points


def random_point(declared: kt.HyperParameters, seed: int) -> dict[str, Any]:
    """Draw one point of a declared space, active values only."""
    point: dict[str, Any] = {}
    for number, h in enumerate(declared.space):  # a name may stand there twice
        if all(c.is_active(point) for c in h.conditions):
            point[h.name] = _sample(h, seed, number)
    return point


def _draw(declared: kt.HyperParameters, seed: int) -> dict[str, Any]:
    """Draw every hyperparameter, active or not."""
    return {h.name: _sample(h, seed, number) for number, h in enumerate(declared.space)}


def _sample(hyperparameter: Any, seed: int, number: int) -> Any:
    """Draw one with its own seed; the same seed for all would correlate them."""
    return hyperparameter.random_sample(seed * 1000 + number)


def blame(space: str | Path, what: str, error: BaseException) -> str:
    """Describe what failed in a space, with the line of the user's file."""
    frames = traceback.extract_tb(error.__traceback__)
    in_file = [f for f in frames if f.filename == str(space)]
    line = in_file[-1].lineno if in_file else None
    reason = as_written(cause(error))
    if isinstance(error, SyntaxError) and error.filename == str(space):
        line, reason = error.lineno, error.msg  # it never ran, so it has no frame
    where = f" at line {line}" if line else ""
    return (
        f"Space {space}: {what} must run without an error, but it raised{where}: "
        f"{type(error).__name__}: {reason.rstrip('.')}."
    )
