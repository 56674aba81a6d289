"""Load datasets by name: those that Keras downloads, and scikit-learn's digits."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import numpy as np

from tuner.data.npz import DatasetError, Images, Say
from tuner.data.splits import stratified_split

NAMES = ("cifar10", "cifar100", "mnist", "fashion_mnist", "digits")

_DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee clock
cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion
lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange
orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
snail snake spider squirrel streetcar sunflower sweet_pepper table tank
telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
_CLASSES = {
    "cifar10": tuple(_CIFAR10.split()),
    "cifar100": tuple(_CIFAR100.split()),
    "mnist": _DIGITS,
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
# The file pattern in Keras's cache after a download, and the download's size in MB.
_DOWNLOADS = {
    "cifar10": ("cifar-10-batches-py*", 170),
    "cifar100": ("cifar-100-python*", 169),
    "mnist": ("mnist.npz", 11),
    "fashion_mnist": ("fashion-mnist", 31),
}


def load_named(name: str, say: Say) -> Images:
    """Load one of NAMES.

    Keras downloads its datasets once; its progress bar goes to stderr.

    Raises:
        DatasetError: The dataset is not in Keras's cache and cannot be downloaded.
    """
    return _load_digits() if name == "digits" else _load_keras(name, say)


def _load_digits() -> Images:
    """Load scikit-learn's 1,797 digits; the test set is a fifth, always the same."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    y = digits.target
    train, test = stratified_split(y, 0.2, seed=0)
    return Images(x[train], y[train], x[test], y[test], _DIGITS)


def _load_keras(name: str, say: Say) -> Images:
    cache = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "datasets"
    pattern, megabytes = _DOWNLOADS[name]
    if not any(cache.glob(pattern)):
        say(f"Downloading {name} ({megabytes} MB) to {cache} ...")
    from keras import datasets

    try:
        # Keras shows its progress on stdout, which is for results.
        with contextlib.redirect_stdout(sys.stderr):
            (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception without a network
        raise DatasetError(
            f"{name} is not in Keras's cache, {cache}, and cannot be downloaded: "
            f"{error}. Connect to the internet, copy the files there, use --data for "
            "your own images, or use --dataset digits, which needs no download."
        ) from error
    x_train, x_test = (_channels_last(x) for x in (x_train, x_test))
    return Images(
        x_train, y_train.reshape(-1), x_test, y_test.reshape(-1), _CLASSES[name]
    )


def _channels_last(x: np.ndarray) -> np.ndarray:
    if x.ndim == 3:
        return x[..., np.newaxis]
    # With image_data_format "channels_first", Keras loads CIFAR that way.
    return x if x.shape[3] == 3 else np.moveaxis(x, 1, 3)
