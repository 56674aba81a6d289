"""AutoKeras's image classifier, in a given time.

    autokeras_script.py DATA.npz SECONDS SEED OUT.json

AutoKeras has no limit of time, so a callback ends its search after 90 % of it, and the
best model so far is taken.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import autokeras as ak
import keras_tuner as kt
import numpy as np
from timed import Until

started = time.monotonic()
within, seed = float(sys.argv[2]), int(sys.argv[3])
data = np.load(sys.argv[1])
x_train, x_test = data["x_train"], data["x_test"]
y_train, y_test = (data[f"y_{part}"].reshape(-1) for part in ("train", "test"))
order = np.random.default_rng(seed).permutation(len(x_train))


def stop() -> None:
    """End the search."""
    raise kt.errors.FatalRuntimeError("The time is up.")


with tempfile.TemporaryDirectory() as folder:
    classifier = ak.ImageClassifier(max_trials=1000, seed=seed, directory=folder)
    with suppress(kt.errors.FatalRuntimeError):
        classifier.fit(
            x_train[order],
            y_train[order],
            validation_split=0.1,
            callbacks=[Until(started + 0.9 * within, stop)],
            verbose=0,
        )
    tuner = classifier.tuner
    trials = len(tuner.oracle.trials)
    ended = [t for t in tuner.oracle.trials.values() if t.score is not None]
    result = {"test_accuracy": None, "trials": trials, "ended": len(ended)}
    if ended:
        model = classifier.export_model()
        predicted = model.predict(x_test, verbose=0)
        if predicted.shape[-1] == 1:  # two classes
            predicted = np.hstack([1 - predicted, predicted])
        result["test_accuracy"] = float((predicted.argmax(1) == y_test).mean())
Path(sys.argv[4]).write_text(json.dumps(result), encoding="utf-8")
