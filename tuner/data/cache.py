"""Decoded images of large folders: on disk, mapped, and never in memory as a whole.

    CACHE/NAME-PLACE/FILES-train.npy    uint8, shape (n, height, width, channels)
    CACHE/NAME-PLACE/FILES-test.npy     the same; no rows without a test folder
    CACHE/NAME-PLACE/FILES.json         written last: whose images, their fingerprint

CACHE is `$TUNE_CACHE`, or `tune` where this user's caches are. PLACE stands for the
folder and the size of its images, FILES for the names, sizes and times of change of
all its files: what was decoded from other files is removed. All of it can be removed
at any time but during a search, and is then decoded again.
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
    """Say where decoded images are kept."""
    chosen = os.environ.get("TUNE_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser().absolute() / "tune"


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """The files of a dataset, before they are decoded.

    Attributes:
        folder: Where they lie.
        files: Those for training, then those for the test.
        labels: Their class ids, int32, shape (files,).
        n_train: How many are for training.
        image_size: Height and width to resize to, in pixels, or None.
    """

    folder: Path
    files: Sequence[Path]
    labels: np.ndarray
    n_train: int
    image_size: int | None

    @property
    def decoded_bytes(self) -> int:
        """What they take decoded, if all are as the first."""
        shape = decoded_shape(self.files[0], self.image_size)
        return len(self.files) * math.prod(shape)

    @property
    def entry(self) -> Path:
        """The cache's folder for them, whatever they hold now."""
        here = self.folder.resolve()
        return cache_folder() / f"{here.name}-{_digest([str(here), self.image_size])}"

    @property
    def mark(self) -> str:
        """Changes with a file's name, size or time of change."""
        stats = ((file, file.stat()) for file in self.files)
        rows = [
            [str(file.relative_to(self.folder)), stat.st_size, stat.st_mtime_ns]
            for file, stat in stats
        ]
        return _digest([rows, self.n_train])


def mapped(images: ImageFiles, say: Say) -> tuple[np.ndarray, np.ndarray, str]:
    """Map the decoded images of a folder, decoded now or by an earlier run.

    Args:
        images: The folder's.
        say: Gets where they are, and how long it took.

    Returns:
        Images for training and for the test, memory-mapped and read-only, and the
        fingerprint of both with their labels.

    Raises:
        DatasetError: A file is no readable image, or the disk is full or read-only;
            nothing is left behind then.
    """
    entry, mark = images.entry, images.mark
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with _alone(entry, say):
            if _opened(entry, mark) is None:
                _fill(images, entry, mark, say)
            say(f"images of {images.folder} are mapped from {entry}")
            found = _opened(entry, mark)
            assert found is not None, "it was filled"  # noqa: S101
            return found
    except OSError as error:
        raise DatasetError(
            f"The images of {images.folder}, more than a quarter of memory, must be "
            f"kept on disk as {images.decoded_bytes / 1e9:.1f} GB of pixels, but "
            f"{entry} did not take them: {error}. Free some space there, name another "
            "folder in the environment variable TUNE_CACHE, or use a smaller "
            "--image-size."
        ) from error


def _opened(entry: Path, mark: str) -> tuple[np.ndarray, np.ndarray, str] | None:
    """Map what was decoded before; None where it is not there or is damaged."""
    try:
        known = json.loads((entry / f"{mark}.json").read_text(encoding="utf-8"))
        train, test = _arrays(entry, mark)
        return train, test, str(known["fingerprint"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


def local_path(path: Path) -> Path:
    """Say where a machine has what another maps from `path`, there or not yet."""
    return path if path.exists() else cache_folder() / path.parent.name / path.name


def copy_to(path: Path, shape: tuple[int, ...], pieces: Iterable[np.ndarray]) -> None:
    """Write images that another machine decoded, unless another process does.

    What was decoded from other files of that folder is removed.

    Args:
        path: By `local_path`.
        shape: Of all images together.
        pieces: uint8, one after another along the first axis.

    Raises:
        OSError: The disk is full or read-only; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
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
def _alone(entry: Path, say: Say = lambda _: None) -> Iterator[None]:
    """Hold an entry of the cache, after whoever fills it now."""
    lock = FileLock(entry.with_name(f".{entry.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"waiting for another process, which decodes into {entry} ...")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fill(images: ImageFiles, entry: Path, mark: str, say: Say) -> None:
    """Decode into an entry that is new, or has what other files held."""
    shutil.rmtree(entry, ignore_errors=True)
    entry.mkdir()
    n, need = len(images.files), images.decoded_bytes
    say(f"decoding {n:,} images of {images.folder}, {need / 1e9:.1f} GB, to disk ...")
    start = time.perf_counter()
    try:
        _check_space(entry, need)
        decode(images.files, images.image_size, partial(_write, images, entry, mark))
        known = {
            "folder": str(images.folder.resolve()),
            "images": n,
            "fingerprint": _fingerprint(images, entry, mark),
        }
        with atomic_file(entry / f"{mark}.json") as file:
            json.dump(known, file)
    except BaseException:
        shutil.rmtree(entry, ignore_errors=True)
        raise
    say(f"decoded {n:,} images in {time.perf_counter() - start:.0f} s")


def _check_space(folder: Path, need: int) -> None:
    """Find out now what would else show after hours of decoding."""
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
    """Write all images as they come.

    With plain writes: in a mapping a full disk would be a crash, and no error.
    """
    left = images.n_train
    with ExitStack() as files:
        train, test = (
            files.enter_context(atomic_file(path, "wb"))
            for path in _paths(entry, mark).values()
        )
        _write_header(train, (images.n_train, *shape))
        _write_header(test, (len(images.files) - images.n_train, *shape))
        for batch in batches:
            train.write(batch[:left])
            test.write(batch[left:])
            left = max(0, left - len(batch))


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
