"""CnnConfig: the value of every hyperparameter of one network.

Nothing here needs Keras, so that a config can be checked, counted and compared
in the driver, in a report or in a test without loading a framework.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search_spaces.fields import (
    MAX_LAYERS,
    Sizes,
    choice,
    flag,
    hyperparameters,
    number,
    sizes,
    whole,
)

PADDINGS = ("valid", "same")
POOLINGS = ("none", "max", "average")
POOLED = {"pooling": POOLINGS[1:]}  # what only a network with pooling has
NORMALIZED = {"batch_norm": (True,)}
ACTIVATIONS = ("relu", "gelu", "silu")
HEADS = ("flatten", "average", "max")
OPTIMIZERS = ("adam", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "one_cycle")


@dataclass(frozen=True)
class CnnConfig:
    """One network and how it is trained; the defaults are the baseline.

    Each field defines its default, its range and when it applies, with a helper from
    `search_spaces.fields`. A default never changes: seeds leave the baseline's values
    out, and a stored config that lacks a field has its default.

    Attributes:
        filters: Filters of each convolution, first to last; its length is the
            depth.
        kernel_size: Height and width of every convolution, in pixels.
        padding: "valid" shrinks the image by `kernel_size - 1`; "same" keeps it.
        activation: After every convolution and hidden dense layer: "relu", "gelu" or
            "silu".
        batch_norm: Batch normalization between each convolution and its activation.
        batch_norm_momentum: Weight of the past in batch normalization's moving
            statistics; a short training needs a small one. Absent from `to_dict`
            without batch normalization.
        pooling: "none", "max" or "average".
        pool_size: Height, width and stride of a pooling, in pixels. Absent from
            `to_dict` without pooling.
        pool_every: Convolutions of a stage: each stage has one pooling. Absent from
            `to_dict` without pooling.
        pool_first: Whether a stage pools directly behind its first convolution, which
            makes the others cheaper, instead of at its end. Absent from `to_dict`
            without pooling.
        head: How the last feature map becomes a row of values: "flatten", or each
            filter's "average" or "max" over all pixels.
        units: Units of each hidden dense layer, first to last.
        outputs: Units of the output layer, or None for one a class. More than
            there are classes can never be right; a published experiment had it.
        dropout: Share of the inputs of every dense layer, the output layer
            included, that is dropped in training.
        flip: Whether half of the training images are mirrored, left to right.
        shift: Each training image moves by up to this share of its height and width,
            in whole pixels; its border is reflected.
        label_smoothing: Share of each label that is spread over all classes in
            training. Losses are measured without it.
        optimizer: "adam", "rmsprop", or "sgd" with Nesterov momentum 0.9.
        learning_rate: Learning rate, or the highest one of the schedule.
        schedule: "constant"; "cosine" falls to zero at the last step; "one_cycle"
            rises from a fifth of it over the first fifth of the steps, then falls.
        weight_decay: Decoupled weight decay (AdamW's).
        batch_size: Images a step.
        epochs: Passes over the training images.

    Raises:
        ValueError: A value is outside its legal range.
    """

    filters: tuple[int, ...] = sizes(
        (32,), 1, 1024, count="conv_layers", fewest=1, architecture=True, short="{}"
    )
    kernel_size: int = whole(3, 1, 11, architecture=True, short="k{}")
    padding: str = choice("valid", PADDINGS, architecture=True, short={"same": "same"})
    activation: str = choice(
        "relu", ACTIVATIONS, architecture=True, short="{}", unshown=["relu"]
    )
    batch_norm: bool = flag(False, architecture=True, short="bn")
    batch_norm_momentum: float = number(
        0.99, 0.0, 0.9999, only_if=NORMALIZED, architecture=True, short=""
    )
    pooling: str = choice(
        "none",
        POOLINGS,
        architecture=True,
        short={
            "max": "max{c.pool_size}/{c.pool_every}",
            "average": "avg{c.pool_size}/{c.pool_every}",
        },
    )
    pool_size: int = whole(2, 2, 8, only_if=POOLED, architecture=True, short="")
    pool_every: int = whole(1, 1, 16, only_if=POOLED, architecture=True, short="")
    pool_first: bool = flag(False, only_if=POOLED, architecture=True, short="early")
    head: str = choice(
        "flatten", HEADS, architecture=True, short={"average": "gap", "max": "gmp"}
    )
    units: tuple[int, ...] = sizes(
        (128,), 1, 8192, count="dense_layers", architecture=True, short="fc {}"
    )
    outputs: int | None = whole(None, 2, 65_536, architecture=True, short="out {}")
    dropout: float = number(0.0, 0.0, 0.95, short="drop{:.1f}", unshown=[0.0])
    flip: bool = flag(False, short="flip")
    shift: float = number(0.0, 0.0, 0.5, short="shift{:.0%}", unshown=[0.0])
    label_smoothing: float = number(0.0, 0.0, 0.9, short="ls{:g}", unshown=[0.0])
    optimizer: str = choice("adam", OPTIMIZERS, short="{}")
    learning_rate: float = number(0.001, 1e-7, 10.0, short="lr{:.2g}")
    schedule: str = choice(
        "constant", SCHEDULES, short={"cosine": "cosine", "one_cycle": "one-cycle"}
    )
    weight_decay: float = number(0.0, 0.0, 1.0, short="wd{:g}", unshown=[0.0])
    batch_size: int = whole(32, 1, 65_536, short="b{}")
    epochs: int = whole(5, 1, 100_000, short="{}ep")

    def __post_init__(self) -> None:
        for name, hyperparameter in hyperparameters(self).items():
            value = hyperparameter.checked(name, getattr(self, name))
            object.__setattr__(self, name, value)

    @property
    def pooled(self) -> bool:
        """Whether the network has pooling."""
        return self.pooling != "none"

    @property
    def is_scheduled(self) -> bool:
        """Whether the learning rate depends on the number of epochs.

        Then a short training is no beginning of a longer one.
        """
        return is_scheduled(vars(self))

    def is_feasible(self, input_shape: tuple[int, int, int]) -> bool:
        """Whether this network exists for images of `input_shape`.

        Args:
            input_shape: Height, width and channels of one image.

        Returns:
            False where a convolution or pooling would leave nothing, or where
            pooling is asked for and none would ever happen.
        """
        from search_spaces.layers import infeasibility

        return infeasibility(self, input_shape) is None

    def to_dict(self) -> dict[str, Any]:
        """Flatten to one plain value a hyperparameter, active ones only.

        The names are the search space's and the report's: `filters=(32, 64)`
        becomes `conv_layers=2, filters_1=32, filters_2=64`.
        """
        flat: dict[str, Any] = {}
        for name, hyperparameter in hyperparameters(self).items():
            if hyperparameter.applies(vars(self)):
                flat |= hyperparameter.flat(name, getattr(self, name))
        return flat

    def changed(self, values: Mapping[str, Any]) -> CnnConfig:
        """Return this config with some values changed.

        Args:
            values: By the names of `to_dict`. Layers that a smaller count takes away
                go by themselves.

        Raises:
            ValueError: A name is unknown, a value is outside its range, or a layer
                that a larger count adds has no size.
        """
        flat = {**self.to_dict(), **values}
        for name, layered in LAYERED.items():
            layers = flat[layered.count]
            if layers not in range(MAX_LAYERS + 1):
                raise ValueError(
                    f"{layered.count} must be a whole number from 0 to {MAX_LAYERS}, "
                    f"got {layers!r}. Give the number of layers."
                )
            for layer, entry in layered.numbered(name, flat).items():
                if layer > layers and entry not in values:
                    del flat[entry]
        return CnnConfig.from_dict(flat)

    @classmethod
    def from_dict(cls, flat: Mapping[str, Any]) -> CnnConfig:
        """Read what `to_dict` wrote; what is absent takes the baseline's value.

        Raises:
            ValueError: A name is unknown, a value is outside its range, or the
                numbered layers do not match their count.
        """
        rest = dict(flat)
        values: dict[str, Any] = {}
        for name, layered in LAYERED.items():
            entries = layered.numbered(name, rest)
            by_layer = {layer: rest.pop(entry) for layer, entry in entries.items()}
            layers = rest.pop(layered.count, len(by_layer) or None)
            if layers is None:
                continue
            if sorted(by_layer) != list(range(1, layers + 1)):
                received = ", ".join(f"{name}_{layer}" for layer in sorted(by_layer))
                raise ValueError(
                    f"{layered.count}={layers} needs {name}_1 to {name}_{layers}, "
                    f"got {received or 'none'}. Give every layer its {name}, or change "
                    f"{layered.count} as well."
                )
            values[name] = tuple(by_layer[i] for i in range(1, layers + 1))
        unknown = set(rest) - (set(HYPERPARAMETERS) - set(LAYERED))
        if unknown:
            raise ValueError(
                f"Unknown hyperparameters {sorted(unknown)}. "
                f"Known: {', '.join(CnnConfig().to_dict())}."
            )
        return cls(**values, **rest)


HYPERPARAMETERS = hyperparameters(CnnConfig)
# Those with one size for each layer.
LAYERED = {name: h for name, h in HYPERPARAMETERS.items() if isinstance(h, Sizes)}
BASELINE = CnnConfig()


def unlike_baseline(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a config that differ from the baseline's.

    They identify the config across versions: an older record that lacks a newer
    hyperparameter equals one that has it at the baseline's value. A value that does not
    apply needs no mark, because the value that switches it off is among the rest.

    Args:
        flat: From `CnnConfig.to_dict`, of this version or an earlier one.
    """
    rest = dict(flat)
    for name, hyperparameter in HYPERPARAMETERS.items():
        usual = hyperparameter.flat(name, getattr(BASELINE, name))
        if usual.items() <= rest.items():
            rest = {entry: rest[entry] for entry in rest if entry not in usual}
    return rest


def is_scheduled(flat: Mapping[str, Any]) -> bool:
    """Whether a config's learning rate depends on its number of epochs.

    Args:
        flat: From `CnnConfig.to_dict`, of this version or an earlier one.
    """
    return bool(flat.get("schedule", BASELINE.schedule) != "constant")


def config_key(flat: Mapping[str, Any]) -> str:
    """Return a key that is equal for equal configs, whichever version wrote them.

    Args:
        flat: From `to_dict`, of this version or an earlier one. A user's config works
            too: the values left out follow from those that remain.
    """
    return repr(sorted(unlike_baseline(flat).items()))


def completed(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Add the hyperparameters that an older stored config lacks.

    Args:
        flat: From `CnnConfig.to_dict`, of this version or an earlier one; it need not
            be valid.
    """
    values = {**vars(BASELINE), **flat}
    newer: dict[str, Any] = {}
    for name, hyperparameter in HYPERPARAMETERS.items():
        usual = hyperparameter.flat(name, getattr(BASELINE, name))
        if hyperparameter.applies(values) and usual.keys().isdisjoint(flat):
            newer |= usual
    return {**flat, **newer}
