"""The script a user would write from KerasTuner's guide: float arrays, plain `fit`.

    plain_script.py DATA.npz EPOCHS OUT.json

It needs tensorboard, which `keras_tuner.Tuner` imports in every trial.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import keras_tuner as kt
import numpy as np
from configs import CONFIGS
from plain_model import build, evaluate

data = np.load(sys.argv[1])
parts = {
    name: (data[f"x_{name}"] / 255.0, data[f"y_{name}"])
    for name in ("train", "val", "test")
}
results = []


class HyperModel(kt.HyperModel):
    """Filters, dense units and pooling, as the guide builds them."""

    def build(self, hp):
        config = hp.Choice("config", list(range(len(CONFIGS))))
        return build(CONFIGS[config], parts["train"][0].shape[1:])

    def fit(self, hp, model, *args, **kwargs):
        config = hp.get("config")
        history = model.fit(*args, batch_size=CONFIGS[config][3], **kwargs)
        results.append({"config": config, "accuracies": evaluate(model, parts)})
        return history


with tempfile.TemporaryDirectory() as folder:
    tuner = kt.GridSearch(HyperModel(), objective="val_accuracy", directory=folder)
    tuner.search(
        *parts["train"],
        epochs=int(sys.argv[2]),
        validation_data=parts["val"],
        verbose=0,
    )
results.sort(key=lambda result: result["config"])
Path(sys.argv[3]).write_text(json.dumps(results), encoding="utf-8")
