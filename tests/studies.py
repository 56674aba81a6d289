"""Write study folders with synthetic, plausible numbers, by `tuner.study.records`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.config import CnnConfig
from tuner.study import record_files, records
from tuner.study.records import Execution, Rung, StudyRecord, TrialRecord
from tuner.study.schema import SCHEMA

ARCHITECTURE = [
    {"name": "conv_layers", "type": "int", "default": 1, "min": 1, "max": 3,
     "step": 1, "sampling": "linear"},
    {"name": "filters_1", "type": "choice", "default": 32,
     "values": [16, 32, 48, 64, 96, 128]},
    {"name": "filters_2", "type": "choice", "default": 32,
     "values": [16, 32, 48, 64, 96, 128]},
    {"name": "filters_3", "type": "choice", "default": 32,
     "values": [16, 32, 48, 64, 96, 128]},
    {"name": "kernel_size", "type": "choice", "default": 3, "values": [3, 5]},
    {"name": "pooling", "type": "choice", "default": "none",
     "values": ["none", "max", "average"]},
    {"name": "dense_layers", "type": "int", "default": 1, "min": 0, "max": 2,
     "step": 1, "sampling": "linear"},
    {"name": "units_1", "type": "int", "default": 128, "min": 32, "max": 512,
     "step": None, "sampling": "log"},
    {"name": "units_2", "type": "int", "default": 128, "min": 32, "max": 512,
     "step": None, "sampling": "log"},
]  # fmt: skip
HYPERPARAMS = [
    {"name": "epochs", "type": "int", "default": 5, "min": 1, "max": 10, "step": 1,
     "sampling": "linear"},
    {"name": "batch_size", "type": "choice", "default": 32,
     "values": [16, 32, 64, 128]},
    {"name": "learning_rate", "type": "float", "default": 0.001, "min": 1e-4,
     "max": 1e-2, "step": None, "sampling": "log"},
    {"name": "optimizer", "type": "choice", "default": "adam",
     "values": ["adam", "sgd", "rmsprop"]},
    {"name": "dropout", "type": "float", "default": 0.0, "min": 0.0, "max": 0.5,
     "step": None, "sampling": "linear"},
    {"name": "weight_decay", "type": "float", "default": 0.0, "min": 1e-6,
     "max": 1e-2, "step": None, "sampling": "log"},
]  # fmt: skip
SPACES = {"architecture": ARCHITECTURE, "hyperparams": HYPERPARAMS, "published": []}
SETTINGS = {
    "space": "architecture",
    "algorithm": "random",
    "max_trials": 50,
    "epochs": 5,
    "executions": 1,
    "objective": "val_accuracy",
    "seed": 0,
}
DATA = {
    "name": "cifar10",
    "fingerprint": "8d0c",
    "split": "5e1f",
    "train": 45_000,
    "validation": 5_000,
    "test": 10_000,
    "input_shape": [32, 32, 3],
    "classes": [
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
        "ship", "truck",
    ],
}  # fmt: skip

Change = Callable[[TrialRecord], TrialRecord]


def study_record(name: str, space: str = "architecture", **changes: Any) -> StudyRecord:
    """Make a completed study's record; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "study": name,
        "state": "completed",
        "created": "2025-03-01T09:30:00+00:00",
        "command": f"tune --space {space} --max-trials 50 --name {name}",
        "settings": {**SETTINGS, "space": space},
        "space": {
            "name": space,
            "hyperparameters": SPACES[space],
            "size": None,
            "source": None,
        },
        "data": DATA,
        "fingerprint": "f00d",
        "versions": {
            "tune": "0.1.0",
            "python": "3.11.9",
            "keras": "3.15.1",
            "tensorflow": "2.21.0",
            "backend": "tensorflow",
        },
        "hardware": {
            "device": "CPU, 2 threads",
            "cpu": "A processor",
            "cores": 2,
            "memory_bytes": 8 * 1024**3,
        },
        "plan": {"trials": 50, "epochs": 255},
        "commit": "522fa6a0c0ffee",
        "seconds": 5025.0,
    }
    return StudyRecord.from_json({"schema": SCHEMA, **fields, **changes})


