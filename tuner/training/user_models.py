"""A user's KerasTuner code, run: its hypermodel, its networks, what it declares."""

from __future__ import annotations

import inspect
import math
import sys
import time
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
from tuner.data.dataset import Dataset
from tuner.study.tasks import Assessment, Discovery
from tuner.system import patches
from tuner.system.machine import memory_bytes
from tuner.training.networks import (
    Arrays,
    Batches,
    Network,
    evaluation_batch,
    fresh,
    numbers,
)

_BATCH_SIZE = 32  # Keras's own, where a user's `fit` does not choose
MODULE = "tune_user_space"  # what a user's file is loaded as
_PROBES = 100  # builds that look for hyperparameters behind an `if`
_IDLE_PROBES = 12  # without a new one, after which no more are looked for
_PROBE_S = 8.0
_FEW = 32  # images that a user's `fit` is tried on


class UserNetwork(Network):
    """A model that a user's code built: float32 pixels go in, class scores come out.

    Labels are what its loss takes: class ids for a sparse loss, one number for one
    output, else one-hot.

    Args:
        model: Compiled.
        hp: Of the model.
        divisor: What stored pixels, 0 to 255, are divided by.
        shape: Height, width and channels of one image.
        classes: How many classes the labels name.

    Raises:
        SpaceError: It is no classifier of such images.
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
        found = tuple(getattr(outputs, "shape", ()))
        loss = model.loss
        name = loss if isinstance(loss, str) else getattr(loss, "name", None)
        name = str(name or getattr(loss, "__name__", loss)).lower()
        self._is_sparse = "sparse" in name
        self._is_binary = found == (1, 1) and classes == 2
        self._gives_logits = bool(getattr(loss, "from_logits", False))
        fits = len(found) == 2 and (
            found[1] >= classes if self._is_sparse else found[1] == classes
        )
        if not fits and not self._is_binary:
            raise SpaceError(
                f"A model must give one score a class, shape (images, {classes}), for "
                f"the loss {name}, and it gives shape {found}. Give its last layer "
                f"{classes} units."
            )

    @property
    def drawn(self) -> tuple[str, ...]:
        """The hyperparameters that were asked for so far, active ones only."""
        names = (h.name for h in self.hp.space if self.hp.is_active(h))
        return tuple(dict.fromkeys(names))

    def arrays(self, images: np.ndarray, labels: np.ndarray) -> Arrays:
        """Give some images and labels as the model takes them."""
        pixels = images.astype(np.float32) / np.float32(self._divisor)
        if self._is_sparse:
            return pixels, labels
        if self._is_binary:
            return pixels, labels.astype(np.float32)[:, None]
        return pixels, np.eye(self._classes, dtype=np.float32)[labels]

    @property
    def label_code(self) -> str:
        """Python that makes labels as the model takes them from class ids `y`."""
        if self._is_sparse:
            return "y"
        if self._is_binary:
            return 'y.astype("float32")[:, None]'
        return f"keras.utils.to_categorical(y, {self._classes})"

    def tensors(self, images: Any, labels: Any) -> tuple[Any, Any]:
        """Give the same of the backend's tensors, inside a pipeline or a step."""
        pixels = keras.ops.cast(images, "float32") / self._divisor
        if self._is_sparse:
            return pixels, labels
        if self._is_binary:
            return pixels, keras.ops.cast(labels, "float32")[:, None]
        return pixels, keras.ops.one_hot(labels, self._classes, dtype="float32")

    def assess(
        self, images: np.ndarray, labels: np.ndarray, which: np.ndarray
    ) -> Assessment:
        """Measure it by the class it chooses, and by its loss and metrics as compiled.

        A metric that is no single number is left out.
        """
        chosen = np.empty(len(which), np.uint16)
        for part in self.parts(which):
            scores = self.predict(images[which[part]])
            chosen[part] = scores.argmax(axis=1)
            if self._is_binary:
                chosen[part] = scores[:, 0] > (0.0 if self._gives_logits else 0.5)
        batches = Batches(self, images, labels, which, self.evaluation_batch)
        found = numbers(self.model.evaluate(batches, verbose=0, return_dict=True))
        loss = found.pop("loss")
        found.pop("accuracy", None)
        accuracy = float(np.mean(chosen == labels[which]))
        return Assessment(accuracy, loss, chosen, found)

    @property
    def evaluation_batch(self) -> int:
        """Images a step without training."""
        return evaluation_batch(self._shape)

    def probabilities(self, outputs: Any) -> Any:
        """Turn the model's outputs, a Keras tensor, into a column a class.

        Of one output, the second class's, it makes two. What a loss does not say to
        be logits stays as it is: the largest is the chosen class all the same.
        """
        if not self._is_binary:
            return keras.layers.Softmax()(outputs) if self._gives_logits else outputs
        if self._gives_logits:
            outputs = keras.layers.Activation("sigmoid")(outputs)
        first = keras.layers.Rescaling(-1.0, offset=1.0)(outputs)
        return keras.layers.Concatenate()([first, outputs])


