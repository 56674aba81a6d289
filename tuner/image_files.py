"""Images and labels from a user's files: an .npz, or folders of jpg and png.

Whatever they hold, what comes out is uint8 in 0..255 with a channel axis, and class
ids without gaps. Everything else is a DatasetError that names the file and array.
"""

from __future__ import annotations

import os
import time
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ARRAYS = ("x_train", "y_train", "x_test", "y_test")
SUFFIXES = (".jpg", ".jpeg", ".png")

Say = Callable[[str], None]


class DatasetError(ValueError):
    """The images or labels, or an option that chooses among them, do not do."""


@dataclass(frozen=True, eq=False)
class Images:
    """What was read, before any limit or split.

    Attributes:
        x_train: Images, uint8, shape (n, height, width, channels), 1 or 3 channels.
        y_train: Class ids 0..classes-1, int32, shape (n,); every class occurs.
        x_test: As x_train, for the test set; no rows where there is none.
        y_test: As y_train; some classes may be missing.
        classes: The classes' names, by id.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]


def read_npz(path: Path, say: Say) -> Images:
    """Read `x_train`, `y_train`, `x_test` and `y_test` from an .npz file.

    Args:
        path: Images of shape (n, height, width) or (n, height, width, channels),
            integers in 0..255 or floats in 0..1 or 0..255; labels of shape (n,)
            or (n, 1), integers from 0.
        say: Gets a line where the images had to be scaled.

    Raises:
        DatasetError: The file or one of its arrays is not so.
    """
    arrays = _load_npz(path)
    x_train = _check_shape(arrays["x_train"], f"x_train in {path}")
    x_test = _check_shape(arrays["x_test"], f"x_test in {path}")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DatasetError(
            f"x_train and x_test in {path} must hold images of one shape, got "
            f"{x_train.shape[1:]} and {x_test.shape[1:]} (height, width, channels). "
            "Save both in the same shape."
        )
    y_train = _check_labels(arrays["y_train"], f"y_train in {path}", len(x_train))
    y_test = _check_labels(arrays["y_test"], f"y_test in {path}", len(x_test))
    classes = _count_classes(y_train, y_test, path)

    in_unit = {
        name: _check_range(array, f"{name} in {path}")
        for name, array in (("x_train", x_train), ("x_test", x_test))
    }
    both_float = x_train.dtype.kind == x_test.dtype.kind == "f"
    if both_float and in_unit["x_train"] != in_unit["x_test"]:
        raise DatasetError(
            f"x_train and x_test in {path} must have one scale, but x_train reaches "
            f"{x_train.max():g} and x_test {x_test.max():g}. "
            "Save both as integers in 0..255."
        )
    for name, scaled in in_unit.items():
        if scaled:
            say(f"{name} holds floats in 0..1: stored as 0..255")
    return Images(
        x_train=_to_uint8(x_train, scale=255 if in_unit["x_train"] else 1),
        y_train=y_train,
        x_test=_to_uint8(x_test, scale=255 if in_unit["x_test"] else 1),
        y_test=y_test,
        classes=tuple(str(label) for label in range(classes)),
    )


def read_folder(path: Path, image_size: int | None, say: Say) -> Images:
    """Read `train/CLASS/*` and `test/CLASS/*`, or `CLASS/*` without a test set.

    Images are grey (1 channel) where every file is grey, RGB otherwise;
    transparency is dropped. Classes and files are in the order of their names.

    Args:
        path: The folder.
        image_size: Height and width to resize to, in pixels, or None where all
            files have one size.
        say: Gets what was read and what was left aside.

    Raises:
        DatasetError: The folders or a file are not so; the text names them.
    """
    train = _class_folders(path / "train")
    test = _class_folders(path / "test")
    if train:
        others = [p.name for p in _class_folders(path) if p.name not in _SPLITS]
        if others:
            say(f"not used in {path}: {', '.join(others)} (only train and test are)")
    elif test:
        raise DatasetError(
            f"{path} must hold train/CLASS/* beside test/CLASS/*, but train is "
            "missing or has no class folders. Add it, or give --data the folder "
            "that holds the class folders and --test-split 0.2."
        )
    else:
        train = _class_folders(path)
    classes = _check_classes(path, train, test)

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


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize to `size` by `size` pixels, bilinear, averaging where it shrinks.

    Args:
        images: uint8, shape (n, height, width, channels).
        size: Height and width in pixels; the aspect is not kept.
    """
    from PIL import Image

    if images.shape[1:3] == (size, size):
        return images
    out = np.empty((len(images), size, size, images.shape[3]), np.uint8)
    for to, image in zip(out, images, strict=True):
        pixels = image[..., 0] if images.shape[3] == 1 else image
        resized = Image.fromarray(pixels).resize(
            (size, size), Image.Resampling.BILINEAR
        )
        to[:] = np.asarray(resized).reshape(to.shape)
    return out


_SPLITS = ("train", "test")


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    wanted = ", ".join(f"{name}=..." for name in ARRAYS)
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DatasetError(
                    f"{path} must be an .npz file, a zip of arrays, but it is cut off "
                    f"or something else. Write it with np.savez(path, {wanted})."
                )
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                missing = [name for name in ARRAYS if name not in arrays.files]
                if missing:
                    raise DatasetError(
                        f"{path} must hold the arrays {', '.join(ARRAYS)}, but "
                        f"{', '.join(missing)} is missing; found: "
                        f"{', '.join(arrays.files) or 'none'}. "
                        f"Write it with np.savez(path, {wanted})."
                    )
                return {name: _load_array(arrays, name, path) for name in ARRAYS}
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path} must be a readable .npz file, but: {error}. "
            "Check its permissions, or write it again."
        ) from error


