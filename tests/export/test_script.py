"""Promises of `tune export --script`: plain Keras, and the very network."""

from __future__ import annotations

import ast
import csv
import dataclasses
import json
import runpy
import subprocess
import sys

import numpy as np
import pytest
import studies
import user_spaces

from reports.pages.table import trials_table, write_csv
from reports.read.study import read_study
from reports.stats.ranking import rank
from search_spaces.config import CnnConfig

slow = pytest.mark.slow
CONFIGS = [
    CnnConfig(filters=(4,)),
    CnnConfig(filters=(8, 12), batch_norm=True, padding="same", units=()),
    CnnConfig(filters=(8,), pooling="average", dropout=0.2, optimizer="rmsprop"),
    CnnConfig(filters=(4,), optimizer="sgd", weight_decay=0.01, outputs=12),
    CnnConfig(
        filters=(4, 6, 8),
        kernel_size=5,
        pooling="max",
        pool_size=3,
        pool_every=2,
        batch_norm=True,
        units=(16, 8),
        dropout=0.4,
        weight_decay=0.001,
    ),
    CnnConfig(filters=(4,), kernel_size=1, units=(8, 8, 8), learning_rate=0.01),
    CnnConfig(
        filters=(4, 6, 8, 8),
        padding="same",
        activation="gelu",
        batch_norm=True,
        batch_norm_momentum=0.9,
        pooling="max",
        pool_every=2,
        pool_first=True,
        head="max",
        flip=True,
        shift=0.1,
        label_smoothing=0.1,
        schedule="one_cycle",
    ),
    CnnConfig(filters=(4,), head="average", activation="silu", schedule="cosine"),
]
_STEPS = 40


def _study(tmp_path, config, **settings):
    from dataclasses import replace

    from tuner.study.folder import Study

    def change(trial):
        return replace(trial, config=config.to_dict())

    folder = studies.write_study(tmp_path, n=1, change=change)
    text = json.loads((folder / "study.json").read_text())
    text["settings"] |= {"dataset": "cifar10", "data": None, **settings}
    (folder / "study.json").write_text(json.dumps(text))
    return Study.open(folder)


def _modules(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition(".")[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": "cifar10", "data": None},
        {"dataset": "digits", "data": None},
        {"dataset": None, "data": "it's mine.npz"},
        {"dataset": None, "data": "mine.npz", "limit": 3000},
        {"dataset": None, "data": "a folder"},
        {"dataset": None, "data": "a folder", "test_split": 0.2},
    ],
)
def test_a_script_is_python_that_needs_nothing_of_ours(tmp_path, settings):
    """Whatever the images are."""
    from tuner.export.script import script

    study = _study(tmp_path, CnnConfig(), **settings)
    text = script(study, study.trials[0])
    assert set(_modules(text)) <= {"keras", "numpy", "sklearn"}
    compile(text, "train.py", "exec")
    assert "5,000 for validation" in text
    assert ("and all after the first" in text) == bool(settings.get("limit"))
    assert max(map(len, text.splitlines())) <= 100


@slow
@pytest.mark.parametrize(
    ("config", "precision"),
    [*((config, "float32") for config in CONFIGS), (CONFIGS[1], "bfloat16")],
    ids=[*range(len(CONFIGS)), "bfloat16"],
)
def test_a_script_computes_what_the_trained_network_does(tmp_path, config, precision):
    """Equal outputs of equal weights, and equal weights after equal training steps."""
    import keras

    from search_spaces.model import build_model
    from tuner.export.script import script
    from tuner.training.networks import computing_in

    study = _study(tmp_path, config, precision=precision)
    path = tmp_path / "train.py"
    path.write_text(script(study, study.trials[0]), encoding="utf-8")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (8, 32, 32, 3)).astype("float32")
    labels = rng.integers(0, 10, 8)

    def trained(build, weights):
        keras.utils.set_random_seed(3)  # of dropout
        policy = keras.config.dtype_policy()
        model = build()
        keras.config.set_dtype_policy(policy)  # the script's stays set
        weights = weights or [_some(rng, weight) for weight in model.weights]
        model.set_weights(weights)
        model.run_eagerly = True  # to compile takes longer
        before = np.asarray(model(images, training=False))
        for _ in range(2):
            model.train_on_batch(images, labels)
        return weights, before, model.get_weights()

    def ours_in_its_precision():
        with computing_in(precision):
            return build_model(config, (32, 32, 3), 10, _STEPS)

    ours = trained(ours_in_its_precision, None)
    build = runpy.run_path(str(path))["build"]
    steps = [_STEPS] if config.is_scheduled else []
    theirs = trained(lambda: build(*steps), ours[0])
    np.testing.assert_allclose(theirs[1], ours[1], rtol=1e-4, atol=1e-5)
    assert np.ptp(ours[1], axis=0).min() > 1e-3  # they depend on the images
    for their, our, before in zip(theirs[2], ours[2], ours[0], strict=True):
        np.testing.assert_allclose(their, our, rtol=1e-4, atol=1e-5)
        assert not np.array_equal(our, before)


