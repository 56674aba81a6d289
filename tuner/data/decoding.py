"""Decode jpg and png files to pixels in parallel, a few batches at a time."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tuner.data.npz import DatasetError
from tuner.system.machine import cores

_FILES_PER_BATCH = 128
_BYTES_PER_BATCH = 16 * 1024**2
_BATCHES_AHEAD = 2  # per thread; the consumer may be slower, such as a disk

Shape = tuple[int, int, int]  # height, width, channels
T = TypeVar("T")


class _ColourError(Exception):
    """An image is in colour, and all images before it were grey."""


def decoded_shape(file: Path, image_size: int | None) -> Shape:
    """Return the height, width and channels that a file decodes to.

    Raises:
        DatasetError: The file is not a readable image.
    """
    pixels = _read_image(file, image_size)
    return (*pixels.shape[:2], 1 if pixels.ndim == 2 else 3)


def decode(
    files: Sequence[Path],
    image_size: int | None,
    consume: Callable[[Shape, Iterator[np.ndarray]], T],
) -> T:
    """Decode files and pass the images to `consume`.

    Args:
        files: At least one.
        image_size: Height and width to resize to, in pixels, or None if all files
            have the same size.
        consume: Receives the shape of one image (with 1 channel if every file is
            grey, otherwise 3) and the images in batches, in the order of the files:
            uint8, shape (batch, height, width, channels). If the first colour image
            comes after grey ones, an exception ends the first call and `consume` is
            called again.

    Returns:
        The result of `consume`.

    Raises:
        DatasetError: A file is not a readable image, or has another size.
    """
    shape = decoded_shape(files[0], image_size)
    try:
        return consume(shape, _batches(files, image_size, shape))
    except _ColourError:
        shape = (*shape[:2], 3)
        return consume(shape, _batches(files, image_size, shape))


def _batches(
    files: Sequence[Path], image_size: int | None, shape: Shape
) -> Iterator[np.ndarray]:
    def read(part: Sequence[Path]) -> np.ndarray:
        out = np.empty((len(part), *shape), np.uint8)
        for to, file in zip(out, part, strict=True):
            pixels = _read_image(file, image_size)
            _check_size(pixels, file, shape, files[0])
            if pixels.ndim == 3 and shape[2] == 1:
                raise _ColourError
            to[:] = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
        return out

    size = max(1, min(_FILES_PER_BATCH, _BYTES_PER_BATCH // math.prod(shape)))
    # Pillow decodes without Python's global lock. Threads made 32-pixel images (1 kB)
    # 25% slower, because they competed for the lock; from about 4 kB they help.
    count = 1 if files[0].stat().st_size < 4000 else cores()
    threads = ThreadPoolExecutor(count)
    ahead: deque[Future[np.ndarray]] = deque()
    try:
        for start in range(0, len(files), size):
            ahead.append(threads.submit(read, files[start : start + size]))
            if len(ahead) > _BATCHES_AHEAD * count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)


def _check_size(pixels: np.ndarray, file: Path, shape: Shape, first: Path) -> None:
    height, width = pixels.shape[:2]
    if (height, width) != shape[:2]:
        raise DatasetError(
            "All images must have the same size, but "
            f"{first} is {shape[1]} x {shape[0]} pixels and {file} is "
            f"{width} x {height}. Resize them with --image-size N."
        )


def _read_image(file: Path, image_size: int | None) -> np.ndarray:
    """Decode one file to uint8, shape (height, width) or (height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        data = io.BytesIO(file.read_bytes())
        with Image.open(data, formats=("JPEG", "PNG")) as opened:
            if image_size is not None:
                # A large jpg decodes several times faster at reduced size.
                opened.draft(None, (2 * image_size, 2 * image_size))
            image = _to_grey_or_rgb(opened)
            if image_size is not None and image.size != (image_size, image_size):
                image = image.resize(
                    (image_size, image_size), Image.Resampling.BILINEAR
                )
            return np.asarray(image)
    except Exception as error:  # Pillow raises SyntaxError, struct.error, EOFError, ...
        is_other = isinstance(error, UnidentifiedImageError)  # it names a buffer
        reason = "its content is neither" if is_other else error
        raise DatasetError(
            f"{file} must be a readable jpg or png image, but decoding failed: "
            f"{reason}. Replace or remove it."
        ) from error


def _to_grey_or_rgb(image: Any) -> Any:
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion clips at 255
        return Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # converting to RGB directly makes Pillow warn
    return image if image.mode == "RGB" else image.convert("RGB")
