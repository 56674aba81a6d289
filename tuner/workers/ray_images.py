"""Send the images to the nodes of a Ray cluster.

Arrays in memory go to the object store as a whole, and the workers of a node share
them. Arrays that are mapped from a file are sent in pieces, and only to nodes that lack
the file: such a node stores a copy in its cache and maps that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray

from tuner.data.cache import copy_to, local_path
from tuner.data.dataset import Dataset, is_mapped

_PIECE_BYTES = 64 * 1024**2
_IMAGES = ("x_train", "x_test")

Pieces = Mapping[str, Sequence[Any]]  # a file's path here, to Ray's references


@dataclass(frozen=True)
class _File:
    """A mapped array.

    Attributes:
        path: The file's path on the driver's machine.
        shape: The array's shape.
    """

    path: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Parcel:
    """A dataset as it is sent to the nodes.

    Attributes:
        data: The dataset; the arrays of `files` have no rows in it.
        files: The mapped arrays, by their names in a `Dataset`.
    """

    data: Dataset
    files: Mapping[str, _File]


def pack(data: Dataset) -> Parcel:
    """Prepare a dataset for sending, without the mapped files."""
    arrays: dict[str, Any] = {
        name: value.view(np.ndarray)
        for name, value in vars(data).items()
        if isinstance(value, np.ndarray)
    }
    files = {}
    for name in _IMAGES:
        images = getattr(data, name)
        if is_mapped(images) and images.mode == "r":
            files[name] = _File(str(images.filename), images.shape)
            arrays[name] = np.empty((0, *images.shape[1:]), images.dtype)
    return Parcel(replace(data, **arrays), files)


def cut(parcel: Parcel) -> Pieces:
    """Put a parcel's mapped files into the object store, which may spill to disk."""
    files = {file.path for file in parcel.files.values()}
    return {path: [ray.put(piece) for piece in _pieces(path)] for path in files}


def unpack(parcel: Parcel, pieces: Pieces | None) -> Dataset | None:
    """Open a dataset on a node.

    Args:
        parcel: The result of `pack`.
        pieces: The result of `cut`, or None.

    Returns:
        The dataset, or None if the node lacks a file and `pieces` is None.

    Raises:
        OSError: The node's disk is full or read-only.
    """
    arrays: dict[str, Any] = {}
    for name, file in parcel.files.items():
        path = local_path(Path(file.path))
        if not path.exists():
            if pieces is None:
                return None
            copy_to(path, file.shape, map(ray.get, pieces[file.path]))
        arrays[name] = np.load(path, mmap_mode="r")
    return replace(parcel.data, **arrays)


def _pieces(path: str) -> Iterator[np.ndarray]:
    images = np.load(path, mmap_mode="r").view(np.ndarray)
    rows = max(1, _PIECE_BYTES // math.prod(images.shape[1:]))
    return (images[at : at + rows] for at in range(0, len(images), rows))
