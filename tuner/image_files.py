"""Images in folders: train/CLASS/* and test/CLASS/*, jpg and png."""

from __future__ import annotations

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tuner.image_arrays import DatasetError, Images, Say

SUFFIXES = (".jpg", ".jpeg", ".png")
_SPLITS = ("train", "test")


def read_folder(
    path: Path, *, image_size: int | None, without_test: bool, say: Say
) -> Images:
    """Read `train/CLASS/*` and `test/CLASS/*`, or a folder without a test set.

    Images are grey (1 channel) where every file is grey, RGB otherwise;
    transparency is dropped. Classes and files are in the order of their names.

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

    say(f"decoding {len(files):,} images from {path} ...")
    start = time.perf_counter()
    x = _decode(files, image_size)
    y = np.array(labels, np.int32)
    seconds = time.perf_counter() - start
    say(f"decoded {len(files):,} images from {path} in {seconds:.0f} s")
    return Images(x[:n_train], y[:n_train], x[n_train:], y[n_train:], classes)


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
            f"left aside in {folder}: {len(entries) - len(images):,} entries that are "
            f"no jpg or png file, first {first.name}"
        )
    return images


def _decode(files: list[Path], image_size: int | None) -> np.ndarray:
    """Decode files to uint8, shape (n, height, width, channels)."""

    def read(start: int) -> list[np.ndarray]:
        return [_read_image(file, image_size) for file in files[start : start + 128]]

    images = np.empty((0, 0, 0, 3), np.uint8)
    is_grey = True
    at = 0
    # Pillow decodes without Python's lock, but threads that only fight for the lock
    # made 32-pixel images (1 kB) a quarter slower; from about 4 kB they pay.
    is_small = files[0].stat().st_size < 4000
    threads = ThreadPoolExecutor(1 if is_small else os.cpu_count())
    try:
        for pictures in threads.map(read, range(0, len(files), 128)):
            for pixels in pictures:
                height, width = pixels.shape[:2]
                if at == 0:
                    images = np.empty((len(files), height, width, 3), np.uint8)
                if images.shape[1:3] != (height, width):
                    raise DatasetError(
                        f"All images must have one size, but {files[0]} is "
                        f"{images.shape[2]} x {images.shape[1]} pixels and {files[at]} "
                        f"{width} x {height}. Resize all with --image-size N."
                    )
                is_grey = is_grey and pixels.ndim == 2
                images[at] = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
                at += 1
    finally:
        threads.shutdown(cancel_futures=True)
    return images[..., :1].copy() if is_grey else images


def _read_image(file: Path, image_size: int | None) -> np.ndarray:
    """Decode one file to uint8, shape (height, width) or (height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = io.BytesIO(file.read_bytes())
        with Image.open(data, formats=("JPEG", "PNG")) as opened:
            if image_size is not None:
                # A large jpg decodes several times faster at a fraction of its size.
                opened.draft(None, (2 * image_size, 2 * image_size))
            image = _to_grey_or_rgb(opened)
            if image_size is not None and image.size != (image_size, image_size):
                image = image.resize(
                    (image_size, image_size), Image.Resampling.BILINEAR
                )
            return np.asarray(image)
    except Exception as error:  # Pillow raises SyntaxError, struct.error, EOFError, ...
        unknown = isinstance(error, UnidentifiedImageError)  # its text names a buffer
        reason = "its content is neither" if unknown else error
        raise DatasetError(
            f"{file} must be a readable jpg or png image, but: {reason}. "
            "Replace or remove it."
        ) from error


def _to_grey_or_rgb(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion clips at 255
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns on the direct way
    return image if image.mode == "RGB" else image.convert("RGB")
