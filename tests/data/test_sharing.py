"""Promises of memory: the images are there once, however many workers map them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tuner.data.dataset import load_dataset, open_arrays, save_arrays

# A process of its own trains one step on mapped images, and says what is its own.
_TRAIN = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
import numpy as np
from tasks import SMALL, task, train
from tuner.data.dataset import open_arrays
from dataclasses import replace

def own():
    found = {}
    for path in Path("/proc/self/smaps").read_text().split("VmFlags:"):
        if "x_train.npy" in path:
            for line in path.splitlines():
                if line.startswith("Private_Dirty:"):
                    found["mapped, copied"] = int(line.split()[1])
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            found["own"] = int(line.split()[1])
    return found

data = open_arrays(Path(sys.argv[1]))
data.x_train.flags.writeable = sys.argv[2] == "writable"  # not so out of Ray's store
config = replace(SMALL, epochs=1, batch_size=64, filters=(2,))
few = np.arange(64)
small = replace(
    data,
    x_train=data.x_train[few],
    y_train=data.y_train[few],
    train=few[:50],
    validation=few[50:],
)
train(task(config), small)
before = own()
train(task(config), replace(data, train=data.train[:50]))
after = own()
whole = data.x_train.nbytes // 1024
print(after["mapped, copied"], after["own"] - before["own"], whole)
"""


def test_what_a_process_writes_to_mapped_images_stays_its_own(tmp_path):
    """The file is the same for the next that opens it."""
    data = load_dataset(
        "digits", None, limit=200, validation_split=0.2, seed=0, say=lambda _: None
    )
    save_arrays(data, tmp_path)
    first = open_arrays(tmp_path)
    first.x_train[:] = 255
    assert np.array_equal(open_arrays(tmp_path).x_train, data.x_train)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
@pytest.mark.parametrize("kind", ["writable", "read-only"])
def test_a_training_copies_no_images(tmp_path, kind):
    """256 MiB of images, and a training that takes a small part of that."""
    rng = np.random.default_rng(0)
    shape = (85_000, 32, 32, 3)
    images = rng.integers(0, 256, shape, np.uint8)
    labels = np.arange(len(images)) % 10
    np.savez(
        tmp_path / "large.npz",
        x_train=images,
        y_train=labels,
        x_test=images[:500],
        y_test=labels[:500],
    )
    data = load_dataset(
        None,
        tmp_path / "large.npz",
        limit=None,
        validation_split=0.01,
        seed=0,
        say=lambda _: None,
    )
    save_arrays(data, tmp_path / "arrays")
    done = subprocess.run(
        [sys.executable, "-c", _TRAIN, tmp_path / "arrays", kind],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    copied, grown, whole = map(int, done.stdout.split())
    assert whole > 240_000
    assert copied == 0
    assert grown < whole / 4
