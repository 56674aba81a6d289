"""Load, limit and split a study's dataset, and hand it to workers.

Images stay uint8, 0..255; networks rescale them.
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
    """Images and labels of one study, and the indices of each split.

    Attributes:
        name: "cifar10", or the name of the user's file or folder.
        x_train: Training and validation images together: uint8 in 0..255, shape
            (n, height, width, channels), channels 1 or 3. If mapped from disk, it
            includes the images that a limit excludes.
        y_train: Their class ids, 0..len(classes)-1, int32, shape (n,).
        x_test: Test images, perhaps among others, shape (m, height, width, channels);
            x_train itself if the test set was split off mapped images.
        y_test: Their class ids, int32, shape (m,).
        classes: The classes' names, by id.
        train: Sorted indices into x_train of the images to train on, int64.
        validation: Sorted indices into x_train, disjoint from train; empty without a
            validation split.
        test: Sorted indices into x_test.
        fingerprint: SHA-256 (hex) of all images and labels, before any limit. A
            jpg's pixels may differ by 1 between versions of its decoder.
        split: SHA-256 (hex) of the fingerprint and of the indices in each split.
            Studies with the same split can be compared.
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
    """Draw another stratified split of the non-test images, of the same sizes.

    Args:
        data: A dataset with a validation split.
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
    """Load a named dataset or a user's own, and split it.

    Args:
        name: One of NAMES, or None if `path` is set.
        path: An .npz file or a folder of images, or None if `name` is set.
        limit: Number of training images to use, validation included: a stratified,
            seeded subset. None uses all. All test images are always used.
        validation_split: Fraction of every class to hold out, 0 <= f < 1; 0 for none.
        seed: Draws the subset and both splits; equal inputs give equal splits.
        image_size: Height and width to resize to, in pixels.
        test_split: Fraction of every class that becomes the test set, for a folder
            without one.
        say: Receives one-line notes for the terminal.

    Raises:
        DatasetError: The data or an option are invalid; the message says how to fix
            it.
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
    data_hash = images.fingerprint or fingerprint(x_train, y_train, x_test, y_test)

    non_test, test = np.arange(len(y_train)), np.arange(len(y_test))
    held_out = np.arange(0)
    if test_split is not None:
        todo = "Add images of that class"
        _check_counts(y_train, images.classes, 2, "with --test-split", todo)
        non_test, held_out = stratified_split(
            y_train, test_split, _derive(seed, "test")
        )
        x_test, y_test, test = x_train, y_train, held_out
    subset = _limit(
        y_train[non_test],
        images.classes,
        limit=limit,
        validation_split=validation_split,
        seed=seed,
        say=say,
    )
    used = non_test[subset]
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
        fingerprint=data_hash,
        split=fingerprint(held_out, subset[train], subset[validation], start=data_hash),
    )
    return data if is_mapped(x_train) else _compact(data)


def is_mapped(images: np.ndarray) -> bool:
    """Whether images are memory-mapped from a file."""
    return isinstance(images, np.memmap)


def _compact(data: Dataset) -> Dataset:
    """Drop the images that no split uses."""
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
    """Write a dataset where workers can open it, each file atomically.

    Images that are mapped from a file are not copied.
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
    fields = {name: getattr(dataset, name) for name in _IN_JSON}
    with atomic_file(folder / "dataset.json") as file:
        json.dump({**fields, "files": files}, file)


def open_arrays(folder: Path) -> Dataset:
    """Open a dataset that `save_arrays` wrote, with memory-mapped images.

    All processes that open it share one copy of the images in memory. Arrays that were
    in memory when saved are copy-on-write: a process sees only its own changes.
    Arrays that were mapped are read-only.

    Raises:
        DatasetError: A file is missing or damaged.
    """
    try:
        fields = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        files = fields["files"]
        arrays = {
            name: np.load(
                files.get(name, folder / f"{name}.npy"),
                mmap_mode=_mode(name, files),
                allow_pickle=False,
            )
            for name in _ARRAYS
        }
        fields["classes"] = tuple(fields["classes"])
        return Dataset(**arrays, **{name: fields[name] for name in _IN_JSON})
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DatasetError(
            f"{folder} must contain a dataset that was saved for the workers, but it "
            f"cannot be opened: {error}. Remove the folder and start again."
        ) from error


def _mode(name: str, files: Mapping[str, str]) -> Literal["r", "c"] | None:
    """Return the `mmap_mode` of an array; copies of a mapped one might not fit."""
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
            "Use exactly one of --dataset and --data, got "
            f"--dataset {name} and --data {path}. Omit one of them."
        )
    if name is not None and name not in NAMES:
        raise DatasetError(
            f"--dataset must be one of {', '.join(NAMES)}, got {name}. "
            "Use --data for your own images."
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
            "--test-split is only for a folder of images without a test folder, got "
            f"{path or name}, which has a test set. Omit --test-split."
        )
    for option, value in (("--limit", limit), ("--image-size", image_size)):
        if value is not None and value < 1:
            raise DatasetError(
                f"{option} must be at least 1, got {value}. Omit it to use "
                f"{'all images' if option == '--limit' else 'the original size'}."
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
    problem = "a file of another type" if path.exists() else "which does not exist"
    raise DatasetError(
        f"--data must be an .npz file or a folder of images, got {path}, {problem}. "
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
    """Choose the training images to use; return their sorted indices."""
    need = 2 if validation_split else 1
    todo = "Add images of that class"
    _check_counts(labels, classes, need, "with --validation-split", todo)
    if limit is None or limit >= len(labels):
        if limit is not None and limit > len(labels):
            say(f"--limit {limit:,} uses all {len(labels):,} training images")
        return np.arange(len(labels))
    subset = stratified_subset(labels, limit, _derive(seed, "limit"))
    fewest = np.bincount(labels).min()
    todo = f"Use --limit {math.ceil(need * len(labels) / fewest)} or more"
    _check_counts(labels[subset], classes, need, f"under --limit {limit}", todo)
    return subset


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
