"""Promises about folders of images that are larger than memory should hold."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tuner.data import cache, dataset, folders
from tuner.data.dataset import DatasetError

SIZE = (5, 6)


def load(folder, **options):
    """Load with the command line's defaults."""
    settings = {"limit": None, "validation_split": 0.5, "seed": 0} | options
    return dataset.load_dataset(None, folder, say=lambda _: None, **settings)


def write_folder(path, splits=("train", "test"), mode="L"):
    """Write 14 images a split, each of its own pixels."""
    rng = np.random.default_rng(1)
    for split in splits:
        for name, count in (("cat", 8), ("dog", 6)):
            (path / split / name).mkdir(parents=True)
            for i in range(count):
                shape = SIZE[::-1] + ((3,) if mode == "RGB" else ())
                pixels = rng.integers(0, 256, shape, np.uint8)
                Image.fromarray(pixels).save(path / split / name / f"{i}.png")
    return path


def have_little_memory(monkeypatch, tmp_path):
    monkeypatch.setenv("TUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(folders, "memory_bytes", lambda: 400)
    return tmp_path / "cache"


@pytest.fixture
def little_memory(monkeypatch, tmp_path):
    """Let every folder of images be large, and keep its pixels in a folder."""
    return have_little_memory(monkeypatch, tmp_path)


def _same(one, other):
    """Whether two datasets hold the same images in the same splits."""
    assert (one.fingerprint, one.split) == (other.fingerprint, other.split)
    for x, y, splits in (
        ("x_train", "y_train", ("train", "validation")),
        ("x_test", "y_test", ("test",)),
    ):
        for split in splits:
            for name in (x, y):
                first = getattr(one, name)[getattr(one, split)]
                second = getattr(other, name)[getattr(other, split)]
                np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("mode", ["L", "RGB", "mixed"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"limit": 4, "validation_split": 0.5},
        {"test_split": 0.5, "limit": 4},
        {"image_size": 3},
    ],
)
def test_mapped_images_are_those_that_memory_would_hold(
    tmp_path, monkeypatch, mode, options
):
    """Pixels, splits and fingerprints; also after another split, and for workers."""
    splits = ("train",) if "test_split" in options else ("train", "test")
    folder = write_folder(tmp_path / "pets", splits, "RGB" if mode == "RGB" else "L")
    if mode == "mixed":  # colour comes last
        Image.new("RGB", SIZE, (1, 2, 3)).save(max(folder.rglob("*.png")))
    plain = load(folder, **options)
    have_little_memory(monkeypatch, tmp_path)
    large = load(folder, **options)

    assert dataset.is_mapped(large.x_train)
    assert not dataset.is_mapped(plain.x_train)
    _same(plain, large)
    dataset.save_arrays(large, tmp_path / "arrays")
    assert not list((tmp_path / "arrays").glob("x_*"))
    opened = dataset.open_arrays(tmp_path / "arrays")
    assert Path(opened.x_train.filename) == large.x_train.filename
    _same(plain, opened)
    if len(plain.validation):
        _same(dataset.resplit(plain, 5), dataset.resplit(opened, 5))


def test_mapped_images_are_decoded_once_until_a_file_changes(
    tmp_path, monkeypatch, little_memory
):
    """By name, size and time; what they were decoded to before is removed."""
    folder = write_folder(tmp_path / "pets")
    first = load(folder)
    with monkeypatch.context() as patch:
        patch.setattr(cache, "decode", None)
        again = load(folder)
    _same(first, again)

    files = {p.name for p in little_memory.rglob("*.npy")}
    os.utime(min(folder.rglob("*.png")), (1, 1))
    _same(first, load(folder))
    now = {p.name for p in little_memory.rglob("*.npy")}
    assert len(now) == len(files) == 2
    assert not now & files
    shutil.rmtree(little_memory)
    _same(first, load(folder))


@pytest.mark.parametrize("pattern", ["*-train.npy", "*-test.npy", "*.json"])
def test_a_cache_that_is_damaged_is_decoded_again(tmp_path, little_memory, pattern):
    folder = write_folder(tmp_path / "pets")
    first = load(folder)
    (file,) = little_memory.rglob(pattern)
    content = file.read_bytes()
    file.unlink()  # what is mapped stays as it was
    file.write_bytes(content[:-20])
    _same(first, load(folder))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a full disk")
def test_a_disk_that_fills_up_is_an_error_in_words(
    tmp_path, monkeypatch, little_memory
):
    """Nothing is left behind."""
    folder = write_folder(tmp_path / "pets")

    @contextmanager
    def full(path, mode="w"):
        with Path("/dev/full").open(mode) as file:
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(cache, "atomic_file", full)
        with pytest.raises(DatasetError, match=r"No space left on device.*TUNE_CACHE"):
            load(folder)
    assert not [p for p in little_memory.rglob("*") if not p.name.endswith(".lock")]

    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DatasetError, match=r"failed: .*only 0.0 GB are free"):
        load(folder)


def test_an_image_that_cannot_be_read_leaves_no_pixels(tmp_path, little_memory):
    folder = write_folder(tmp_path / "pets")
    max(folder.rglob("*.png")).write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"must be a readable jpg or png image"):
        load(folder)
    assert not [p for p in little_memory.rglob("*") if not p.name.endswith(".lock")]


@pytest.mark.slow
def test_a_node_without_the_file_gets_a_copy(tmp_path, monkeypatch, little_memory):
    """Piece by piece; once it has one it needs no pieces, and no stale ones stay."""
    import ray

    from tuner.workers import ray_images

    monkeypatch.setattr(ray, "put", lambda piece: piece.copy())
    monkeypatch.setattr(ray, "get", lambda piece: piece)
    monkeypatch.setattr(ray_images, "_PIECE_BYTES", 100)  # three images
    data = load(write_folder(tmp_path / "pets"))
    dataset.save_arrays(data, tmp_path / "arrays")
    parcel = ray_images.pack(dataset.open_arrays(tmp_path / "arrays"))
    assert parcel.data.x_train.shape == (0, 6, 5, 1)
    _same(data, ray_images.unpack(parcel, None))

    pieces = ray_images.cut(parcel)
    assert {len(parts) for parts in pieces.values()} == {5}
    little_memory.rename(tmp_path / "elsewhere")
    assert ray_images.unpack(parcel, None) is None
    entry = little_memory / Path(data.x_train.filename).parent.name
    entry.mkdir(parents=True)
    (entry / "stale-train.npy").touch()
    _same(data, ray_images.unpack(parcel, pieces))
    _same(data, ray_images.unpack(parcel, None))
    assert len(list(entry.iterdir())) == 2

    shutil.rmtree(little_memory)

    def fails(piece):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ray, "get", fails)
    with pytest.raises(OSError, match="No space left"):
        ray_images.unpack(parcel, pieces)
    assert not list(little_memory.rglob("*.npy*"))
