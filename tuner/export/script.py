"""A trial as a plain Keras script that trains it again and needs nothing of ours."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search_spaces.config import CnnConfig
from search_spaces.layers import LOSS, layers, optimizer
from search_spaces.user_code import UserSpace
from tuner.study.configs import user_space
from tuner.study.folder import Study
from tuner.study.records import TrialRecord
from tuner.system.quiet import quiet

MARK = "Written by tune"  # in every script

_HEAD = '''\
"""Trial {trial} of study {study}: train it again with plain Keras.

{recorded}
Another seed, and the images that tune held out ({left}),
give another figure. {mark} {version}.
"""

{imports}


def load():
    """Return training and test images, uint8, and their class ids."""
{load}

'''
_CNN = '''
def build():
    """Return the compiled network: pixels 0 to 255 go in, logits come out."""
    model = keras.Sequential(
        [
{layers}
        ]
    )
    model.compile(
        optimizer={optimizer},
        loss={loss},
        metrics=["accuracy"],
    )
    return model


if __name__ == "__main__":
    keras.utils.set_random_seed({seed})
    x_train, y_train, x_test, y_test = load()
    model = build()
    model.fit(x_train, y_train, batch_size={batch_size}, epochs={epochs}, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {{accuracy:.4f}}, loss {{loss:.4f}}")
    model.save("trained.keras")
'''
_OWN = """

# What follows is {file} as it was searched, and then its use.
{beside}
{code}

if __name__ == "__main__":
    keras.utils.set_random_seed({seed})
    x_train, y_train, x_test, y_test = load()
    x_train, x_test = (x.astype("float32") / {divisor} for x in (x_train, x_test))
    y_train, y_test = ({labels} for y in (y_train, y_test))
    hp = keras_tuner.HyperParameters()
    hp.values = {values}
    {fit}
    print(model.evaluate(x_test, y_test, verbose=0, return_dict=True))
    model.save("trained.keras")
"""
_USE = "__name__ == '__main__'"
_BY_KERAS = """\
model = {build}
    model.fit(x_train, y_train{told}, verbose=2)"""
_BY_ITS_FIT = """\
hypermodel = {name}
    model = hypermodel.build(hp)
    order = np.random.default_rng({seed}).permutation(len(x_train))
    held, rest = order[: len(order) // 10], order[len(order) // 10 :]
    hypermodel.fit(
        hp, model, x_train[rest], y_train[rest],
        validation_data=(x_train[held], y_train[held]){told},
        callbacks=[], verbose=2,
    )"""
_NPZ = """\
    data = np.load({path!r})
    names = ("x_train", "y_train", "x_test", "y_test")
    x_train, y_train, x_test, y_test = (data[name] for name in names)
    if x_train.dtype.kind == "f":  # whole pixels, 0 to 255, as they were searched
        scale = 255 if x_train.max() <= 1 else 1
        x_train, x_test = np.rint(x_train * scale), np.rint(x_test * scale)
    x_train, x_test = x_train.astype("uint8"), x_test.astype("uint8")"""
_KERAS = """\
    (x_train, y_train), (x_test, y_test) = keras.datasets.{name}.load_data()"""
_DIGITS = """\
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = np.rint(digits.images * 255 / 16).astype("uint8")
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=0.2, stratify=digits.target, random_state=0
    )  # not the very split of the study"""
_FOLDER = """\
    def read(folder):
        found = keras.utils.image_dataset_from_directory(
            folder,
            color_mode={mode!r},
            image_size={size},
            batch_size=None,
            shuffle=False,
            verbose=False,
        )
        images, labels = zip(*found.as_numpy_iterator())
        return np.stack(images).astype("uint8"), np.array(labels)

"""
_WITH_TEST = """\
    x_train, y_train = read({path!r} + "/train")
    x_test, y_test = read({path!r} + "/test")"""
_WITHOUT_TEST = """\
    from sklearn.model_selection import train_test_split

    images, labels = read({path!r})
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size={share}, stratify=labels, random_state=0
    )  # not the very split of the study"""
_SHAPED = """
    if x_train.ndim == 3:  # grey
        x_train, x_test = x_train[..., None], x_test[..., None]
    return x_train, y_train.reshape(-1), x_test, y_test.reshape(-1)"""


