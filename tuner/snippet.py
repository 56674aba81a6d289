"""Python that loads an exported network: one text, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = """\
import keras
import numpy as np

model = keras.saving.load_model({path!r})
images = np.zeros(({shape}), "uint8")  # your images, pixels 0 to 255
probabilities = model.predict(images)  # one row an image, one column a class
print({classes!r}[probabilities[0].argmax()])"""


def load_snippet(path: str, data: Mapping[str, Any]) -> str:
    """Write Python that loads a file of `tune export` and classifies an image.

    It is the same for every network: the file gives a score a class, whatever the
    network's own last layer gives.

    Args:
        path: The file.
        data: `StudyRecord.data`.
    """
    shape = data.get("input_shape") or (32, 32, 3)
    return _TEXT.format(
        path=path,
        shape=", ".join(str(n) for n in (1, *shape)),
        classes=[str(name) for name in data.get("classes") or ()],
    )