def write(folder: Path, record: StudyRecord, trials: list[TrialRecord]) -> Path:
    """Write one study folder and return it."""
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    record_files.write_study(folder, record)
    for trial in trials:
        record_files.write_trial(folder, trial)
    return folder


def write_study(
    runs: Path,
    name: str = "architecture-cifar10",
    n: int = 5,
    *,
    space: str = "architecture",
    seed: int = 0,
    epochs: int = 5,
    executions: int = 1,
    failures: float = 0.0,
    change: Change = lambda trial: trial,
    **fields: Any,
) -> Path:
    """Write a study of `n` trials, the baseline counted, into `runs/name`.

    Fast for thousands of trials: the records do not go through `fsync`.
    """
    rng = np.random.default_rng(seed)
    record = study_record(name, space, **fields)
    folder = runs / name
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    record_files.write_study(folder, record)
    for number in range(n):
        config = CnnConfig() if number == 0 else sample(space, rng)
        trial = make_trial(
            number, config, rng, epochs=epochs, executions=executions, failures=failures
        )
        dump(folder, change(trial))
    return folder


def dump(folder: Path, trial: TrialRecord) -> None:
    """Write a trial's record without waiting for the disk."""
    import json

    path = record_files.trial_path(folder, trial.trial)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records.to_json(trial)), encoding="utf-8")


def sample(space: str, rng: np.random.Generator) -> CnnConfig:
    """Draw a config of `architecture` or `hyperparams`."""
    if space == "hyperparams":
        return CnnConfig(
            epochs=int(rng.integers(1, 11)),
            batch_size=int(rng.choice([16, 32, 64, 128])),
            learning_rate=round(float(10 ** rng.uniform(-4, -2)), 6),
            optimizer=str(rng.choice(["adam", "sgd", "rmsprop"])),
            dropout=round(float(rng.uniform(0, 0.5)), 3),
            weight_decay=round(float(10 ** rng.uniform(-6, -2)), 8),
        )
    filters = [int(rng.choice([16, 32, 48, 64, 96, 128])) for _ in range(3)]
    units = [int(2 ** rng.uniform(5, 9)) for _ in range(2)]
    return CnnConfig(
        filters=tuple(filters[: rng.integers(1, 4)]),
        kernel_size=int(rng.choice([3, 5])),
        pooling=str(rng.choice(["none", "max", "average"])),
        units=tuple(units[: rng.integers(0, 3)]),
    )


def make_trial(
    number: int,
    config: CnnConfig,
    rng: np.random.Generator,
    *,
    epochs: int = 5,
    executions: int = 1,
    failures: float = 0.0,
    name: str | None = None,
    rungs: tuple[Rung, ...] = (),
    validation: bool = True,
) -> TrialRecord:
    """Make a finished trial whose numbers follow from its config, with noise."""
    if number and rng.random() < failures:
        return TrialRecord(
            trial=number,
            status="failed",
            config=config.to_dict(),
            values=config.to_dict(),
            rungs=rungs or (Rung(epochs, proposed=2 * number, told=2 * number + 1),),
            error="out of memory: 9.8 M parameters" if rng.random() < 0.7
            else "loss became NaN in epoch 2",
        )  # fmt: skip
    length = config.epochs if not rungs and config.epochs != 5 else epochs
    runs = tuple(
        _execution(i, config, length, rng, validation=validation)
        for i in range(executions)
    )
    score = float(np.mean([r.val_accuracy for r in runs])) if validation else None
    return TrialRecord(
        trial=number,
        status="completed",
        config=config.to_dict(),
        values=config.to_dict() if number else {},
        name=name or (None if number else "baseline"),
        rungs=rungs
        or (Rung(length, proposed=2 * number, told=2 * number + 1, score=score),),
        executions=runs,
    )


def _execution(
    index: int,
    config: CnnConfig,
    epochs: int,
    rng: np.random.Generator,
    *,
    validation: bool,
) -> Execution:
    size, params = 32.0, 0
    channels = 3
    for filters in config.filters:
        params += filters * (channels * config.kernel_size**2 + 1)
        channels = filters
        size -= config.kernel_size - 1
        if config.pooling != "none":
            size //= 2
    flat = int(size * size * channels)
    for units in (*config.units, 10):
        params += units * (flat + 1)
        flat = units
    capacity = np.log10(params)
    rate = abs(np.log10(config.learning_rate) + 3)
    ceiling = 0.50 + 0.05 * len(config.filters) + 0.06 * (config.pooling != "none")
    ceiling += 0.02 * config.dropout - 0.07 * rate**2 + 0.02 * (capacity - 5)
    ceiling -= 0.04 * (config.optimizer == "sgd")
    overfit = max(0.0, 0.03 * (capacity - 4.2)) * (1 - config.dropout)
    steps = np.arange(1, epochs + 1)
    learned = 1 - np.exp(-0.55 * steps)
    train = np.clip(ceiling * learned + overfit * steps * 0.55, 0.1, 0.995)
    val = np.clip(ceiling * learned - overfit * 0.12 * np.maximum(steps - 4, 0), 0.1, 1)
    val = np.clip(val + rng.normal(0, 0.006, epochs), 0.05, 0.99)
    final_train = float(np.clip(train[-1] + 0.03, 0, 0.999))
    final_val = round(float(val[-1]) * 5000) / 5000
    final_test = round((float(val[-1]) + rng.normal(0, 0.004)) * 10_000) / 10_000
    seconds = float(epochs * (2 + params / 60_000) * rng.uniform(0.9, 1.2))
    history = {
        "accuracy": [round(float(v), 4) for v in train],
        "loss": [round(float(-np.log(v)), 4) for v in train],
    }
    if validation:
        history["val_accuracy"] = [round(float(v), 4) for v in val]
        history["val_loss"] = [round(float(-1.6 * np.log(v)), 4) for v in val]
    return Execution(
        execution=index,
        seed=int(rng.integers(2**31)) if index else 1234,
        epochs=epochs,
        history=history,
        train_accuracy=round(final_train, 4),
        train_loss=round(float(-np.log(final_train)), 4),
        val_accuracy=final_val if validation else None,
        val_loss=round(float(-1.6 * np.log(final_val)), 4) if validation else None,
        test_accuracy=final_test,
        test_loss=round(float(-1.6 * np.log(final_test)), 4),
        params=params,
        seconds=round(seconds, 2),
        train_seconds=round(seconds * 0.93, 2),
        device="CPU, 2 threads",
    )


def write_hyperband(runs: Path, name: str = "hyperband-cifar10") -> Path:
    """Write lineages of 2, 4 and 10 epochs; the shortest has the highest score."""
    rng = np.random.default_rng(3)
    settings = {**SETTINGS, "algorithm": "hyperband", "epochs": 10}
    record = study_record(name, settings=settings)
    lengths = [10] + [2] * 14 + [4] * 7 + [10] * 5
    trials = []
    for number, last in enumerate(lengths):
        steps = [e for e in (2, 4, 10) if e <= last]
        rungs = tuple(
            Rung(e, proposed=100 * i + number, told=100 * i + number + 50)
            for i, e in enumerate(steps)
        )
        config = CnnConfig() if number == 0 else sample("architecture", rng)
        trials.append(make_trial(number, config, rng, epochs=last, rungs=rungs))
    short = trials[1]
    lucky = dataclasses.replace(short.executions[0], val_accuracy=0.9)
    trials[1] = dataclasses.replace(short, executions=(lucky,))
    return write(runs / name, record, trials)


def write_published(runs: Path, name: str = "published-cifar10") -> Path:
    """Write the nine published experiments: no validation split, no winner."""
    rng = np.random.default_rng(4)
    configs: Mapping[str, CnnConfig] = {
        "baseline": CnnConfig(),
        "filters-48": CnnConfig(filters=(48,)),
        "two-conv": CnnConfig(filters=(48, 48)),
        "three-conv": CnnConfig(filters=(32, 24, 12), units=(128, 64)),
        "four-conv": CnnConfig(filters=(32,) * 4, units=(128, 128)),
        "wide-output": CnnConfig(outputs=128),
        "epochs-10": CnnConfig(epochs=10),
        "combined-7": CnnConfig(outputs=128, epochs=7),
        "combined-256": CnnConfig(units=(256,), outputs=256, epochs=6),
    }
    data = {**DATA, "train": 50_000, "validation": 0, "split": "a11f"}
    trials = [
        make_trial(i, config, rng, name=key, validation=False)
        for i, (key, config) in enumerate(configs.items())
    ]
    record = study_record(name, "published", data=data, plan={"trials": 8})
    return write(runs / name, record, trials)


def write_candidates(
    folder: Path, changes: Mapping[str, tuple[CnnConfig, float]], kind: str, seeds: int
) -> Path:
    """Write a study of given configs, with predictions of a known test accuracy.

    Args:
        folder: Where.
        changes: Name to config and accuracy, a fraction; candidate 0 first.
        kind: "confirm", "try" or "noise".
        seeds: Trainings of each.
    """
    rng = np.random.default_rng(7)
    candidates = [
        {"name": name, "config": config.to_dict(), "values": {}, "looks": [seeds]}
        for name, (config, _) in changes.items()
    ]
    settings = {**SETTINGS, "kind": kind, "candidates": candidates, "max_trials": None}
    trials = [
        make_trial(i, config, rng, executions=seeds, name=name)
        for i, (name, (config, _)) in enumerate(changes.items())
    ]
    count = len(candidates)
    plan = {"trials": count - 1, "epochs": 5 * seeds * count}
    record = study_record(folder.name, settings=settings, plan=plan)
    write(folder, record, trials)
    labels = rng.integers(0, 10, 4000).astype(np.uint8)
    np.savez(record_files.labels_path(folder), test=labels)
    hardness = rng.random(4000)
    for i, (_, accuracy) in enumerate(changes.values()):
        for seed in range(seeds):
            right = hardness + rng.normal(0, 0.15, 4000) < accuracy
            path = record_files.predictions_path(folder, i, seed)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, test=np.where(right, labels, (labels + 1) % 10))
    return folder


TRIED = {
    "baseline": (CnnConfig(), 0.58),
    "filters=48": (CnnConfig(filters=(48,)), 0.585),
    "conv_layers=2 pooling=max": (CnnConfig(filters=(32, 32), pooling="max"), 0.66),
    "dropout=0.9": (CnnConfig(dropout=0.9), 0.5),
}


def shared_baseline(trial: TrialRecord) -> TrialRecord:
    """Give trial 0 the same numbers in every study, as equal seeds would."""
    if trial.trial:
        return trial
    return make_trial(0, CnnConfig(), np.random.default_rng(99))


def hostile(trial: TrialRecord) -> TrialRecord:
    """Put markup, a formula and TeX where a name, a value and an error go."""
    if trial.trial == 1:
        config = {**trial.config, "pooling": "</script><script>alert(1)</script>"}
        return dataclasses.replace(
            trial, name='<script>alert("name")</script>', config=config
        )
    if trial.trial == 2:
        config = {**trial.config, "pooling": "$x_1^{$ & \\frac <b>"}
        return dataclasses.replace(trial, name='=1+1,"x"\n', config=config)
    if trial.trial == 3:
        return TrialRecord(
            trial=3,
            status="failed",
            config=trial.config,
            error="<img src=x onerror=alert(1)> $",
        )
    return trial


def without_result(trial: TrialRecord) -> TrialRecord:
    """Cut every third trial's history after an epoch, as NaN does."""
    if trial.trial % 3 != 1:
        return trial
    execution = dataclasses.replace(
        trial.executions[0],
        epochs=1,
        history={k: v[:1] for k, v in trial.executions[0].history.items()},
        val_accuracy=None,
        val_loss=None,
        train_loss=None,
        test_loss=None,
    )
    return dataclasses.replace(trial, executions=(execution,))


def scored(scores: Sequence[float], params: Sequence[int] | None = None) -> Change:
    """Make a change that gives trial i the validation accuracy scores[i]."""

    def change(trial: TrialRecord) -> TrialRecord:
        size = params[trial.trial] if params else 1000
        run = dataclasses.replace(
            trial.executions[0], val_accuracy=scores[trial.trial], params=size
        )
        return dataclasses.replace(trial, executions=(run,))

    return change
