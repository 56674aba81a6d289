"""What two studies must share for their scores to be comparable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from reports.read import labels
from reports.read.study import StudyFrames


class _Requirement(NamedTuple):
    """One property that must be equal.

    Attributes:
        read: Returns a study's value in words, or None if its record does not say.
        difference: A sentence on how one study differs from another; takes both values.
        description: A study's value, to tell several studies apart.
    """

    read: Callable[[StudyFrames], str | None]
    difference: str
    description: str


def difference(study: StudyFrames, other: StudyFrames) -> str:
    """Write in one sentence how a study's images or scores differ from another's."""
    for requirement in _REQUIREMENTS:
        ours, theirs = requirement.read(study), requirement.read(other)
        if ours != theirs and None not in (ours, theirs):
            return requirement.difference.format(ours, theirs)
    return "Its images are split differently."


def what_differs(studies: Sequence[StudyFrames]) -> list[str]:
    """Describe each study by as few properties as tell all of them apart."""
    descriptions: list[tuple[str, ...]] = [()] * len(studies)
    for requirement in _REQUIREMENTS:
        values = [requirement.read(study) or "unknown" for study in studies]
        longer = [
            (*description, requirement.description.format(value))
            for description, value in zip(descriptions, values, strict=True)
        ]
        if len(set(longer)) > len(set(descriptions)):
            descriptions = longer
    return [", ".join(description) or "its split" for description in descriptions]


def _data(
    name: str, write: Callable[[Any], str] = str
) -> Callable[[StudyFrames], str | None]:
    def read(study: StudyFrames) -> str | None:
        value = getattr(study.record.data, name)
        # A KerasTuner project does not record its images.
        is_known = value if name == "name" else study.record.data.train
        return write(value) if is_known else None

    return read


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape)


def _training_images(study: StudyFrames) -> str | None:
    """Count the training images that were used, including validation images."""
    data = study.record.data
    return labels.count(data.train + data.validation) if data.train else None


def _seed(study: StudyFrames) -> str:
    return str(study.record.settings.seed)


# The most telling first: a property may differ because one above it does.
_REQUIREMENTS = (
    _Requirement(
        lambda study: labels.metric(study.objective.name),
        "It was ranked by {}, not {}.",
        "ranked by {}",
    ),
    _Requirement(_data("name"), "Its data are {}, not {}.", "{}"),
    _Requirement(_data("input_shape", _by), "Its images are {}, not {}.", "{} pixels"),
    _Requirement(
        _training_images, "It used {} training images, not {}.", "{} training images"
    ),
    _Requirement(
        _data("train", labels.count),
        "It has {} train images, not {}.",
        "{} train images",
    ),
    _Requirement(
        _data("validation", labels.count),
        "It has {} validation images, not {}.",
        "{} validation images",
    ),
    _Requirement(
        _data("test", labels.count),
        "It has {} test images, not {}.",
        "{} test images",
    ),
    _Requirement(
        _data("fingerprint", lambda fingerprint: str(fingerprint)[:12]),
        "Its image files are different.",
        "image files {}",
    ),
    _Requirement(_seed, "Its images are split by seed {}, not {}.", "seed {}"),
)
