"""A study's dataset: what is loaded, limited, split, and handed to workers.

Images stay uint8, 0..255; a network rescales them itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from tuner.data.folders import read_folder
from tuner.data.named import NAMES, load_named
from tuner.data.npz import (
    ARRAYS,
    DatasetError,
    Images,
    Say,
    fingerprint,
    read_npz,
    resize,
)
from tuner.data.splits import stratified_split, stratified_subset
from tuner.system.files import atomic_file

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetError",
    "is_mapped",
    "load_dataset",
    "open_arrays",
    "resplit",
    "save_arrays",
    "stratified_split",
]

_ARRAYS = (*ARRAYS, "train", "validation", "test")
_IN_JSON = ("name", "classes", "fingerprint", "split")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one study, and which are for training.

    Attributes:
        name: "cifar10", or what a user's file or folder is called.
        x_train: Training and validation images together: uint8 in 0..255, shape
            (n, height, width, channels), channels 1 or 3. Those that a limit leaves
            out are in it where they are mapped from disk.
        y_train: Their class ids, 0..len(classes)-1, int32, shape (n,).
        x_test: Test images among others, shape (m, height, width, channels); x_train
            itself where they were split off from mapped images.
        y_test: Their class ids, int32, shape (m,).
        classes: The classes' names, by id.
        train: Sorted indices into x_train of the images to train on, int64.
        validation: Sorted indices into x_train, disjoint from train; empty without a
            validation split.
        test: Sorted indices into x_test.
        fingerprint: SHA-256 (hex) of all images and labels, before any limit. A
            jpg's pixels may differ by 1 between versions of its decoder.
        split: SHA-256 (hex) of the fingerprint and of which images are in train
            and validation: studies with one split can be compared.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    fingerprint: str
    split: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height and width in pixels, and channels."""
        _, height, width, channels = self.x_train.shape
        return height, width, channels


def resplit(data: Dataset, seed: int) -> Dataset:
    """Draw another stratified split of the non-test images, as large as the first.

    Args:
        data: Has a validation split.
        seed: Equal seeds give equal splits.
    """
    used = np.union1d(data.train, data.validation)
    share = len(data.validation) / len(used)
    train, validation = stratified_split(data.y_train[used], share, seed)
    split = fingerprint(train, validation, start=data.fingerprint)
    return replace(data, train=used[train], validation=used[validation], split=split)


def _to_stderr(text: str) -> None:
    sys.stderr.write(text + "\n")


def load_dataset(
    name: str | None,
    path: Path | None,
    *,
    limit: int | None,
    validation_split: float,
    seed: int,
    image_size: int | None = None,
    test_split: float | None = None,
    say: Say = _to_stderr,
) -> Dataset:
    """Load a named dataset or a user's, and split it.

    Args:
        name: One of NAMES; None with `path`.
        path: An .npz file or a folder of images; None with `name`.
        limit: Training images to use, validation included: a stratified, seeded
            subset. None for all. The test set is always whole.
        validation_split: Share of every class held out, 0 <= f < 1; 0 for none.
        seed: Chooses the subset and both splits; equal inputs give equal splits.
        image_size: Height and width to resize to, in pixels.
        test_split: Share of every class that becomes the test set, for a folder
            without one.
        say: Gets one-line notes for the terminal.

    Raises:
        DatasetError: The data or an option do not do; the text says what does.
    """
    _check_options(
        name=name,
        path=path,
        limit=limit,
        validation_split=validation_split,
        image_size=image_size,
        test_split=test_split,
    )
    if path is not None:
        images = _read_path(path, image_size, test_split, say)
        title = path.stem if path.is_file() else path.resolve().name
    else:
        title = str(name)
        images = load_named(title, say)
    x_train, x_test = images.x_train, images.x_test
    if image_size is not None:
        x_train, x_test = resize(x_train, image_size), resize(x_test, image_size)
    y_train = images.y_train.astype(np.int32)
    y_test = images.y_test.astype(np.int32)
    mark = images.fingerprint or fingerprint(x_train, y_train, x_test, y_test)

    rest, test, held = np.arange(len(y_train)), np.arange(len(y_test)), np.arange(0)
    if test_split is not None:
        todo = "Add images of that class"
        _check_counts(y_train, images.classes, 2, "with --test-split", todo)
        rest, held = stratified_split(y_train, test_split, _derive(seed, "test"))
        x_test, y_test, test = x_train, y_train, held
    kept = _limit(
        y_train[rest],
        images.classes,
        limit=limit,
        validation_split=validation_split,
        seed=seed,
        say=say,
    )
    used = rest[kept]
    train, validation = np.arange(len(used)), np.arange(0)
    if validation_split:
        train, validation = stratified_split(
            y_train[used], validation_split, _derive(seed, "validation")
        )
    data = Dataset(
        name=title,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=images.classes,
        train=used[train],
        validation=used[validation],
        test=test,
        fingerprint=mark,
        split=fingerprint(held, kept[train], kept[validation], start=mark),
    )
    return data if is_mapped(x_train) else _compact(data)


def is_mapped(images: np.ndarray) -> bool:
    """Whether images are mapped from a file."""
    return isinstance(images, np.memmap)