def divisor(user_model: UserModel) -> float:
    """Give what stored pixels are divided by."""
    return 255.0 if user_model.pixels == "unit" else 1.0


def hyperparameters(config: Mapping[str, Any]) -> kt.HyperParameters:
    """Give `hp` whose draws are a config's values."""
    hp = kt.HyperParameters()
    hp.values = dict(config)
    return hp


def network(
    user_model: UserModel, hp: kt.HyperParameters, shape: Sequence[int], classes: int
) -> UserNetwork:
    """Build a network with new weights.

    Args:
        user_model: The user's code.
        hp: Its draws are the config; it learns what is drawn.
        shape: Height, width and channels of one image.
        classes: How many classes the labels name.

    Raises:
        SpaceError: The code failed, or built something else.
    """
    try:
        model = hypermodel(user_model).build(hp)
        _check_compiled(user_model, model)
        made = UserNetwork(model, hp, divisor(user_model), shape, classes)
    except SpaceError:
        raise
    except Exception as error:
        raise SpaceError(blame(user_model.path, "build", error)) from error
    made.has_fit = _has_fit(user_model)
    return made


def _has_fit(user_model: UserModel) -> bool:
    return type(hypermodel(user_model)).fit is not kt.HyperModel.fit


def _check_compiled(user_model: UserModel, model: Any) -> None:
    if not isinstance(model, keras.Model) or not model.compiled:
        raise SpaceError(
            f"build(hp) of {user_model.path} must return a compiled keras.Model, got "
            f"{type(model).__name__}. Call model.compile(...) and return model."
        )


def fit(
    user_model: UserModel, made: UserNetwork, train: Arrays, **options: Any
) -> None:
    """Train a network as the user's `HyperModel.fit` does.

    Args:
        user_model: The user's code.
        made: By its `build`.
        train: Pixels and labels.
        options: As KerasTuner passes them on: epochs, validation_data, callbacks, ...;
            only those that the user's `fit` takes.
    """
    taken = inspect.signature(hypermodel(user_model).fit).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        options = {name: o for name, o in options.items() if name in taken}
    hypermodel(user_model).fit(made.hp, made.model, *train, **options)


def hypermodel(user_model: UserModel) -> kt.HyperModel:
    """Run a user's file, once a process, and find its hypermodel.

    Raises:
        SpaceError: The file failed, or it defines none, or several.
    """
    return _hypermodel(
        user_model.path, user_model.code, user_model.origin or user_model.path
    )[1]


def expression(user_model: UserModel) -> str:
    """Python that gives the hypermodel, or the function, after the user's file."""
    return _hypermodel(
        user_model.path, user_model.code, user_model.origin or user_model.path
    )[0]


def is_function(user_model: UserModel) -> bool:
    """Whether that is `build_model`, and no hypermodel."""
    return isinstance(hypermodel(user_model), _FromFunction)


@lru_cache(maxsize=1)
def _hypermodel(path: str, code: str, origin: str) -> tuple[str, kt.HyperModel]:
    module = ModuleType(MODULE)
    module.__file__ = origin
    vars(module).update(beside(Path(origin)))
    sys.modules[MODULE] = module
    try:
        exec(compile(code, path, "exec"), module.__dict__)  # noqa: S102  the user's own
        return _find(path, vars(module))
    except SpaceError:
        raise
    except (Exception, SystemExit) as error:
        said = blame(path, "the file", error)
        if isinstance(error, ModuleNotFoundError):
            said += f" Modules of its own must lie in {Path(origin).resolve().parent}."
        raise SpaceError(said) from error


def _find(path: str, names: Mapping[str, Any]) -> tuple[str, kt.HyperModel]:
    found: dict[str, Callable[[], kt.HyperModel]] = {}
    for name, value in names.items():
        is_here = getattr(value, "__module__", None) == MODULE
        if isinstance(value, kt.HyperModel):
            found[name] = partial(_same, value)
        elif inspect.isclass(value) and is_here and issubclass(value, kt.HyperModel):
            found[name] = value
        elif inspect.isfunction(value) and is_here and _takes_hp(value):
            found[name] = partial(_FromFunction, value)
    if not found:
        raise SpaceError(
            f"{path} must define sample(hp), build_model(hp) or a "
            "keras_tuner.HyperModel, and it defines none of them."
        )
    instances = [n for n in found if isinstance(names[n], kt.HyperModel)]
    classes = [n for n in found if inspect.isclass(names[n])]
    named = [n for n in ("build_model",) if n in found]
    # An instance stands for its class, and functions besides these are their helpers.
    meant = [*named, *(instances or classes)] or list(found)
    if "hypermodel" in found:
        meant = ["hypermodel"]
    written = {n: n + "()" * (n in classes) for n in meant}
    if len(meant) > 1:
        lines = " or ".join(f"`hypermodel = {code}`" for code in written.values())
        raise SpaceError(
            f"{path} must say which network to search, and it defines "
            f"{' and '.join(meant)}. Add a line to it: {lines}."
        )
    name = meant[0]
    return written[name], found[name]()


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


