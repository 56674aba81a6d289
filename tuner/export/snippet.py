"""The Python snippet that loads an exported model, for terminal and report."""

from __future__ import annotations

from collections.abc import Sequence

from tuner.study.descriptions import DataRecord

_TEXT = """\
{imports}

model = keras.saving.load_model({path!r}{options})
# Ready to predict; call model.compile before evaluate or fit.
images = np.zeros(({shape}), "uint8")  # your images: pixels 0 to 255, not 0 to 1
probabilities = model.predict(images)  # one row per image, one column per class
print({classes!r}[probabilities[0].argmax()])"""


def load_snippet(
    path: str, data: DataRecord, imports: Sequence[str] = (), options: str = ""
) -> str:
    """Return Python code that loads a file of `tune export` and classifies an image.

    It is the same for every model, because exported models always return one score
    per class.

    Args:
        path: The file.
        data: The images that the model was trained on.
        imports: Further lines of Python imports.
        options: Further arguments for `load_model`, as Python code.
    """
    shape = data.input_shape or (32, 32, 3)
    return _TEXT.format(
        imports="\n".join(["import keras", "import numpy as np", *imports]),
        path=path,
        options=options,
        shape=", ".join(str(n) for n in (1, *shape)),
        classes=list(data.classes),
    )
