"""Write a trial as a plain Keras script that trains it again without this package."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from search_spaces.config import CnnConfig
from search_spaces.layers import LOSS, Source, layers, optimizer
from search_spaces.user_code import UserSpace
from tuner.study.configs import user_space
from tuner.study.folder import Study
from tuner.study.records import TrialRecord
from tuner.system.quiet import quiet

MARK = "Written by tune"  # in every script

_HEAD = '''\
"""{who}: train it again with plain Keras.

{recorded}
{difference} {mark} {version}.
"""

{imports}


def load():
    """Return training and test images, uint8, and their class ids."""
{load}

'''
_CNN = '''{smoothing}
def build({steps}):
    """Return the compiled network: pixels 0 to 255 go in, logits come out."""
{precision}    model = keras.Sequential(
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
    model = build({count})
    model.fit(x_train, y_train, batch_size={batch_size}, epochs={epochs}, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"test accuracy {{accuracy:.4f}}, loss {{loss:.4f}}")
    model.save("trained.keras")
'''
_SMOOTHING = '''
def smoothed_crossentropy(labels, logits):
    """Return the cross-entropy with labels that are smoothed by {share}."""
    labels = keras.ops.one_hot(keras.ops.reshape(labels, (-1,)), logits.shape[-1])
    return keras.losses.categorical_crossentropy(
        labels, logits, from_logits=True, label_smoothing={share}
    )

'''
_USER_MODEL = """

# The following is {file} as it was searched, and then the training.
{path}
{code}

if __name__ == "__main__":
    keras.utils.set_random_seed({seed})
{precision}    x_train, y_train, x_test, y_test = load()
    x_train, x_test = (x.astype("float32") / {divisor} for x in (x_train, x_test))
    y_train, y_test = ({labels} for y in (y_train, y_test))
    hp = keras_tuner.HyperParameters()
    hp.values = {values}
    {fit}
    print(model.evaluate(x_test, y_test, verbose=0, return_dict=True))
    model.save("trained.keras")
"""
_IS_MAIN = "__name__ == '__main__'"
_KERAS_FIT = """\
model = {build}
    model.fit(x_train, y_train{epochs}, verbose=2)"""
_USER_FIT = """\
hypermodel = {name}
    model = hypermodel.build(hp)
    order = np.random.default_rng({seed}).permutation(len(x_train))
    validation, train = order[: len(order) // 10], order[len(order) // 10 :]
    hypermodel.fit(
        hp, model, x_train[train], y_train[train],
        validation_data=(x_train[validation], y_train[validation]){epochs},
        callbacks=[], verbose=2,
    )"""
_NPZ = """\
    data = np.load({path!r})
    names = ("x_train", "y_train", "x_test", "y_test")
    x_train, y_train, x_test, y_test = (data[name] for name in names)
    if x_train.dtype.kind == "f":  # integer pixels, 0 to 255, as in the search
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
    )  # not exactly the study's split"""
_FOLDER = """\
    def read(folder):
        dataset = keras.utils.image_dataset_from_directory(
            folder,
            color_mode={mode!r},
            image_size={size},
            batch_size=None,
            shuffle=False,
            verbose=False,
        )
        images, labels = zip(*dataset.as_numpy_iterator())
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
    )  # not exactly the study's split"""
_RESHAPE = """
    if x_train.ndim == 3:  # grey
        x_train, x_test = x_train[..., None], x_test[..., None]
    return x_train, y_train.reshape(-1), x_test, y_test.reshape(-1)"""


def script(study: Study, trial: TrialRecord) -> str:
    """Write a trial as a Python script.

    Args:
        study: The trial's study.
        trial: A completed trial.

    Raises:
        SpaceError: The file with the user's model no longer exists.
        SettingsError: That file has changed.
    """
    space = user_space(study)
    execution = trial.executions[0]
    future_imports, code = _split(space.code) if space else ([], "")
    imports = ["import keras", "import numpy as np"]
    if space:
        imports = [*future_imports, "import keras", "import keras_tuner"]
        imports.append("import numpy as np")
    head = _HEAD.format(
        who=_escape(_who(study, trial)),
        recorded=_recorded(study, trial),
        difference=_difference(study),
        mark=MARK,
        version=version("tune-keras"),
        imports="\n".join(imports),
        load=_load(study) + _RESHAPE,
    )
    epochs = execution.best_epoch or execution.epochs
    if space:
        return head + _user_model(study, trial, space, code, epochs)
    config, data = CnnConfig.from_dict(trial.config), study.record.data
    smoothing, steps = config.label_smoothing, Source("steps")
    batches = f"-(-len(x_train) // {config.batch_size})"  # rounded up
    return head + _CNN.format(
        smoothing=_SMOOTHING.format(share=smoothing) if smoothing else "",
        steps=steps if config.is_scheduled else "",
        count=f"{config.epochs} * {batches}" if config.is_scheduled else "",
        precision=_precision(study),
        layers="\n".join(_lines(config, data.input_shape, data.classes)),
        optimizer=optimizer(config, steps).source(),
        loss="smoothed_crossentropy" if smoothing else LOSS.source(),
        seed=execution.seed,
        batch_size=config.batch_size,
        epochs=epochs,
    )


