"""How the images reach the nodes of a Ray cluster.

What is in memory goes to the object store whole, and the workers of a node share it.
What is mapped from a file goes piece by piece, and only to nodes that lack the file:
they keep a copy in their own cache, and map that.
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
        path: Where it lies on the driver's machine.
        shape: The array's.
    """

    path: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Parcel:
    """A dataset that travels.

    Attributes:
        data: Its arrays, but no rows of those in `files`.
        files: The mapped arrays, by their names in a `Dataset`.
    """

    data: Dataset
    files: Mapping[str, _File]


def pack(data: Dataset) -> Parcel:
    """Make a dataset ready to travel; mapped files stay behind at first."""
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
    """Put the mapped files of a parcel into the object store, which may spill them."""
    files = {file.path for file in parcel.files.values()}
    return {path: [ray.put(piece) for piece in _pieces(path)] for path in files}


def unpack(parcel: Parcel, pieces: Pieces | None) -> Dataset | None:
    """Open a dataset on a node.

    Args:
        parcel: What `pack` gave.
        pieces: What `cut` gave, or None.

    Returns:
        None where the node lacks a file and there are no pieces.

    Raises:
        OSError: The node's disk is full or read-only.
    """
    found: dict[str, Any] = {}
    for name, file in parcel.files.items():
        path = local_path(Path(file.path))
        if not path.exists():
            if pieces is None:
                return None
            copy_to(path, file.shape, map(ray.get, pieces[file.path]))
        found[name] = np.load(path, mmap_mode="r")
    return replace(parcel.data, **found)


def _pieces(path: str) -> Iterator[np.ndarray]:
    images = np.load(path, mmap_mode="r").view(np.ndarray)
    rows = max(1, _PIECE_BYTES // math.prod(images.shape[1:]))
    return (images[at : at + rows] for at in range(0, len(images), rows))
