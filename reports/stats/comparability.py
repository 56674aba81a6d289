"""What the scores of two studies must share to be compared, and what they do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from reports.read import labels
from reports.read.study import StudyFrames


class _Ground(NamedTuple):
    """One thing that must be equal.

    Attributes:
        of: Takes it from a study, in words; None where its record does not say.
        difference: A sentence about a study that has another than a second one has.
        one_of: What a study has, beside others.
    """

    of: Callable[[StudyFrames], str | None]
    difference: str
    one_of: str


def difference(study: StudyFrames, other: StudyFrames) -> str:
    """Say in a sentence what tells a study's images or scores from another's."""
    for ground in _GROUNDS:
        ours, theirs = ground.of(study), ground.of(other)
        if ours != theirs and None not in (ours, theirs):
            return ground.difference.format(ours, theirs)
    return "Its images are split otherwise."


def what_differs(studies: Sequence[StudyFrames]) -> list[str]:
    """Say of each what tells it from the others: as little as tells all apart."""
    told: list[tuple[str, ...]] = [()] * len(studies)
    for ground in _GROUNDS:
        words = [
            ground.one_of.format(ground.of(study) or "unknown") for study in studies
        ]
        more = [(*before, word) for before, word in zip(told, words, strict=True)]
        if len(set(more)) > len(set(told)):
            told = more
    return [", ".join(words) or "its split" for words in told]


def _data(
    name: str, words: Callable[[Any], str] = str
) -> Callable[[StudyFrames], str | None]:
    def of(study: StudyFrames) -> str | None:
        value = getattr(study.record.data, name)
        # Of a project of KerasTuner's nothing is known but that it had images.
        is_known = value if name == "name" else study.record.data.train
        return words(value) if is_known else None

    return of


def _by(shape: Sequence[int]) -> str:
    return " x ".join(str(side) for side in shape)


def _taken(study: StudyFrames) -> str | None:
    """Count the training images that were taken, of whatever limit."""
    data = study.record.data
    return labels.count(data.train + data.validation) if data.train else None


def _seed(study: StudyFrames) -> str:
    return str(study.record.settings.seed)


# The most telling first: those above another may be why that differs.
_GROUNDS = (
    _Ground(
        lambda study: labels.metric(study.objective.name),
        "It was ranked by {}, not {}.",
        "ranked by {}",
    ),
    _Ground(_data("name"), "Its data are {}, not {}.", "{}"),
    _Ground(_data("input_shape", _by), "Its images are {}, not {}.", "{} pixels"),
    _Ground(_taken, "It used {} training images, not {}.", "{} training images"),
    _Ground(
        _data("train", labels.count),
        "It has {} train images, not {}.",
        "{} train images",
    ),
    _Ground(
        _data("validation", labels.count),
        "It has {} validation images, not {}.",
        "{} validation images",
    ),
    _Ground(
        _data("test", labels.count),
        "It has {} test images, not {}.",
        "{} test images",
    ),
    _Ground(
        _data("fingerprint", lambda whole: str(whole)[:12]),
        "Its image files are others.",
        "image files {}",
    ),
    _Ground(_seed, "Its images are split by seed {}, not {}.", "seed {}"),
)
