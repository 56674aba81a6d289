"""The script a user would write from Optuna's Keras example: a study over configs.

optuna_script.py DATA.npz EPOCHS OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import optuna
from configs import CONFIGS
from plain_model import build, evaluate

data = np.load(sys.argv[1])
parts = {
    name: (data[f"x_{name}"] / 255.0, data[f"y_{name}"])
    for name in ("train", "val", "test")
}
results = []


def objective(trial: optuna.Trial) -> float:
    """Train one config and give its validation accuracy."""
    config = trial.suggest_categorical("config", list(range(len(CONFIGS))))
    model = build(CONFIGS[config], parts["train"][0].shape[1:])
    model.fit(
        *parts["train"],
        batch_size=CONFIGS[config][3],
        epochs=int(sys.argv[2]),
        validation_data=parts["val"],
        verbose=0,
    )
    scores = evaluate(model, parts)
    results.append({"config": config, "accuracies": scores})
    return scores[1]


grid = optuna.samplers.GridSampler({"config": list(range(len(CONFIGS)))})
optuna.create_study(direction="maximize", sampler=grid).optimize(objective)
results.sort(key=lambda result: result["config"])
Path(sys.argv[3]).write_text(json.dumps(results), encoding="utf-8")
