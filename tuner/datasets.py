"""Datasets: named ones, a user's files, and their stratified splits.

Images stay uint8, 0..255; a network rescales them itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuner.image_files import (
    ARRAYS,
    DatasetError,
    Images,
    Say,
    read_folder,
    read_npz,
    resize,
)
from tuner.records import atomic_file

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetError",
    "load_dataset",
    "open_arrays",
    "save_arrays",
    "stratified_split",
    "stratified_subset",
]

NAMES = ("cifar10", "cifar100", "mnist", "fashion_mnist", "digits")

_DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock
cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange
orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
snail snake spider squirrel streetcar sunflower sweet_pepper table tank
telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
_CLASSES = {
    "cifar10": tuple(_CIFAR10.split()),
    "cifar100": tuple(_CIFAR100.split()),
    "mnist": _DIGITS,
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
# What Keras's cache holds after a download, and the download's size in MB.
_DOWNLOADS = {
    "cifar10": ("cifar-10-batches-py*", 170),
    "cifar100": ("cifar-100-python*", 169),
    "mnist": ("mnist.npz", 11),
    "fashion_mnist": ("fashion-mnist", 31),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of one study, and which are for training.

    Attributes:
        name: "cifar10", or what a user's file or folder is called.
        x_train: Training and validation images together, after any limit: uint8 in
            0..255, shape (n, height, width, channels), channels 1 or 3.
        y_train: Their class ids, 0..len(classes)-1, int32, shape (n,).
        x_test: Test images, shape (n_test, height, width, channels).
        y_test: Their class ids, int32, shape (n_test,).
        classes: The classes' names, by id.
        train: Sorted indices into x_train of the images to train on, int64.
        validation: Sorted indices of the others; empty without a validation split.
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
    fingerprint: str
    split: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Height and width in pixels, and channels."""
        _, height, width, channels = self.x_train.shape
        return height, width, channels


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
        images = _load_digits() if name == "digits" else _load_keras(title, say)
    x_train, y_train = images.x_train, images.y_train
    x_test, y_test = images.x_test, images.y_test
    if test_split is not None:
        _check_counts(
            y_train, images.classes, 2, "--test-split", "Add images of that class"
        )
        rest, held = stratified_split(y_train, test_split, _derive(seed, "test"))
        x_test, y_test = x_train[held], y_train[held]
        x_train, y_train = x_train[rest], y_train[rest]
    if image_size is not None:
        x_train, x_test = resize(x_train, image_size), resize(x_test, image_size)
    y_train, y_test = y_train.astype(np.int32), y_test.astype(np.int32)
    fingerprint = _hash(x_train, y_train, x_test, y_test)

    kept = _limit(
        y_train,
        images.classes,
        limit=limit,
        validation_split=validation_split,
        seed=seed,
        say=say,
    )
    if len(kept) < len(x_train):
        x_train, y_train = x_train[kept], y_train[kept]
    train, validation = np.arange(len(kept)), np.arange(0)
    if validation_split:
        train, validation = stratified_split(
            y_train, validation_split, _derive(seed, "validation")
        )
    return Dataset(
        name=title,
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        classes=images.classes,
        train=train,
        validation=validation,
        fingerprint=fingerprint,
        split=_hash(kept[train], kept[validation], start=fingerprint),
    )