def _load_array(arrays: Any, name: str, path: Path) -> np.ndarray:
    try:
        array = arrays[name]
    except (
        ValueError,
        OSError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if "allow_pickle" in str(error):
            raise DatasetError(
                f"{name} in {path} must be an array of numbers, but it is a pickle "
                "(dtype object), which could run code and is never loaded. "
                "Save one array of equally large images, np.stack(images)."
            ) from error
        raise DatasetError(
            f"{name} in {path} must be readable, but: {error}. "
            "The file is damaged or cut off; write it again."
        ) from error
    if not isinstance(array, np.ndarray):  # NumPy gives other members' bytes
        raise DatasetError(
            f"{name} in {path} must be a NumPy array, got some other file. "
            "Write the .npz with np.savez."
        )
    return array


def _check_shape(array: np.ndarray, where: str) -> np.ndarray:
    shape = array.shape
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        first = array.ndim == 4 and shape[1] in (1, 3)
        todo = "np.moveaxis(x, 1, -1) puts the channels last" if first else "Reshape it"
        raise DatasetError(
            f"{where} must have shape (n, height, width) or (n, height, width, "
            f"channels) with 1 or 3 channels, got {shape}. {todo}."
        )
    if not len(array):
        raise DatasetError(f"{where} must hold images, got none. Add some.")
    if array.dtype.kind not in "iuf":
        raise DatasetError(
            f"{where} must hold integers or floats, got {array.dtype}. "
            "Save uint8 values in 0..255."
        )
    return array


def _check_range(array: np.ndarray, where: str) -> bool:
    """Check the values; true where they are floats in 0..1."""
    if array.dtype == np.uint8:
        return False
    low, high = array.min(), array.max()
    if np.isnan(low):
        bad = np.flatnonzero(np.isnan(array).any(axis=(1, 2, 3)))
        raise DatasetError(
            f"{where} must hold numbers, got NaN in {len(bad):,} of {len(array):,} "
            f"images, first in image {bad[0]}. Remove or mend these images."
        )
    is_float = array.dtype.kind == "f"
    if low < 0 or high > 255:
        allowed = "floats in 0..1 or 0..255" if is_float else "integers in 0..255"
        raise DatasetError(
            f"{where} must hold {allowed}, got min {low:g} and max {high:g}. "
            "Save the pixels as they were before any normalization."
        )
    return is_float and bool(high <= 1)


def _to_uint8(array: np.ndarray, scale: int) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    out = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), 256):  # a whole float copy may not fit
        part = array[start : start + 256].astype(np.float32)
        out[start : start + 256] = np.rint(part * scale)
    return out


def _check_labels(array: np.ndarray, where: str, images: int) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] > 1:
        raise DatasetError(
            f"{where} must hold one class id an image, shape (n,) or (n, 1), got "
            f"{array.shape}. For one-hot labels use argmax: np.argmax(y, axis=1)."
        )
    if array.ndim not in (1, 2) or array.size != len(array):
        raise DatasetError(
            f"{where} must have shape (n,) or (n, 1), got {array.shape}. Reshape it."
        )
    if array.dtype.kind not in "iu":
        raise DatasetError(
            f"{where} must hold integers, got {array.dtype}. "
            "Number the classes from 0 and save them as int32."
        )
    if len(array) != images:
        raise DatasetError(
            f"{where} must have one label an image, got {len(array):,} labels for "
            f"{images:,} images. Save both from the same rows."
        )
    if array.min() < 0:
        raise DatasetError(
            f"{where} must hold class ids from 0, got {array.min()}. "
            "Number the classes 0, 1, 2, ..."
        )
    return array.reshape(-1)


def _count_classes(y_train: np.ndarray, y_test: np.ndarray, path: Path) -> int:
    present = np.unique(y_train)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        todo = "Subtract 1 from all labels" if present[0] == 1 else "Number without gap"
        raise DatasetError(
            f"y_train in {path} must hold every class from 0 to its largest, "
            f"{present[-1]}, but class {gaps[0]} has no training image. {todo}."
        )
    if len(present) < 2:
        raise DatasetError(
            f"y_train in {path} must hold at least 2 classes, got 1 "
            f"({len(y_train):,} images of class 0). Add images of another class."
        )
    if y_test.max() > present[-1]:
        raise DatasetError(
            f"y_test in {path} must hold only classes that y_train has, "
            f"0..{present[-1]}, got {y_test.max()}. "
            "Add training images of it or remove its test images."
        )
    return len(present)


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
    # Pillow decodes without Python's lock.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
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
    return images[..., :1].copy() if is_grey else images


def _read_image(file: Path, image_size: int | None) -> np.ndarray:
    """Decode one file to uint8, shape (height, width) or (height, width, 3)."""
    from PIL import Image

    try:
        with Image.open(file, formats=("JPEG", "PNG")) as opened:
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
        raise DatasetError(
            f"{file} must be a readable jpg or png image, but: {error}. "
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
    return image.convert("RGB")