def discover(user_model: UserModel, data: Dataset) -> Discovery:
    """Run a user's code once in small, and see what it declares.

    Its defaults are built, and trained on a few images where it brings a `fit`: what
    fails there would fail in every trial. More draws then look behind each `if`.

    Args:
        user_model: The user's code.
        data: A few images of which are used.

    Raises:
        SpaceError: The code fails.
    """
    has_fit = _has_fit(user_model)
    if has_fit:
        _check_size(user_model, data)
    hp = kt.HyperParameters()
    shape, classes = data.input_shape, len(data.classes)

    def build() -> UserNetwork:
        return network(user_model, hp, shape, classes)

    made, draws_epochs = fresh(build, seed=1), False
    metrics = _metrics(user_model, made, data)
    if has_fit:
        draws_epochs = _try_fit(user_model, made, data)
    until, idle = time.monotonic() + _PROBE_S, 0
    for probe in range(_PROBES):
        if idle == _IDLE_PROBES or time.monotonic() > until:
            break
        known = len(hp.space)
        hp.values = {h.name: _draw(h, probe, i) for i, h in enumerate(hp.space)}
        told = {} if draws_epochs else {"epochs": 1}
        _probe(user_model, build, data if has_fit else None, told)
        idle = idle + 1 if len(hp.space) == known else 0
    draws_epochs = draws_epochs or (has_fit and "epochs" in {h.name for h in hp.space})
    declared = {"space": hp.get_config()["space"], "values": {}}
    found = {
        "declared": declared,
        "has_fit": has_fit,
        "draws_epochs": draws_epochs,
        "metrics": metrics,
    }
    return Discovery(found)


def _check_size(user_model: UserModel, data: Dataset) -> None:
    """Refuse what memory cannot hold: a `fit` is given its images as one array."""
    images = len(data.train) + len(data.validation)
    need, memory = 4 * images * math.prod(data.input_shape), memory_bytes()
    if memory is not None and need > memory:
        raise SpaceError(
            f"fit of {user_model.path} is given all images as one array, and "
            f"{images:,} of them as float32 take {need / 1e9:.1f} GB of this machine's "
            f"{memory / 1e9:.1f} GB. Use build_model(hp) alone, which trains batch by "
            "batch, or --limit or a smaller --image-size."
        )


def _draw(h: Any, probe: int, number: int) -> Any:
    """Draw a value: every largest first, which loops count up to, then by chance."""
    if probe == 0:
        return h.prob_to_value(1 - 1e-9)
    return h.random_sample(probe * 1000 + number)


def _metrics(user_model: UserModel, made: UserNetwork, data: Dataset) -> list[str]:
    """List what a network compiles besides the accuracy and the loss."""
    images, labels = _few(data)
    try:
        return list(made.assess(images, labels, np.arange(len(labels))).metrics)
    except Exception as error:
        raise SpaceError(blame(user_model.path, "evaluate", error)) from error


def _try_fit(user_model: UserModel, made: UserNetwork, data: Dataset) -> bool:
    """Train on a few images, and say whether the user's `fit` chooses its epochs."""
    few = made.arrays(*_few(data))
    options = {"validation_data": few, "callbacks": [], "verbose": 0}
    try:
        try:
            fit(user_model, made, few, epochs=1, **options)
        except TypeError as error:
            if "'epochs'" not in str(error):
                raise
            fit(user_model, made, few, **options)
            return True
    except Exception as error:
        raise SpaceError(blame(user_model.path, "fit", error)) from error
    return False


def _probe(
    user_model: UserModel,
    build: Callable[[], UserNetwork],
    data: Dataset | None,
    told: Mapping[str, int],
) -> None:
    """Draw what these values lead to; that some of them fail is for the trials.

    Args:
        user_model: The user's code.
        build: Builds its network.
        data: For its `fit`, or None where it has none.
        told: What its `fit` is told besides.
    """
    try:
        keras.utils.clear_session()
        made = build()
        if data is not None:
            few = made.arrays(*_few(data))
            if patches.are_on():
                made.model.fit = _trains_nothing
            options = {"validation_data": few, "callbacks": [], "verbose": 0, **told}
            fit(user_model, made, few, **options)
    except Exception:  # noqa: BLE001
        return


def _trains_nothing(*_: Any, **__: Any) -> keras.callbacks.History:
    history = keras.callbacks.History()
    history.history = {
        name: [0.0] for name in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    return history


def _few(data: Dataset) -> Arrays:
    """Take some training images, one of each class first."""
    labels = data.y_train[data.train]
    _, firsts = np.unique(labels, return_index=True)
    rest = np.setdiff1d(np.arange(len(labels)), firsts)
    which = data.train[np.sort([*firsts, *rest[: max(0, _FEW - len(firsts))]])]
    return data.x_train[which], data.y_train[which]
