"""Cache the decoded images of large folders on disk, and memory-map them.

    CACHE/NAME-PLACE/FILES-train.npy    uint8, shape (n, height, width, channels)
    CACHE/NAME-PLACE/FILES-test.npy     the same; no rows if there is no test folder
    CACHE/NAME-PLACE/FILES.json         written last: the source folder, the fingerprint

CACHE is `$TUNE_CACHE`, or `tune` in the user's cache folder. PLACE is a hash of the
folder's path and the image size. FILES is a hash of the names, sizes and modification
times of all files; images decoded from other versions of the files are deleted. You
can delete the cache whenever no search is running; the images are then decoded again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout

from tuner.data.decoding import Shape, decode, decoded_shape
from tuner.data.npz import DatasetError, Say, fingerprint
from tuner.system.files import atomic_file


def cache_folder() -> Path:
    """Return the folder of the cache."""
    chosen = os.environ.get("TUNE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().absolute() / "tune"


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """The image files of a dataset, not decoded yet.

    Attributes:
        folder: The dataset's folder.
        files: The training files, then the test files.
        labels: Their class ids, int32, shape (files,).
        n_train: Number of training files.
        image_size: Height and width to resize to, in pixels, or None.
    """

    folder: Path
    files: Sequence[Path]
    labels: np.ndarray
    n_train: int
    image_size: int | None

    @property
    def decoded_bytes(self) -> int:
        """Size of the decoded images, if all are like the first."""
        shape = decoded_shape(self.files[0], self.image_size)
        return len(self.files) * math.prod(shape)

    @property
    def entry(self) -> Path:
        """The cache's folder for these images, whatever the files contain now."""
        here = self.folder.resolve()
        return cache_folder() / f"{here.name}-{_digest([str(here), self.image_size])}"

    @property
    def mark(self) -> str:
        """Hash of the files' names, sizes and modification times."""
        stats = ((file, file.stat()) for file in self.files)
        rows = [
            [str(file.relative_to(self.folder)), stat.st_size, stat.st_mtime_ns]
            for file, stat in stats
        ]
        return _digest([rows, self.n_train])


def map_images(images: ImageFiles, say: Say) -> tuple[np.ndarray, np.ndarray, str]:
    """Memory-map the decoded images of a folder; decode them if the cache lacks them.

    Args:
        images: The files.
        say: Receives where the images are, and how long decoding took.

    Returns:
        Training images and test images, memory-mapped and read-only, and the
        fingerprint of both with their labels.

    Raises:
        DatasetError: A file is not a readable image, or the disk is full or
            read-only. No partial files remain.
    """
    entry, mark = images.entry, images.mark
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with _locked(entry, say):
            if _open_entry(entry, mark) is None:
                _fill(images, entry, mark, say)
            say(f"using the decoded images of {images.folder} in {entry}")
            decoded = _open_entry(entry, mark)
            assert decoded is not None, "_fill wrote it"  # noqa: S101
            return decoded
    except OSError as error:
        raise DatasetError(
            f"The images of {images.folder} would take more than a quarter of memory, "
            f"so their {images.decoded_bytes / 1e9:.1f} GB of pixels must be stored on "
            f"disk, but writing them to {entry} failed: {error}. Free some space "
            "there, set the environment variable TUNE_CACHE to another folder, or use "
            "a smaller --image-size."
        ) from error


def _open_entry(entry: Path, mark: str) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Map images that are in the cache; return None if they are missing or damaged."""
    try:
        stored = json.loads((entry / f"{mark}.json").read_text(encoding="utf-8"))
        train, test = _arrays(entry, mark)
        return train, test, str(stored["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def local_path(path: Path) -> Path:
    """Return where this machine has, or will have, what another maps from `path`."""
    return path if path.exists() else cache_folder() / path.parent.name / path.name


def copy_to(path: Path, shape: tuple[int, ...], pieces: Iterable[np.ndarray]) -> None:
    """Write images that another machine decoded, unless they are already there.

    Images decoded from other versions of the same files are deleted.

    Args:
        path: The result of `local_path`.
        shape: Shape of all images together.
        pieces: uint8 arrays that follow one another along the first axis.

    Raises:
        OSError: The disk is full or read-only. No partial file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        if path.exists():
            return
        for old in path.parent.iterdir():
            if old.name.partition("-")[0] != path.name.partition("-")[0]:
                old.unlink()
        with atomic_file(path, "wb") as file:
            _write_header(file, shape)
            for piece in pieces:
                file.write(piece)


@contextmanager
def _locked(entry: Path, say: Say = lambda _: None) -> Iterator[None]:
    """Lock a cache entry; wait for the process that is filling it, if any."""
    lock = FileLock(entry.with_name(f".{entry.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process that is decoding images to {entry} ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fill(images: ImageFiles, entry: Path, mark: str, say: Say) -> None:
    """Decode the images into an entry that is missing or out of date."""
    shutil.rmtree(entry, ignore_errors=True)
    entry.mkdir()
    n, need = len(images.files), images.decoded_bytes
    say(f"decoding {n:,} images from {images.folder} to disk, {need / 1e9:.1f} GB ...")
    start = time.perf_counter()
    try:
        _check_space(entry, need)
        decode(images.files, images.image_size, partial(_write, images, entry, mark))
        description = {
            "folder": str(images.folder.resolve()),
            "images": n,
            "fingerprint": _fingerprint(images, entry, mark),
        }
        with atomic_file(entry / f"{mark}.json") as file:
            json.dump(description, file)
    except BaseException:
        shutil.rmtree(entry, ignore_errors=True)
        raise
    say(f"decoded {n:,} images in {time.perf_counter() - start:.0f} s")


def _check_space(folder: Path, need: int) -> None:
    """Check for free space before hours of decoding fail for lack of it."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise OSError(errno.ENOSPC, f"only {free / 1e9:.1f} GB are free")


def _write(
    images: ImageFiles,
    entry: Path,
    mark: str,
    shape: Shape,
    batches: Iterator[np.ndarray],
) -> None:
    """Write the batches as they arrive.

    Plain writes raise an error when the disk is full; writing to a memory map would
    crash the process.
    """
    train_left = images.n_train
    with ExitStack() as files:
        train, test = (
            files.enter_context(atomic_file(path, "wb"))
            for path in _paths(entry, mark).values()
        )
        _write_header(train, (images.n_train, *shape))
        _write_header(test, (len(images.files) - images.n_train, *shape))
        for batch in batches:
            train.write(batch[:train_left])
            test.write(batch[train_left:])
            train_left = max(0, train_left - len(batch))


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _fingerprint(images: ImageFiles, entry: Path, mark: str) -> str:
    train, test = _arrays(entry, mark)
    labels, n_train = images.labels, images.n_train
    return fingerprint(train, labels[:n_train], test, labels[n_train:])


def _arrays(entry: Path, mark: str) -> list[np.ndarray]:
    return [np.load(path, mmap_mode="r") for path in _paths(entry, mark).values()]


def _paths(entry: Path, mark: str) -> dict[str, Path]:
    return {split: entry / f"{mark}-{split}.npy" for split in ("train", "test")}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
