"""Read and check the arrays of an .npz file.

The result is always images as uint8 in 0..255 with a channel axis, and class ids
without gaps. Anything else raises a DatasetError that names the file and the array.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from search_spaces.errors import UsageError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")

Say = Callable[[str], None]


class DatasetError(UsageError):
    """The images, the labels, or an option that selects images is invalid."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images and labels as read, before any limit or split.

    Attributes:
        x_train: Images, uint8, shape (n, height, width, channels), 1 or 3 channels.
        y_train: Class ids 0..classes-1, int32, shape (n,); every class occurs.
        x_test: Test images, like x_train; no rows if there is no test set.
        y_test: Like y_train; some classes may be missing.
        classes: The classes' names, by id.
        fingerprint: The `fingerprint` of the arrays, or None if not computed yet.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str | None = None


def fingerprint(*arrays: np.ndarray, start: str = "") -> str:
    """Hash arrays, their types and shapes to SHA-256 (hex), equal on every machine."""
    digest = hashlib.sha256(start.encode())
    for array in arrays:
        little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{little_endian.dtype.str} {little_endian.shape}\n".encode())
        digest.update(little_endian.data if little_endian.size else b"")
    return digest.hexdigest()


def read_npz(path: Path, say: Say) -> Images:
    """Read `x_train`, `y_train`, `x_test` and `y_test` from an .npz file.

    Args:
        path: The file. Images have shape (n, height, width) or (n, height, width,
            channels) and are integers in 0..255 or floats in 0..1 or 0..255. Labels
            have shape (n,) or (n, 1) and are integers from 0.
        say: Receives a line if the images had to be scaled.

    Raises:
        DatasetError: The file or one of its arrays is invalid.
    """
    arrays = _load_npz(path)
    x_train = _check_shape(arrays["x_train"], f"x_train in {path}")
    x_test = _check_shape(arrays["x_test"], f"x_test in {path}")
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DatasetError(
            f"x_train and x_test in {path} must have images of the same shape, got "
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
            f"x_train and x_test in {path} must have the same scale, but the maximum "
            f"is {x_train.max():g} in x_train and {x_test.max():g} in x_test. "
            "Save both as integers in 0..255."
        )
    for name, scaled in in_unit.items():
        if scaled:
            say(f"{name} has floats in 0..1; scaled to 0..255")
    return Images(
        x_train=_to_uint8(x_train, scale=255 if in_unit["x_train"] else 1),
        y_train=y_train,
        x_test=_to_uint8(x_test, scale=255 if in_unit["x_test"] else 1),
        y_test=y_test,
        classes=tuple(str(label) for label in range(classes)),
    )


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize to `size` by `size` pixels: bilinear, with averaging when shrinking.

    Args:
        images: uint8, shape (n, height, width, channels).
        size: Height and width in pixels; the aspect ratio is not preserved.
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


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    arguments = ", ".join(f"{name}=..." for name in ARRAYS)
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise DatasetError(
                    f"{path} must be an .npz file (a zip of arrays), but it is cut off "
                    f"or of another type. Write it with np.savez(path, {arguments})."
                )
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                missing = [name for name in ARRAYS if name not in arrays.files]
                if missing:
                    raise DatasetError(
                        f"{path} must contain the arrays {', '.join(ARRAYS)}, but "
                        f"{', '.join(missing)} is missing; it contains "
                        f"{', '.join(arrays.files) or 'none'}. "
                        f"Write it with np.savez(path, {arguments})."
                    )
                return {name: _load_array(arrays, name, path) for name in ARRAYS}
    except (OSError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path} must be a readable .npz file, but reading it failed: {error}. "
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
                "(dtype object), which is never loaded because it could run code. "
                "Save images of equal size as one array, np.stack(images)."
            ) from error
        raise DatasetError(
            f"{name} in {path} must be readable, but reading it failed: {error}. "
            "The file is damaged or cut off; write it again."
        ) from error
    if not isinstance(array, np.ndarray):  # NumPy returns other members as bytes
        raise DatasetError(
            f"{name} in {path} must be a NumPy array, got another type of file. "
            "Write the .npz with np.savez."
        )
    return array


