"""Run a user's KerasTuner code: load its hypermodel, build and train its models."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from search_spaces.neighbours import beside
from search_spaces.space import SpaceError, blame
from search_spaces.user_code import UserModel
from tuner.study.tasks import Assessment
from tuner.training.networks import Arrays, Batches, Network, evaluation_batch, numbers

_BATCH_SIZE = 32  # Keras's default, if a user's `fit` does not choose one
MODULE = "tune_user_space"  # the module name of a user's file


class UserNetwork(Network):
    """A model that a user's code built: float32 pixels go in, class scores come out.

    Its labels fit its loss: class ids for a sparse loss, one number for a single
    output, else one-hot.

    Args:
        model: The compiled model.
        hp: The hyperparameters that it was built with.
        divisor: Stored pixels, 0 to 255, are divided by this.
        shape: Height, width and channels of one image.
        classes: Number of classes.

    Raises:
        SpaceError: The model cannot classify such images.
    """

    def __init__(
        self,
        model: keras.Model,
        hp: kt.HyperParameters,
        divisor: float,
        shape: Sequence[int],
        classes: int,
    ) -> None:
        super().__init__(model, _BATCH_SIZE)
        self.hp = hp
        self._divisor, self._shape, self._classes = divisor, shape, classes
        outputs = model(np.zeros((1, *shape), np.float32))  # builds its weights
        output_shape = tuple(getattr(outputs, "shape", ()))
        loss = model.loss
        name = loss if isinstance(loss, str) else getattr(loss, "name", None)
        name = str(name or getattr(loss, "__name__", loss)).lower()
        self._is_sparse = "sparse" in name
        self._is_binary = output_shape == (1, 1) and classes == 2
        self._gives_logits = bool(getattr(loss, "from_logits", False))
        units = output_shape[-1] if len(output_shape) == 2 else 0
        fits = units >= classes if self._is_sparse else units == classes
        if not fits and not self._is_binary:
            raise SpaceError(
                "The model must output one score per class, shape (images, "
                f"{classes}), for the loss {name}, got shape {output_shape}. Give its "
                f"last layer {classes} units."
            )

    @property
    def drawn(self) -> tuple[str, ...]:
        """The active hyperparameters that the code has drawn so far."""
        names = (h.name for h in self.hp.space if self.hp.is_active(h))
        return tuple(dict.fromkeys(names))

    def arrays(self, images: np.ndarray, labels: np.ndarray) -> Arrays:
        """Convert images and labels to the model's input."""
        pixels = images.astype(np.float32) / np.float32(self._divisor)
        if self._is_sparse:
            return pixels, labels
        if self._is_binary:
            return pixels, labels.astype(np.float32)[:, None]
        return pixels, np.eye(self._classes, dtype=np.float32)[labels]

    @property
    def label_code(self) -> str:
        """Python code that converts class ids `y` to the model's labels."""
        if self._is_sparse:
            return "y"
        if self._is_binary:
            return 'y.astype("float32")[:, None]'
        return f"keras.utils.to_categorical(y, {self._classes})"

    def tensors(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Do the same with the backend's tensors, inside a pipeline or a step."""
        pixels = keras.ops.cast(images, "float32") / self._divisor
        if self._is_sparse:
            return pixels, labels
        if self._is_binary:
            return pixels, keras.ops.cast(labels, "float32")[:, None]
        return pixels, keras.ops.one_hot(labels, self._classes, dtype="float32")

    def assess(
        self, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> Assessment:
        """Measure accuracy by the predicted classes, and the compiled loss and metrics.

        Metrics that are not single numbers are omitted.
        """
        predicted = np.empty(len(indices), np.uint16)
        for part in self.parts(indices):
            scores = self.predict(images[indices[part]])
            predicted[part] = scores.argmax(axis=1)
            if self._is_binary:
                predicted[part] = scores[:, 0] > (0.0 if self._gives_logits else 0.5)
        batches = Batches(self, images, labels, indices, self.evaluation_batch)
        metrics = numbers(self.model.evaluate(batches, verbose=0, return_dict=True))
        loss = metrics.pop("loss")
        metrics.pop("accuracy", None)
        accuracy = float(np.mean(predicted == labels[indices]))
        return Assessment(accuracy, loss, predicted, metrics)

    @property
    def evaluation_batch(self) -> int:
        """Images per evaluation step."""
        return evaluation_batch(self._shape)

    def probabilities(self, outputs: Any) -> Any:
        """Convert the model's outputs, a Keras tensor, to one column per class.

        A single output is the second class's score, and becomes two columns. Outputs
        become probabilities only if the loss declares them as logits; otherwise the
        largest score still is the predicted class.
        """
        if not self._is_binary:
            return keras.layers.Softmax()(outputs) if self._gives_logits else outputs
        if self._gives_logits:
            outputs = keras.layers.Activation("sigmoid")(outputs)
        first = keras.layers.Rescaling(-1.0, offset=1.0)(outputs)
        return keras.layers.Concatenate()([first, outputs])


def divisor(user_model: UserModel) -> float:
    """Return the number that stored pixels are divided by."""
    return 255.0 if user_model.pixels == "unit" else 1.0


def hyperparameters(config: Mapping[str, Any]) -> kt.HyperParameters:
    """Return an `hp` that draws a config's values."""
    hp = kt.HyperParameters()
    hp.values = dict(config)
    return hp


def network(
    user_model: UserModel, hp: kt.HyperParameters, shape: Sequence[int], classes: int
) -> UserNetwork:
    """Build a network with new weights.

    Args:
        user_model: The user's code.
        hp: Draws the config's values; records what the code draws.
        shape: Height, width and channels of one image.
        classes: Number of classes.

    Raises:
        SpaceError: The code failed, or did not build a compiled classifier.
    """
    try:
        model = hypermodel(user_model).build(hp)
        _check_compiled(user_model, model)
        built = UserNetwork(model, hp, divisor(user_model), shape, classes)
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(blame(user_model.path, "build", error)) from error
    built.has_fit = has_fit(user_model)
    return built


def has_fit(user_model: UserModel) -> bool:
    """Whether the user's hypermodel overrides `fit`."""
    return type(hypermodel(user_model)).fit is not kt.HyperModel.fit


def _check_compiled(user_model: UserModel, model: Any) -> None:
    if not isinstance(model, keras.Model) or not model.compiled:
        raise SpaceError(
            f"build(hp) of {user_model.path} must return a compiled keras.Model, got "
            f"{type(model).__name__}. Call model.compile(...) and return model."
        )


def fit(
    user_model: UserModel, built: UserNetwork, train: Arrays, **options: Any
) -> None:
    """Train a network with the user's `HyperModel.fit`.

    Args:
        user_model: The user's code.
        built: The network that its `build` returned.
        train: Pixels and labels.
        options: The arguments that KerasTuner passes: epochs, validation_data,
            callbacks, ...; those that the user's `fit` does not accept are dropped.
    """
    parameters = inspect.signature(hypermodel(user_model).fit).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        options = {name: o for name, o in options.items() if name in parameters}
    hypermodel(user_model).fit(built.hp, built.model, *train, **options)


def hypermodel(user_model: UserModel) -> kt.HyperModel:
    """Run a user's file, once per process, and return its hypermodel.

    Raises:
        SpaceError: The file failed, or defines no hypermodel, or several.
    """
    return _hypermodel(
        user_model.path, user_model.code, user_model.origin or user_model.path
    )[1]


def expression(user_model: UserModel) -> str:
    """Python code that names the hypermodel or `build_model` in the user's file."""
    return _hypermodel(
        user_model.path, user_model.code, user_model.origin or user_model.path
    )[0]


def is_function(user_model: UserModel) -> bool:
    """Whether the user's file has a `build_model` instead of a hypermodel."""
    return isinstance(hypermodel(user_model), _FromFunction)


@lru_cache(maxsize=1)
def _hypermodel(path: str, code: str, origin: str) -> tuple[str, kt.HyperModel]:
    module = ModuleType(MODULE)
    module.__file__ = origin
    vars(module).update(beside(Path(origin)))
    sys.modules[MODULE] = module
    try:
        exec(compile(code, path, "exec"), module.__dict__)  # noqa: S102  the user's code
        return _find(path, vars(module))
    except SpaceError:
        raise
    except (Exception, SystemExit) as error:
        message = blame(path, "the file", error)
        if isinstance(error, ModuleNotFoundError):
            folder = Path(origin).resolve().parent
            message += f" Put the modules that it imports into {folder}."
        raise SpaceError(message) from error


def _find(path: str, names: Mapping[str, Any]) -> tuple[str, kt.HyperModel]:
    factories: dict[str, Callable[[], kt.HyperModel]] = {}
    for name, value in names.items():
        is_here = getattr(value, "__module__", None) == MODULE
        if isinstance(value, kt.HyperModel):
            factories[name] = partial(_same, value)
        elif inspect.isclass(value) and is_here and issubclass(value, kt.HyperModel):
            factories[name] = value
        elif inspect.isfunction(value) and is_here and _takes_hp(value):
            factories[name] = partial(_FromFunction, value)
    if not factories:
        raise SpaceError(
            f"{path} must define sample(hp), build_model(hp) or a "
            "keras_tuner.HyperModel, got none of them. Define one."
        )
    instances = [n for n in factories if isinstance(names[n], kt.HyperModel)]
    classes = [n for n in factories if inspect.isclass(names[n])]
    functions = [n for n in ("build_model",) if n in factories]
    # An instance takes precedence over its class; other functions are helpers.
    choices = [*functions, *(instances or classes)] or list(factories)
    if "hypermodel" in factories:
        choices = ["hypermodel"]
    expressions = {n: n + "()" * (n in classes) for n in choices}
    if len(choices) > 1:
        lines = " or ".join(f"`hypermodel = {code}`" for code in expressions.values())
        raise SpaceError(
            f"{path} must choose one model to search, got {' and '.join(choices)}. "
            f"Add a line to it: {lines}."
        )
    name = choices[0]
    return expressions[name], factories[name]()


def _same(hypermodel: kt.HyperModel) -> kt.HyperModel:
    return hypermodel


def _takes_hp(function: Any) -> bool:
    return next(iter(inspect.signature(function).parameters), None) == "hp"


class _FromFunction(kt.HyperModel):  # type: ignore[misc]
    """`build_model(hp)` as a hypermodel."""

    def __init__(self, build: Callable[[kt.HyperParameters], keras.Model]) -> None:
        super().__init__()
        self._build = build

    def build(self, hp: kt.HyperParameters) -> keras.Model:
        return self._build(hp)
