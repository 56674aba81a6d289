"""Images in folders: train/CLASS/* and test/CLASS/*, jpg and png."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuner.data.cache import ImageFiles, mapped
from tuner.data.decoding import Shape, decode
from tuner.data.npz import DatasetError, Images, Say
from tuner.system.machine import memory_bytes

SUFFIXES = (".jpg", ".jpeg", ".png")
_SPLITS = ("train", "test")
_MAPPED_FROM = 1 / 4  # of this machine's memory


def read_folder(
    path: Path, *, image_size: int | None, without_test: bool, say: Say
) -> Images:
    """Read `train/CLASS/*` and `test/CLASS/*`, or a folder without a test set.

    Images are grey (1 channel) where every file is grey, RGB otherwise;
    transparency is dropped. Classes and files are in the order of their names.
    Images that would take more than a quarter of memory stay on disk, decoded once
    and mapped; see `image_cache`.

    Args:
        path: The folder.
        image_size: Height and width to resize to, in pixels, or None where all
            files have one size.
        without_test: The test set will be split off: read `train/CLASS/*` or
            `CLASS/*` and insist that there is no `test`.
        say: Gets what was read and what was left aside.

    Raises:
        DatasetError: The folders or a file are not so; the text names them.
    """
    train, test = _find_classes(path, say)
    classes = _check_classes(path, train, test)
    if test and without_test:
        raise DatasetError(
            f"--test-split is for a folder without a test folder, but {path} has "
            "one. Leave --test-split out, or remove that folder."
        )
    if not test and not without_test:
        raise DatasetError(
            f"{path} must hold test/CLASS/* beside train/CLASS/*, got no test "
            "folder. Add it, or take it from the training images with "
            "--test-split 0.2."
        )

    files: list[Path] = []
    labels: list[int] = []
    for folder in (*train, *test):
        found = _list_images(folder, say)
        files += found
        labels += [classes.index(folder.name)] * len(found)
        if folder is train[-1]:
            n_train = len(files)

    y = np.array(labels, np.int32)
    images = ImageFiles(path, files, y, n_train, image_size)
    memory = memory_bytes()
    mark = None
    if memory is not None and images.decoded_bytes > _MAPPED_FROM * memory:
        x_train, x_test, mark = mapped(images, say)
    else:
        x_train, x_test = _in_memory(images, say)
    return Images(x_train, y[:n_train], x_test, y[n_train:], classes, mark)


def _in_memory(images: ImageFiles, say: Say) -> tuple[np.ndarray, np.ndarray]:
    """Decode images to two arrays, for training and for the test."""
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
    """Find the class folders for training and, if there are any, for the test."""
    train, test = (_class_folders(path / split) for split in _SPLITS)
    if train:
        others = [p.name for p in _class_folders(path) if p.name not in _SPLITS]
        if others:
            say(
                f"left aside in {path}: {', '.join(others)} (only train and test count)"
            )
    elif test:
        raise DatasetError(
            f"{path} must hold train/CLASS/* beside test/CLASS/*, but train is "
            "missing or has no class folders. Add it."
        )
    else:
        train = _class_folders(path)
    return train, test


def _entries(folder: Path) -> list[Path]:
    """List what is visible in a folder by name; nothing where it is none."""
    if not folder.is_dir():
        return []
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            f"{folder} must be a readable folder, but: {error.strerror}. "
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
            f"{path} must hold at least 2 class folders, train/CLASS/* or CLASS/*, "
            f"got {len(classes)}{f' ({classes[0]})' if classes else ''}. "
            "Put each class's images in a folder of its name."
        )
    differ = {folder.name for folder in test} ^ set(classes)
    if test and differ:
        name = min(differ)
        has, lacks = _SPLITS if name in classes else _SPLITS[::-1]
        raise DatasetError(
            f"{path} must hold the same class folders in train and test, but {name} "
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
            f"{folder} must hold jpg or png images of its class, got none among "
            f"{len(entries):,} entries. Add images or remove the folder."
        )
    if len(images) < len(entries):
        first = next(entry for entry in entries if entry not in set(images))
        say(
            f"left aside in {folder}, as no jpg or png files: "
            f"{len(entries) - len(images):,} of {len(entries):,}, first {first.name}"
        )
    return images