def _check_shape(array: np.ndarray, where: str) -> np.ndarray:
    shape = array.shape
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape[1:]:
        is_channels_first = array.ndim == 4 and shape[1] in (1, 3)
        todo = (
            "Put the channels last with np.moveaxis(x, 1, -1)"
            if is_channels_first
            else "Reshape it"
        )
        raise DatasetError(
            f"{where} must have shape (n, height, width) or (n, height, width, "
            f"channels) with 1 or 3 channels, got {shape}. {todo}."
        )
    if not len(array):
        raise DatasetError(f"{where} must contain images, got none. Add some.")
    if array.dtype.kind not in "iuf":
        raise DatasetError(
            f"{where} must be integers or floats, got {array.dtype}. "
            "Save uint8 values in 0..255."
        )
    return array


def _check_range(array: np.ndarray, where: str) -> bool:
    """Check the values; return whether they are floats in 0..1."""
    if array.dtype == np.uint8:
        return False
    low, high = array.min(), array.max()
    if np.isnan(low):
        nan_images = np.flatnonzero(np.isnan(array).any(axis=(1, 2, 3)))
        raise DatasetError(
            f"{where} must not contain NaN, got NaN in {len(nan_images):,} of "
            f"{len(array):,} images, first in image {nan_images[0]}. "
            "Remove or repair these images."
        )
    is_float = array.dtype.kind == "f"
    if low < 0 or high > 255:
        allowed = "floats in 0..1 or 0..255" if is_float else "integers in 0..255"
        raise DatasetError(
            f"{where} must be {allowed}, got min {low:g} and max {high:g}. "
            "Save the pixels without normalization."
        )
    return is_float and bool(high <= 1)


def _to_uint8(array: np.ndarray, scale: int) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    out = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), 256):  # a float copy of all may not fit
        part = array[start : start + 256].astype(np.float32)
        out[start : start + 256] = np.rint(part * scale)
    return out


def _check_labels(array: np.ndarray, where: str, images: int) -> np.ndarray:
    if array.ndim == 2 and array.shape[1] > 1:
        raise DatasetError(
            f"{where} must have one class id per image, shape (n,) or (n, 1), got "
            f"{array.shape}. Convert one-hot labels with np.argmax(y, axis=1)."
        )
    if array.ndim not in (1, 2) or array.size != len(array):
        raise DatasetError(
            f"{where} must have shape (n,) or (n, 1), got {array.shape}. Reshape it."
        )
    if array.dtype.kind not in "iu":
        raise DatasetError(
            f"{where} must be integers, got {array.dtype}. "
            "Number the classes from 0 and save them as int32."
        )
    if len(array) != images:
        raise DatasetError(
            f"{where} must have one label per image, got {len(array):,} labels for "
            f"{images:,} images. Save both from the same rows."
        )
    if array.min() < 0:
        raise DatasetError(
            f"{where} must be class ids from 0, got {array.min()}. "
            "Number the classes 0, 1, 2, ..."
        )
    return array.reshape(-1)


def _count_classes(y_train: np.ndarray, y_test: np.ndarray, path: Path) -> int:
    present = np.unique(y_train)
    gaps = np.flatnonzero(present != np.arange(len(present)))
    if len(gaps):
        is_from_1 = present[0] == 1
        todo = (
            "Subtract 1 from all labels"
            if is_from_1
            else "Number the classes without gaps"
        )
        raise DatasetError(
            f"y_train in {path} must contain every class from 0 to its largest, "
            f"{present[-1]}, but class {gaps[0]} has no training image. {todo}."
        )
    if len(present) < 2:
        raise DatasetError(
            f"y_train in {path} must contain at least 2 classes, got 1 "
            f"({len(y_train):,} images of class 0). Add images of another class."
        )
    if y_test.max() > present[-1]:
        raise DatasetError(
            f"y_test in {path} must contain only classes that y_train contains, "
            f"0..{present[-1]}, got {y_test.max()}. "
            "Add training images of that class or remove its test images."
        )
    return len(present)