def script(study: Study, trial: TrialRecord) -> str:
    """Write a trial as a Python script.

    Args:
        study: The trial's.
        trial: A completed one.

    Raises:
        SpaceError: The user's own code, which it is made of, is not there any more.
        SettingsError: That code has changed.
    """
    users = user_space(study)
    execution = trial.executions[0]
    first, code = _parted(users.code) if users else ([], "")
    imports = ["import keras", "import numpy as np"]
    if users:
        imports = [*first, "import keras", "import keras_tuner", "import numpy as np"]
    head = _HEAD.format(
        trial=trial.trial,
        study=_text(study.name),
        recorded=_recorded(study, trial),
        left=_left(study),
        mark=MARK,
        version=version("tune-keras"),
        imports="\n".join(imports),
        load=_load(study) + _SHAPED,
    )
    kept = execution.best_epoch or execution.epochs
    if users:
        return head + _own(study, trial, users, code, kept)
    config, data = CnnConfig.from_dict(trial.config), study.record.data
    return head + _CNN.format(
        layers="\n".join(_lines(config, data.input_shape, data.classes)),
        optimizer=optimizer(config).source(),
        loss=LOSS.source(),
        seed=execution.seed,
        batch_size=config.batch_size,
        epochs=kept,
    )


def _recorded(study: Study, trial: TrialRecord) -> str:
    accuracies = [e.test_accuracy for e in trial.executions]
    found = ", ".join(f"{a:.4f}" for a in accuracies if a is not None)
    data = study.record.data
    return (
        f"Its test accuracy there was {found}, trained on {data.train:,} images of\n"
        f"{_text(data.name)} and tested on {data.test:,}."
    )


def _left(study: Study) -> str:
    """Say which training images the script has and the study's trainings had not."""
    said = f"{study.record.data.validation:,} for validation"
    limit = study.record.settings.limit
    return f"{said}, and all beyond {limit:,}" if limit else said


def _text(name: str) -> str:
    """Make a name safe within a docstring."""
    return name.replace("\\", "/").replace('"', "'")


def _load(study: Study) -> str:
    settings, data = study.record.settings, study.record.data
    if not settings.data:
        name = settings.dataset
        return _DIGITS if name == "digits" else _KERAS.format(name=name)
    path = str(Path(settings.data).resolve())
    if path.endswith(".npz"):
        return _NPZ.format(path=path)
    height, width, channels = data.input_shape
    mode = "rgb" if channels == 3 else "grayscale"
    share = settings.test_split
    rest = _WITHOUT_TEST if share else _WITH_TEST
    read = _FOLDER.format(mode=mode, size=(height, width))
    return read + rest.format(path=path, share=share)


def _lines(
    config: CnnConfig, shape: tuple[int, ...], classes: Sequence[str]
) -> list[str]:
    """Write the layers, each as a line of a list."""
    calls = [layer.call.source() for layer in layers(config, len(classes))]
    return [f"            {line}," for line in (f"keras.Input({shape})", *calls)]


def _own(
    study: Study, trial: TrialRecord, user_space: UserSpace, code: str, epochs: int
) -> str:
    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    with quiet():
        from tuner.training import user_models

        hp = user_models.hyperparameters(trial.config)
        network = user_models.network(user_space.model, hp, shape, classes)
    told = "" if user_space.model.draws_epochs else f", epochs={epochs}"
    name = user_models.expression(user_space.model)
    is_function = user_models.is_function(user_space.model)
    build = f"{name}(hp)" if is_function else f"{name}.build(hp)"
    fit = _BY_ITS_FIT if user_space.model.has_fit else _BY_KERAS
    values: dict[str, Any] = dict(trial.config)
    return _OWN.format(
        file=Path(study.record.settings.space).name,
        beside=_beside(code, Path(user_space.model.origin or user_space.model.path)),
        code=code.strip() + "\n",
        seed=trial.executions[0].seed,
        divisor=user_models.divisor(user_space.model),
        labels=network.label_code,
        values=values,
        fit=fit.format(
            name=name, build=build, told=told, seed=trial.executions[0].seed
        ),
    )


def _parted(code: str) -> tuple[list[str], str]:
    """Give what must come first in a file, and the rest but for its use as a script."""
    lines = code.splitlines(keepends=True)
    first: list[str] = []
    for node in reversed(ast.parse(code).body):
        is_first = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        is_use = isinstance(node, ast.If) and ast.unparse(node.test) == _USE
        if is_first:
            first.insert(0, ast.unparse(node))
        if is_first or is_use:
            del lines[node.lineno - 1 : node.end_lineno]
    return first, "".join(lines)


def _beside(code: str, file: Path) -> str:
    """Let a file find the modules that lie beside it, if it imports any."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    folder = file.resolve().parent
    roots = [folder / name.partition(".")[0] for name in names if name]
    if not any(root.is_dir() or root.with_suffix(".py").exists() for root in roots):
        return ""
    return f"\nimport sys\n\nsys.path.insert(0, {str(folder)!r})  # its modules\n"
