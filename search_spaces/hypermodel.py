"""Wrap any space as an ordinary KerasTuner hypermodel."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import keras
import keras_tuner as kt

from search_spaces.config import CnnConfig
from search_spaces.layers import Shape
from search_spaces.model import build_model, compile_model
from search_spaces.space import Space, SpaceError, load_space
from search_spaces.user_code import UserSpace

# Finite, so that a tuner can fit its surrogate model to it.
_WORST = {"accuracy": 0.0, "val_accuracy": 0.0, "loss": 1e6, "val_loss": 1e6}
_PLACEHOLDER = CnnConfig(filters=(1,), kernel_size=1, units=())


class SpaceHyperModel(kt.HyperModel):  # type: ignore[misc]
    """A space that any KerasTuner tuner can search; see `hypermodel`."""

    def __init__(self, space: Space, input_shape: Shape, classes: int) -> None:
        super().__init__(name=space.name)
        self.space = space
        self.input_shape = input_shape
        self.classes = classes

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        """Build and compile the network for the values in `hp`.

        If no such network exists for the input shape, this returns a placeholder
        that `fit` does not train: a tuner builds arbitrary points to discover the
        space, and an error there would end the search.
        """
        config = self.space.sample(hp)
        if not config.is_feasible(self.input_shape):
            config = _PLACEHOLDER
        return build_model(config, self.input_shape, self.classes)

    def fit(
        self, hp: kt.HyperParameters, model: keras.Model, *args: Any, **kwargs: Any
    ) -> Any:
        """Train with the epochs and batch size in `hp`.

        Hyperparameters that the space tunes override the arguments; all other
        arguments are passed on.

        Returns:
            Keras's history, or the worst metrics if no such network exists for the
            input shape. An error would be more accurate, but KerasTuner ends a search
            after three in a row.
        """
        config = self.space.sample(hp)
        if not config.is_feasible(self.input_shape):
            return dict(_WORST)
        for name in ("epochs", "batch_size"):
            if name in hp or name not in kwargs:
                kwargs[name] = getattr(config, name)
        if config.is_scheduled:
            batches = math.ceil(_images(*args, **kwargs) / kwargs["batch_size"])
            compile_model(model, config, kwargs["epochs"] * batches)
        return model.fit(*args, **kwargs)


def _images(x: Any, *_: Any, validation_split: float = 0.0, **__: Any) -> int:
    """Count the images that `fit` trains on, given its arguments."""
    return int(len(x) * (1 - validation_split))


def hypermodel(
    space: str | Space | ModuleType, input_shape: Shape, classes: int
) -> SpaceHyperModel:
    """Wrap a space as a KerasTuner hypermodel.

    Args:
        space: A space, its name or file, or a module with `sample(hp, base)`.
        input_shape: Height, width and channels of one image.
        classes: How many classes the labels name.

    Returns:
        A `keras_tuner.HyperModel` whose models take pixels 0 to 255 and integer
        labels.

    Raises:
        SpaceError: There is no such space.

    Example:
    >>> tuner = keras_tuner.RandomSearch(
    ...     hypermodel("architecture", (32, 32, 3), 10),
    ...     objective="val_accuracy",
    ...     max_trials=10,
    ... )
    >>> tuner.search(x_train, y_train, validation_split=0.1)
    """
    if isinstance(space, ModuleType):
        space = Space(space.__name__.rpartition(".")[2], space.sample)
    elif isinstance(space, str):
        loaded = load_space(space)
        if isinstance(loaded, UserSpace):
            raise SpaceError(
                f"{space} defines its own model, so KerasTuner can use it directly. "
                "Import it from that file."
            )
        space = loaded
    return SpaceHyperModel(space, input_shape, classes)
