"""Promises of loading: what is not used is not loaded, what is not there not needed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Says of packages that they are not installed, before anything is loaded.
MISSING = """
import sys
class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {names} or name.partition(".")[0] in {names}:
            raise ModuleNotFoundError("No module named " + name, name=name)
sys.meta_path.insert(0, Missing)
"""
# What `make install` does not bring and the tests have.
EXTRAS = {"jax", "jaxlib", "torch", "ray", "optuna", "tensorboard", "statsmodels"}


def _run(*lines, missing=(), **environment):
    program = MISSING.replace("{names}", repr(set(missing))) + "\n".join(lines)
    variables = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={name: value for name, value in variables.items() if value},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()


HEAVY = (
    'print(*sorted({"jax", "tensorflow", "sklearn", "matplotlib"} & set(sys.modules)))'
)
BACKEND = "import keras; print(keras.backend.backend())"


@pytest.mark.parametrize("missing", [(), EXTRAS])
def test_proposing_loads_no_tensors(missing):
    """Whether JAX is installed or not, though Keras's NumPy backend wants it."""
    load = "from tuner.training import loading; loading.load_keras_tuner()"
    assert _run(load, HEAVY, BACKEND, missing=missing) == ["numpy"]


def test_what_was_hidden_loads_afterwards():
    """The next import finds the real packages, and the environment is as it was."""
    found = _run(
        "import os; from tuner.training import loading; loading.load_keras_tuner()",
        "import jax, matplotlib, sklearn; print(jax.__version__ > '0', *[",
        "m.__name__ for m in (matplotlib, sklearn)], os.environ['KERAS_BACKEND'])",
        KERAS_BACKEND="jax",
    )
    assert found == ["True", "matplotlib", "sklearn", "jax"]


def test_another_keras_brings_its_own_backend():
    """Where the NumPy backend does not load, the one that was asked for does."""
    load = "from tuner.training import loading; loading.load_keras_tuner()"
    missing = ["keras.src.backend.numpy.nn"]
    assert _run(load, BACKEND, missing=missing, KERAS_BACKEND="jax") == ["jax"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_worker_loads_its_backend_alone(backend):
    """Keras's wrappers and galleries stay out."""
    load = (
        "from tuner.training import worker;"
        "print(worker.load_backend('cpu', 1, user_code=False).on_gpu)"
    )
    missing = EXTRAS - {"jax", "jaxlib"} if backend == "jax" else EXTRAS
    on_gpu, *loaded = _run(load, HEAVY, missing=missing, KERAS_BACKEND=backend)
    assert (on_gpu, loaded) == ("False", [backend])


def test_a_users_own_code_finds_all_of_keras():
    """Its wrappers and galleries, and KerasTuner's tuners that need scikit-learn."""
    found = _run(
        "from tuner.training import worker; worker.load_backend('cpu', 1)",
        "import keras, keras_tuner",
        "keras.wrappers.SKLearnClassifier(keras.Sequential())",
        "keras_tuner.oracles.BayesianOptimizationOracle('loss', max_trials=1)",
        "print('all')",
    )
    assert found == ["all"]


def test_the_backend_may_be_chosen_in_keras_own_file(tmp_path):
    """`keras.json`, where no variable names one."""
    (tmp_path / "keras.json").write_text('{"backend": "jax"}', encoding="utf-8")
    load = "from tuner.training import loading; loading.load_keras()"
    found = _run(load, BACKEND, KERAS_HOME=str(tmp_path), KERAS_BACKEND="")
    assert found == ["jax"]


@pytest.mark.slow
def test_every_command_works_without_what_the_tests_need(tmp_path):
    """Search, verdicts, pages and exports, with the plain installation's packages."""
    (tmp_path / "sitecustomize.py").write_text(
        MISSING.replace("{names}", repr(EXTRAS)), encoding="utf-8"
    )
    small = ["--dataset", "digits", "--limit", "200", "--epochs", "1"]
    study = "architecture-digits"
    commands = [
        ["--space", "architecture", *small, "-n", "2"],
        ["--space", "hyperparams", *small, "-n", "6", "--algorithm", "bayesian"],
        ["confirm", study, "--seeds", "2", "--top", "1"],
        ["report"],
        ["list"],
        ["show", study],
        ["export", study, "--output", "model.keras"],
        ["export", study, "--script", "--output", "train.py"],
        ["export", study, "--to", "csv"],
    ]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "tuner", *command],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in {0, 1}, (command, done.stderr)
        assert "Traceback" not in done.stderr, (command, done.stderr)
        assert "No module named" not in done.stderr, (command, done.stderr)
    assert (tmp_path / "model.keras").exists()
    assert (tmp_path / "runs/comparison.html").exists()