def _some(rng, weight):
    """Draw values for a weight: small variances, and kernels that keep the scale."""
    if "variance" in weight.name:
        return rng.uniform(0.01, 0.02, weight.shape)
    inputs = np.prod(weight.shape[:-1])  # 1 of a bias
    return rng.normal(0, np.sqrt(2 / inputs) if inputs > 1 else 0.1, weight.shape)


@slow
@pytest.mark.parametrize("top", [1.0, 255.0])
def test_a_script_reads_pixels_as_they_were_searched(tmp_path, top):
    """Floats from 0 to 1 too, which its network would take for black."""
    from tuner.data.dataset import load_dataset
    from tuner.export.script import script

    images = np.random.default_rng(0).uniform(0, top, (40, 8, 8, 1))
    labels = np.arange(40) % 2
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images, y_test=labels)
    study = _study(tmp_path, CnnConfig(), dataset=None, data=str(path))
    train = tmp_path / "train.py"
    train.write_text(script(study, study.trials[0]), encoding="utf-8")
    read, _, _, _ = runpy.run_path(str(train))["load"]()
    searched = load_dataset(None, path, limit=None, validation_split=0.2, seed=0)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, searched.x_train)


NEEDED = {"keras", "keras_tuner", "numpy", "sklearn"}
OF_THEIRS = """
if __name__ == "__main__":
    raise SystemExit("A search of their own")
"""


@slow
def test_a_script_of_a_users_own_code_runs(tmp_path):
    """Their file, but for its own use, and the values; KerasTuner and Keras alone."""
    code = f"from __future__ import annotations\n{user_spaces.CLASS}\n{OF_THEIRS}"
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    search = ["--space", "mine.py", "--dataset", "digits", "--limit", "300", "-n", "1"]
    run("-m", "tuner", *search, "--epochs", "2", "--no-report")
    run("-m", "tuner", "export", "mine-digits", "--script")
    text = (tmp_path / "train.py").read_text(encoding="utf-8")
    assert set(_modules(text)) - {"__future__"} <= NEEDED
    assert "'accuracy': 0." in run("train.py")
    assert (tmp_path / "trained.keras").exists()  # not the name that export takes
    assert "(x_test, y_test)" not in text  # the test set never chooses

    run("-m", "tuner", "export", "mine-digits", "--script")  # over its own
    (tmp_path / "train.py").write_text("# my own", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tuner", "export", "mine-digits", "--script"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--output must be a new file or a script that tune wrote" in done.stderr
    assert (tmp_path / "train.py").read_text(encoding="utf-8") == "# my own"


def test_a_table_is_the_pages_own(tmp_path):
    """Every trial and value; a formula stays text."""
    folder = studies.write_study(tmp_path, n=30, failures=0.2, space="hyperparams")
    path = tmp_path / "trials.csv"
    assert write_csv(folder, path) == 30
    study = read_study(folder)
    columns = trials_table(study, rank(study))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [column.key for column in columns]
    for column in columns:
        written = [row[column.key] for row in rows]
        assert written == ["" if v is None else str(v) for v in column.data]


def test_what_one_config_alone_has_is_in_the_table(tmp_path):
    """A config can be built again from its row."""

    def change(trial):
        config = dict(trial.config) | ({"filters_9": 16} if trial.trial == 1 else {})
        return dataclasses.replace(trial, config=config)

    study = read_study(studies.write_study(tmp_path, n=3, change=change))
    columns = {c.key: c.data for c in trials_table(study, rank(study))}
    assert sorted(columns["filters_9"], key=str) == [16, None, None]
