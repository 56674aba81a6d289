"""Find the point of a space that is nearest to a config."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from search_spaces.config import CnnConfig
from search_spaces.space import Space, SpaceError
from search_spaces.user_code import Config, UserSpace

if TYPE_CHECKING:
    import keras_tuner as kt


def nearest_point(
    space: Space | UserSpace, declared: kt.HyperParameters, config: Config
) -> dict[str, Any] | None:
    """Return the point whose config is most like another config, active values only.

    A space that starts from a base takes its defaults from it, so its default point
    for this config as the base is one candidate. The other has the config's values
    wherever names are equal.

    Args:
        space: The space.
        declared: Its hyperparameters; every value is made legal for these.
        config: It may be outside of the space.

    Returns:
        The point, or None if the config says nothing about this space.
    """
    flat = config.to_dict()
    given = []
    if isinstance(space, Space) and space.takes_base and isinstance(config, CnnConfig):
        with suppress(SpaceError):  # a space need not accept every config as its base
            given.append(_defaults(space, config))
    if any(h.name in flat for h in declared.space):
        given.append(flat)
    points = [_legal_point(declared, values) for values in given]
    return min(points, key=lambda p: _unlike(space, p, flat), default=None)


def nearest_value(hyperparameter: Any, value: Any) -> Any:
    """Return the legal value of a hyperparameter that is nearest to another value.

    KerasTuner itself raises an error if the default of a `Choice` is not one of its
    values, and accepts any default of an `Int` or a `Float`.
    """
    h = hyperparameter
    kind = type(h).__name__
    if kind not in {"Int", "Float"}:
        options = list(h.values)
        if value in options:
            return options[options.index(value)]
        are_numbers = not isinstance(options[0], str | bool) and _is_number(value)
        return _closest(options, value) if are_numbers else h.default
    if not _is_number(value):
        value = h.default
    if h.step is None:
        inside = min(max(value, h.min_value), h.max_value)
        return round(inside) if kind == "Int" else float(inside)
    # A round trip gives the type and the rounding of KerasTuner's own draws.
    best = _closest([h.prob_to_value(h.value_to_prob(v)) for v in h.values], value)
    # Steps accumulate rounding errors: 0.3 need not become 0.30000000000000004.
    is_equal = kind == "Float" and math.isclose(best, value)
    return float(value) if is_equal else best


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _closest(options: Sequence[Any], value: float) -> Any:
    return min(options, key=lambda option: abs(option - value))


def _legal_point(
    declared: kt.HyperParameters, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a point with the given values, and defaults for missing values."""
    point: dict[str, Any] = {}
    for h in declared.space:
        if all(c.is_active(point) for c in h.conditions):
            point[h.name] = nearest_value(h, given.get(h.name, h.default))
    return point


def _unlike(
    space: Space | UserSpace, point: Mapping[str, Any], flat: Mapping[str, Any]
) -> float:
    """Count the entries of a config that a point's config lacks."""
    try:
        return len(flat.items() - space.config(point).to_dict().items())
    except SpaceError:
        return math.inf


def _defaults(space: Space, base: CnnConfig) -> dict[str, Any]:
    """Return the active defaults of a space that starts from `base`."""
    hp = _Lenient()
    Space(space.name, space.draw, base, path=space.path).sample(
        cast("kt.HyperParameters", hp)
    )
    return hp.values


class _Lenient:
    """KerasTuner's `hp`, with the nearest legal value for a default that is not."""

    def __init__(self) -> None:
        import keras_tuner as kt

        self._hp = kt.HyperParameters()

    @property
    def values(self) -> dict[str, Any]:
        """The active values by name."""
        return dict(self._hp.values)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._hp, name)
        if name not in {"Int", "Float", "Choice"}:
            return method

        def declare(*args: Any, **options: Any) -> Any:
            bound = inspect.signature(method).bind(*args, **options)
            wanted = bound.arguments.pop("default", None)
            before = len(self._hp.space)
            value = method(*bound.args, **bound.kwargs)
            is_new = len(self._hp.space) > before
            if wanted is None or value is None or not is_new:  # None: it is inactive
                return value
            h = self._hp.space[-1]
            self._hp.values[h.name] = nearest_value(h, wanted)
            return self._hp.values[h.name]

        return declare
