"""Promises of what is exported from a study in bfloat16: it predicts as recorded."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import studies
from tasks import SMALL, digits, task, train

from tuner.study.folder import Study

# With Keras alone, in a process that has set no precision.
_PREDICT = """
import sys
import keras
import numpy as np

model = keras.saving.load_model("m.keras")
np.save("scores.npy", model.predict(np.load("images.npy"), batch_size=7, verbose=0))
assert not {"tuner", "search_spaces"} & set(sys.modules)
"""


def _study(folder, config):
    """Write a study of one trial, which was trained in bfloat16."""
    data = digits()
    stored = studies.DATA | {
        "input_shape": list(data.input_shape),
        "classes": list(data.classes),
    }
    path = studies.write_study(
        folder,
        n=1,
        epochs=config.epochs,
        data=stored,
        settings={**studies.SETTINGS, "space": "combined", "precision": "bfloat16"},
        change=lambda trial: dataclasses.replace(trial, config=config.to_dict()),
    )
    return Study.open(path)


@pytest.mark.slow
def test_a_network_predicts_as_recorded(tmp_path):
    """Loaded by Keras alone, it computes in bfloat16 and returns float32."""
    from tuner.export.network import write_model

    data, config = digits(), SMALL.changed({"learning_rate": 0.01, "epochs": 8})
    result = train(task(config, precision="bfloat16"), data)
    study = _study(tmp_path, config)
    study.put_state(0, 0, result.state)
    write_model(study, study.trials[0], tmp_path / "m.keras", retrain=pytest.fail)
    np.save(tmp_path / "images.npy", data.x_test[data.test])
    subprocess.run([sys.executable, "-c", _PREDICT], cwd=tmp_path, check=True)
    scores = np.load(tmp_path / "scores.npy")
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    # Another batch size may sum in another order, which can turn a near tie.
    first, second = np.sort(scores, axis=1)[:, :-3:-1].T
    clear = first - second > 0.01
    assert clear.mean() > 0.9
    predicted = scores.argmax(axis=1)
    np.testing.assert_array_equal(predicted[clear], result.test.predictions[clear])


def test_a_script_sets_the_precision(tmp_path):
    """Only of a study that has another than Keras's own."""
    from tuner.export.script import script

    study = _study(tmp_path, SMALL)
    line = '    keras.config.set_dtype_policy("mixed_bfloat16")\n    model = '
    assert line in script(study, study.trials[0])
    settings = study.record.settings.settled("float32")
    study.record = dataclasses.replace(study.record, settings=settings)
    assert "dtype_policy" not in script(study, study.trials[0])
