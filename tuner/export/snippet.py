"""Python that loads an exported network: one text, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.study.records import DataRecord

_TEXT = """\
{imports}

model = keras.saving.load_model({path!r}{options})
# It predicts as it is; model.compile it before evaluate or fit.
images = np.zeros(({shape}), "uint8")  # yours: pixels 0 to 255, not 0 to 1
probabilities = model.predict(images)  # one row an image, one column a class
print({classes!r}[probabilities[0].argmax()])"""


def load_snippet(
    path: str, data: DataRecord, imports: Sequence[str] = (), options: str = ""
) -> str:
    """Write Python that loads a file of `tune export` and classifies an image.

    It is the same for every network: the file gives a score a class, whatever the
    network's own last layer gives.

    Args:
        path: The file.
        data: The images that it was trained on.
        imports: Lines of Python that the file needs besides Keras.
        options: What `load_model` is given besides the file, as Python.
    """
    shape = data.input_shape or (32, 32, 3)
    return _TEXT.format(
        imports="\n".join(["import keras", "import numpy as np", *imports]),
        path=path,
        options=options,
        shape=", ".join(str(n) for n in (1, *shape)),
        classes=list(data.classes),
    )