def _compact(data: Dataset) -> Dataset:
    """Leave out the images that no split uses."""
    used = np.union1d(data.train, data.validation)
    if len(used) < len(data.y_train):
        data = replace(
            data,
            x_train=data.x_train[used],
            y_train=data.y_train[used],
            train=np.searchsorted(used, data.train),
            validation=np.searchsorted(used, data.validation),
        )
    if len(data.test) < len(data.y_test):
        data = replace(
            data,
            x_test=data.x_test[data.test],
            y_test=data.y_test[data.test],
            test=np.arange(len(data.test)),
        )
    return data


def save_arrays(dataset: Dataset, folder: Path) -> None:
    """Write a dataset where workers can open it, each file whole or not at all.

    Images that are mapped from a file stay there.
    """
    folder.mkdir(exist_ok=True)
    files = {}
    for name in _ARRAYS:
        array = getattr(dataset, name)
        if isinstance(array, np.memmap):
            files[name] = str(array.filename)
            continue
        with atomic_file(folder / f"{name}.npy", "wb") as file:
            np.save(file, array, allow_pickle=False)
    rest = {name: getattr(dataset, name) for name in _IN_JSON}
    with atomic_file(folder / "dataset.json") as file:
        json.dump({**rest, "files": files}, file)


def open_arrays(folder: Path) -> Dataset:
    """Open what `save_arrays` wrote; the images stay on disk, memory-mapped.

    Processes that open it share one copy of the images in memory. What is written
    to arrays that were in memory stays with the process that wrote it; those that
    were mapped cannot be written to.

    Raises:
        DatasetError: A file is missing or damaged.
    """
    try:
        rest = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        files = rest["files"]
        arrays = {
            name: np.load(
                files.get(name, folder / f"{name}.npy"),
                mmap_mode=_mode(name, files),
                allow_pickle=False,
            )
            for name in _ARRAYS
        }
        rest["classes"] = tuple(rest["classes"])
        return Dataset(**arrays, **{name: rest[name] for name in _IN_JSON})
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DatasetError(
            f"{folder} must hold a dataset that was saved for the workers, but it "
            f"cannot be opened: {error}. Remove the folder and start again."
        ) from error


def _mode(name: str, files: Mapping[str, str]) -> Literal["r", "c"] | None:
    """Say how to map an array; private copies of a large one could exceed memory."""
    if name in files:
        return "r"
    return "c" if name.startswith("x_") else None


def _check_options(
    *,
    name: str | None,
    path: Path | None,
    limit: int | None,
    validation_split: float,
    image_size: int | None,
    test_split: float | None,
) -> None:
    if (name is None) == (path is None):
        raise DatasetError(
            "Exactly one of --dataset and --data must be given, got "
            f"--dataset {name} and --data {path}. Leave one out."
        )
    if name is not None and name not in NAMES:
        raise DatasetError(
            f"--dataset must be one of {', '.join(NAMES)}, got {name}. "
            "Give your own images with --data."
        )
    if not 0 <= validation_split < 1:
        raise DatasetError(
            "--validation-split must be at least 0 and below 1, got "
            f"{validation_split}. Use 0.1 to hold out a tenth, 0 for none."
        )
    if test_split is not None and not 0 < test_split < 1:
        raise DatasetError(
            f"--test-split must be between 0 and 1, got {test_split}. "
            "Use 0.2 to hold out a fifth."
        )
    if test_split is not None and (path is None or path.is_file()):
        raise DatasetError(
            "--test-split is for a folder of images without a test folder, got "
            f"{path or name}, which has a test set. Leave --test-split out."
        )
    for option, value in (("--limit", limit), ("--image-size", image_size)):
        if value is not None and value < 1:
            raise DatasetError(
                f"{option} must be 1 or more, got {value}. Leave it out for "
                f"{'all images' if option == '--limit' else 'the size as it is'}."
            )


def _read_path(
    path: Path, image_size: int | None, test_split: float | None, say: Say
) -> Images:
    if path.is_dir():
        return read_folder(
            path,
            image_size=image_size,
            without_test=test_split is not None,
            say=say,
        )
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_npz(path, say)
    found = "another file" if path.exists() else "nothing there"
    raise DatasetError(
        f"--data must be an .npz file or a folder of images, got {path}: {found}. "
        "Check the path."
    )


def _limit(
    labels: np.ndarray,
    classes: tuple[str, ...],
    *,
    limit: int | None,
    validation_split: float,
    seed: int,
    say: Say,
) -> np.ndarray:
    """Choose the training images to use, sorted indices."""
    need = 2 if validation_split else 1
    todo = "Add images of that class"
    _check_counts(labels, classes, need, "with --validation-split", todo)
    if limit is None or limit >= len(labels):
        if limit is not None and limit > len(labels):
            say(f"--limit {limit:,}: all {len(labels):,} training images are used")
        return np.arange(len(labels))
    kept = stratified_subset(labels, limit, _derive(seed, "limit"))
    fewest = np.bincount(labels).min()
    todo = f"Use --limit {math.ceil(need * len(labels) / fewest)} or more"
    _check_counts(labels[kept], classes, need, f"under --limit {limit}", todo)
    return kept


def _check_counts(
    labels: np.ndarray, classes: tuple[str, ...], need: int, when: str, todo: str
) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts.argmin())
    if counts[least] < need:
        raise DatasetError(
            f"Every class must have at least {need} training images {when}, but class "
            f"{classes[least]} has {counts[least]}. {todo}."
        )


def _derive(seed: int, purpose: str) -> int:
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