def stratified_split(
    labels: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split image indices so that each class keeps its share on both sides.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        fraction: Share of every class held out, 0 < f < 1; within one image of it
            is held out, but at least one and never all.
        seed: Equal inputs give an equal split, 0 or larger.

    Returns:
        The indices that stay and those held out, shapes (n_stay,) and (n_held,),
        sorted, disjoint, together 0..n-1.

    Raises:
        DatasetError: A class has one image, or the fraction is outside (0, 1).
    """
    if not 0 < fraction < 1:
        raise DatasetError(
            f"fraction must be between 0 and 1, got fraction={fraction!r}. "
            "Take 0.1 to hold out a tenth."
        )
    counts = np.bincount(labels)
    if (counts == 1).any():
        raise DatasetError(
            "Every class must have at least 2 images to be split, got 1 in class "
            f"{np.flatnonzero(counts == 1)[0]}. Add images of it."
        )
    some = (counts > 0).astype(np.int64)
    held = _draw(
        labels, np.clip(_apportion(counts * fraction), some, counts - some), seed
    )
    stay = np.ones(len(labels), bool)
    stay[held] = False
    return np.flatnonzero(stay), held


def stratified_subset(labels: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose `size` image indices so that each class keeps its share.

    Args:
        labels: Class ids, integers from 0, shape (n,).
        size: How many, 0 to n; every class is within one image of its share.
        seed: Equal inputs give an equal subset, 0 or larger.

    Returns:
        Sorted indices, shape (size,).
    """
    counts = np.bincount(labels)
    return _draw(labels, _apportion(counts * (size / len(labels))), seed)


def save_arrays(dataset: Dataset, folder: Path) -> None:
    """Write a dataset where workers can open it, each file whole or not at all."""
    for name in (*ARRAYS, "train", "validation"):
        with atomic_file(folder / f"{name}.npy", "wb") as file:
            np.save(file, getattr(dataset, name), allow_pickle=False)
    rest = {name: getattr(dataset, name) for name in _IN_JSON}
    with atomic_file(folder / "dataset.json") as file:
        json.dump(rest, file)


def open_arrays(folder: Path) -> Dataset:
    """Open what `save_arrays` wrote; the images stay on disk, memory-mapped.

    Raises:
        DatasetError: A file is missing or damaged.
    """
    try:
        rest = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
        arrays = {
            name: np.load(
                folder / f"{name}.npy",
                mmap_mode="r" if name.startswith("x_") else None,
                allow_pickle=False,
            )
            for name in (*ARRAYS, "train", "validation")
        }
        rest["classes"] = tuple(rest["classes"])
        return Dataset(**arrays, **{name: rest[name] for name in _IN_JSON})
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DatasetError(
            f"{folder} must hold a dataset that was saved for the workers, but it "
            f"cannot be opened: {error}. Remove the folder and start again."
        ) from error


_IN_JSON = ("name", "classes", "fingerprint", "split")


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
        has_test = any(p.is_dir() for p in path.glob("test/*"))
        if has_test and test_split is not None:
            raise DatasetError(
                f"--test-split is for a folder without a test folder, but {path} has "
                "one. Leave --test-split out, or remove that folder."
            )
        if not has_test and test_split is None:
            raise DatasetError(
                f"{path} must hold test/CLASS/* beside train/CLASS/*, got no test "
                "folder. Add it, or take it from the training images with "
                "--test-split 0.2."
            )
        return read_folder(path, image_size, say)
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_npz(path, say)
    found = "another file" if path.exists() else "nothing there"
    raise DatasetError(
        f"--data must be an .npz file or a folder of images, got {path}: {found}. "
        "Check the path."
    )


def _load_digits() -> Images:
    """Load scikit-learn's 1,797 digits; a fifth, always the same, is the test set."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    y = digits.target
    train, test = stratified_split(y, 0.2, seed=0)
    return Images(x[train], y[train], x[test], y[test], _DIGITS)


def _load_keras(name: str, say: Say) -> Images:
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    pattern, megabytes = _DOWNLOADS[name]
    if not any(cache.glob(pattern)):
        say(f"Downloading {name} ({megabytes} MB) to {cache} ...")
    from keras import datasets

    try:
        # Keras draws its progress on stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception without a network
        raise DatasetError(
            f"{name} must be in Keras's cache, {cache}, or be downloaded once, but: "
            f"{error}. Connect to the network, copy the files there, give your own "
            "images with --data, or use --dataset digits, which needs no network."
        ) from error
    x_train, x_test = (_channels_last(x) for x in (x_train, x_test))
    return Images(
        x_train, y_train.reshape(-1), x_test, y_test.reshape(-1), _CLASSES[name]
    )


def _channels_last(x: np.ndarray) -> np.ndarray:
    if x.ndim == 3:
        return x[..., np.newaxis]
    # Under image_data_format "channels_first" Keras loads CIFAR so.
    return x if x.shape[3] == 3 else np.moveaxis(x, 1, 3)


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
    todo = "Add images of that class, or use --validation-split 0"
    _check_counts(labels, classes, need, "--validation-split", todo)
    if limit is None or limit >= len(labels):
        if limit is not None and limit > len(labels):
            say(f"--limit {limit:,}: all {len(labels):,} training images are used")
        return np.arange(len(labels))
    kept = stratified_subset(labels, limit, _derive(seed, "limit"))
    fewest = np.bincount(labels).min()
    todo = f"Use --limit {math.ceil(need * len(labels) / fewest)} or more"
    if need == 2:
        todo += ", or --validation-split 0"
    _check_counts(labels[kept], classes, need, f"--limit {limit}", todo)
    return kept


def _check_counts(
    labels: np.ndarray, classes: tuple[str, ...], need: int, option: str, todo: str
) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    least = int(counts.argmin())
    if counts[least] < need:
        raise DatasetError(
            f"{option} must leave every class an image on each side, {need} in all, "
            f"but class {classes[least]} has {counts[least]}. {todo}."
        )


def _apportion(shares: np.ndarray) -> np.ndarray:
    """Round to integers with the sum's rounding kept: largest remainders go up."""
    whole: np.ndarray = np.floor(shares).astype(np.int64)
    spare = round(float(shares.sum())) - int(whole.sum())
    whole[np.argsort(whole - shares, kind="stable")[:spare]] += 1
    return whole


def _draw(labels: np.ndarray, per_class: np.ndarray, seed: int) -> np.ndarray:
    """Draw so many indices of each class, sorted."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]  # class by class
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    rank = np.arange(len(labels)) - np.repeat(first, counts)
    drawn: np.ndarray = order[rank < np.repeat(per_class, counts)]
    return np.sort(drawn)


def _derive(seed: int, purpose: str) -> int:
    digest = hashlib.sha256(f"{purpose} {seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big")


def _hash(*arrays: np.ndarray, start: str = "") -> str:
    digest = hashlib.sha256(start.encode())
    for array in arrays:
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str} {little.shape}\n".encode())
        digest.update(little.data if little.size else b"")
    return digest.hexdigest()
