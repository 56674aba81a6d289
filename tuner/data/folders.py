"""Read jpg and png images from the folders train/CLASS and test/CLASS."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuner.data.cache import ImageFiles, map_images
from tuner.data.decoding import Shape, decode
from tuner.data.npz import DatasetError, Images, Say
from tuner.system.machine import memory_bytes

SUFFIXES = (".jpg", ".jpeg", ".png")
_SPLITS = ("train", "test")
_MAX_IN_MEMORY = 1 / 4  # of this machine's memory; larger datasets are mapped


def read_folder(
    path: Path, *, image_size: int | None, without_test: bool, say: Say
) -> Images:
    """Read the images of `train/CLASS` and `test/CLASS`, or of training images alone.

    Images have 1 channel if every file is grey, and are RGB otherwise; transparency
    is dropped. Classes and files are sorted by name. Images that would take more than
    a quarter of memory are decoded to disk once and memory-mapped; see `cache`.

    Args:
        path: The dataset's folder.
        image_size: Height and width to resize to, in pixels, or None if all files
            have the same size.
        without_test: Whether the test set will be split off the training images:
            then read `train/CLASS` or `CLASS`, and reject a `test` folder.
        say: Receives what was read and what was ignored.

    Raises:
        DatasetError: A folder or file is missing, unexpected or unreadable; the message
            names it.
    """
    train, test = _find_classes(path, say)
    classes = _check_classes(path, train, test)
    if test and without_test:
        raise DatasetError(
            f"--test-split is only for data without a test folder, but {path} has one. "
            "Omit --test-split, or remove that folder."
        )
    if not test and not without_test:
        raise DatasetError(
            f"{path} must contain test/CLASS/* as well as train/CLASS/*, but has no "
            "test folder. Add one, or split a test set off the training images with "
            "--test-split 0.2."
        )

    files: list[Path] = []
    labels: list[int] = []
    for folder in (*train, *test):
        class_files = _list_images(folder, say)
        files += class_files
        labels += [classes.index(folder.name)] * len(class_files)
        if folder is train[-1]:
            n_train = len(files)

    y = np.array(labels, np.int32)
    images = ImageFiles(path, files, y, n_train, image_size)
    memory = memory_bytes()
    mark = None
    if memory is not None and images.decoded_bytes > _MAX_IN_MEMORY * memory:
        x_train, x_test, mark = map_images(images, say)
    else:
        x_train, x_test = _in_memory(images, say)
    return Images(x_train, y[:n_train], x_test, y[n_train:], classes, mark)


def _in_memory(images: ImageFiles, say: Say) -> tuple[np.ndarray, np.ndarray]:
    """Decode images to two arrays, training images and test images."""
    files, folder = images.files, images.folder

    def fill(shape: Shape, batches: Iterator[np.ndarray]) -> np.ndarray:
        x = np.empty((len(files), *shape), np.uint8)
        at = 0
        for batch in batches:
            x[at : at + len(batch)] = batch
            at += len(batch)
        return x

    say(f"decoding {len(files):,} images from {folder} ...")
    start = time.perf_counter()
    x = decode(files, images.image_size, fill)
    seconds = time.perf_counter() - start
    say(f"decoded {len(files):,} images from {folder} in {seconds:.0f} s")
    return x[: images.n_train], x[images.n_train :]


def _find_classes(path: Path, say: Say) -> tuple[list[Path], list[Path]]:
    """List the class folders for training and, if there are any, for testing."""
    train, test = (_class_folders(path / split) for split in _SPLITS)
    if train:
        others = [p.name for p in _class_folders(path) if p.name not in _SPLITS]
        if others:
            say(
                f"ignored in {path}: {', '.join(others)} (only train and test are read)"
            )
    elif test:
        raise DatasetError(
            f"{path} must contain train/CLASS/* as well as test/CLASS/*, but train is "
            "missing or has no class folders. Add it."
        )
    else:
        train = _class_folders(path)
    return train, test


def _entries(folder: Path) -> list[Path]:
    """List what is not hidden in a folder, by name; nothing if it is not a folder."""
    if not folder.is_dir():
        return []
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{folder} must be a readable folder, but reading it failed: "
            f"{error.strerror}. "
            "Check its permissions."
        ) from error
    hidden = (".", "__MACOSX")
    return [entry for entry in entries if not entry.name.startswith(hidden)]


def _class_folders(folder: Path) -> list[Path]:
    here = folder.resolve() if folder.is_dir() else folder
    around = (here, *here.parents)
    return [
        entry
        for entry in _entries(folder)
        if entry.is_dir() and not (entry.is_symlink() and entry.resolve() in around)
    ]


def _check_classes(path: Path, train: list[Path], test: list[Path]) -> tuple[str, ...]:
    classes = tuple(folder.name for folder in train)
    if len(classes) < 2:
        raise DatasetError(
            f"{path} must contain at least 2 class folders, train/CLASS/* or CLASS/*, "
            f"got {len(classes)}{f' ({classes[0]})' if classes else ''}. "
            "Put the images of each class into a folder with its name."
        )
    differ = {folder.name for folder in test} ^ set(classes)
    if test and differ:
        name = min(differ)
        has, lacks = _SPLITS if name in classes else _SPLITS[::-1]
        raise DatasetError(
            f"{path} must contain the same class folders in train and test, but {name} "
            f"is in {has} and not in {lacks}. Add or remove that folder."
        )
    return classes


def _list_images(folder: Path, say: Say) -> list[Path]:
    entries = _entries(folder)
    images = [
        entry
        for entry in entries
        if entry.suffix.lower() in SUFFIXES and os.path.isfile(entry)  # noqa: PTH113
    ]
    if not images:
        raise DatasetError(
            f"{folder} must contain jpg or png images of its class, got none among "
            f"{len(entries):,} entries. Add images or remove the folder."
        )
    if len(images) < len(entries):
        first = next(entry for entry in entries if entry not in set(images))
        say(
            f"ignored in {folder}, not jpg or png files: "
            f"{len(entries) - len(images):,} of {len(entries):,}, first {first.name}"
        )
    return images