def _recorded(study: Study, trial: TrialRecord) -> str:
    accuracies = [e.test_accuracy for e in trial.executions]
    measured = ", ".join(f"{a:.4f}" for a in accuracies if a is not None)
    data = study.record.data
    return (
        f"Its test accuracy in the study was {measured}, trained on {data.train:,}\n"
        f"images of {_escape(data.name)} and tested on {data.test:,}."
    )


def _who(study: Study, trial: TrialRecord) -> str:
    settings = study.record.settings
    if settings.kind == "final":
        return f"The network {study.name}, {trial.name}"
    return f"Trial {trial.trial} of study {study.name}"


def _difference(study: Study) -> str:
    """Say why the script's result differs from the study's.

    The script uses the images for validation and those beyond the study's limit.
    """
    validation, limit = study.record.data.validation, study.record.settings.limit
    parts = [f"{validation:,} for validation"] if validation else []
    parts += [f"all after the first {limit:,}"] if limit else []
    if not parts:
        return "This script's result differs, as any two runs do."
    return (
        "This script's result differs, because it also trains on the images that tune "
        f"held out\n({', and '.join(parts)})."
    )


def _escape(name: str) -> str:
    """Make a name safe inside a docstring."""
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
    split = _WITHOUT_TEST if share else _WITH_TEST
    read = _FOLDER.format(mode=mode, size=(height, width))
    return read + split.format(path=path, share=share)


def _precision(study: Study) -> str:
    """Write the line that sets the study's precision; float32 needs none."""
    if study.record.settings.precision == "float32":
        return ""
    return '    keras.config.set_dtype_policy("mixed_bfloat16")\n'


def _lines(
    config: CnnConfig, shape: tuple[int, ...], classes: Sequence[str]
) -> list[str]:
    """Write the layers, one per line, as the items of a list."""
    calls = [layer.call.source() for layer in layers(config, len(classes))]
    return [f"            {line}," for line in (f"keras.Input({shape})", *calls)]


def _user_model(
    study: Study, trial: TrialRecord, space: UserSpace, code: str, epochs: int
) -> str:
    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    with quiet():
        from tuner.training import user_models

        hp = user_models.hyperparameters(trial.config)
        network = user_models.network(space.model, hp, shape, classes)
    argument = "" if space.model.draws_epochs else f", epochs={epochs}"
    name = user_models.expression(space.model)
    is_function = user_models.is_function(space.model)
    build = f"{name}(hp)" if is_function else f"{name}.build(hp)"
    fit = _USER_FIT if space.model.has_fit else _KERAS_FIT
    seed = trial.executions[0].seed
    values: dict[str, Any] = dict(trial.config)
    return _USER_MODEL.format(
        file=Path(study.record.settings.space).name,
        precision=_precision(study),
        path=_path_to_modules(code, Path(space.model.origin or space.model.path)),
        code=code.strip() + "\n",
        seed=seed,
        divisor=user_models.divisor(space.model),
        labels=network.label_code,
        values=values,
        fit=fit.format(name=name, build=build, epochs=argument, seed=seed),
    )


def _split(code: str) -> tuple[list[str], str]:
    """Split a file into its `__future__` imports and its other code.

    The block that runs the file as a script is dropped.
    """
    lines = code.splitlines(keepends=True)
    future_imports: list[str] = []
    for node in reversed(ast.parse(code).body):
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        is_main = isinstance(node, ast.If) and ast.unparse(node.test) == _IS_MAIN
        if is_future:
            future_imports.insert(0, ast.unparse(node))
        if is_future or is_main:
            del lines[node.lineno - 1 : node.end_lineno]
    return future_imports, "".join(lines)


def _path_to_modules(code: str, file: Path) -> str:
    """Write code that finds the modules next to a file, if the file imports any."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [a.name for n in nodes if isinstance(n, ast.Import) for a in n.names]
    names += [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
    folder = file.resolve().parent
    roots = [folder / name.partition(".")[0] for name in names if name]
    if not any(root.is_dir() or root.with_suffix(".py").exists() for root in roots):
        return ""
    return f"\nimport sys\n\nsys.path.insert(0, {str(folder)!r})  # its modules\n"
