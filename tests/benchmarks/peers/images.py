"""The peers' images: CIFAR-10 in four forms, and digits.

Each form is a file or folder that `tune --data` takes, and an .npz of the same images
for the scripts that read arrays.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship")
_CLASSES = (*_CLASSES, "truck")
_IMBALANCED = {0: 3000, 1: 1000, 3: 100}  # 30:10:1; tested on 1,000 of each
_A_CLASS = 200  # training and test images of the enlarged ones


def make(form: str, cifar: Path | None, folder: Path) -> tuple[Path, Path]:
    """Write a form of the images.

    Args:
        form: A name in `FORMS`.
        cifar: An .npz of CIFAR-10, which every form but digits needs.
        folder: Where to write.

    Returns:
        What `tune --data` takes, and the .npz.
    """
    arrays = FORMS[form](None if form == "digits" else dict(np.load(cifar)))
    path = folder / f"{form}.npz"
    np.savez(path, **arrays)
    if form != "enlarged":
        return path, path
    return _as_folder(arrays, folder / form), path


def _digits(_: object) -> dict:
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None]
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[: len(x) // 5], order[len(x) // 5 :]
    return _parts(x[train], digits.target[train], x[test], digits.target[test])


def _whole(data: dict) -> dict:
    return data


def _grey(data: dict) -> dict:
    """Grey, at 28x28 pixels."""
    small = {
        name: np.stack([np.asarray(_resized(i, 28).convert("L")) for i in data[name]])
        for name in ("x_train", "x_test")
    }
    return {**data, **{name: images[..., None] for name, images in small.items()}}


def _enlarged(data: dict) -> dict:
    """2,000 training and 2,000 test images, at 64x64 pixels."""
    parts = []
    for name in ("train", "test"):
        labels = data[f"y_{name}"].reshape(-1)
        few = np.concatenate(
            [np.flatnonzero(labels == c)[:_A_CLASS] for c in range(10)]
        )
        images = [np.asarray(_resized(i, 64)) for i in data[f"x_{name}"][few]]
        parts += [np.stack(images), labels[few]]
    return _parts(*parts)


def _imbalanced(data: dict) -> dict:
    """Three classes, the first with thirty times the images of the last."""
    labels = {name: data[f"y_{name}"].reshape(-1) for name in ("train", "test")}
    few = [np.flatnonzero(labels["train"] == c)[:n] for c, n in _IMBALANCED.items()]
    train, test = np.concatenate(few), np.isin(labels["test"], list(_IMBALANCED))
    number = np.full(10, -1)
    number[list(_IMBALANCED)] = range(len(_IMBALANCED))
    return _parts(
        data["x_train"][train],
        number[labels["train"][train]],
        data["x_test"][test],
        number[labels["test"][test]],
    )


FORMS = {
    "digits": _digits,
    "cifar10": _whole,
    "grey": _grey,
    "enlarged": _enlarged,
    "imbalanced": _imbalanced,
}


def _parts(x_train: object, y_train: object, x_test: object, y_test: object) -> dict:
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _resized(image: np.ndarray, side: int) -> Image.Image:
    return Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)


def _as_folder(arrays: dict, folder: Path) -> Path:
    """Write the images as PNG files in train/CLASS and test/CLASS."""
    for part in ("train", "test"):
        pairs = zip(arrays[f"x_{part}"], arrays[f"y_{part}"], strict=True)
        for number, (image, label) in enumerate(pairs):
            path = folder / part / _CLASSES[int(label)] / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder
