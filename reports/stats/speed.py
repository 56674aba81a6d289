"""What a study's time went to, and how fast its networks trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.read import labels
from reports.read.study import StudyFrames


@dataclass(frozen=True)
class Speed:
    """Where the time of all workers went.

    Attributes:
        images: Training images a second while one worker trains, compilation
            included.
        training: Share of the workers' time in training epochs, 0 to 1.
        evaluation: Share in evaluation and in building networks.
        starting: Share before a first training could start: loading the backend
            and the images. None where the records do not say.
        waiting: The rest: idle workers, pages; `starting` too where that is None.
        workers: Trainings side by side.
    """

    images: float
    training: float
    evaluation: float
    starting: float | None
    waiting: float
    workers: int


def speed(study: StudyFrames) -> Speed | None:
    """Sum up where a study's time went, or None where its records do not say."""
    rows = study.executions.dropna(subset=["seconds", "train_seconds", "epochs"])
    # A config that went on from another trial's state did not train its epochs.
    before = rows["continued_from"].where(rows["continued_trial"].notna(), 0)
    epochs = float((rows["epochs"] - before.astype("float64").fillna(0)).sum())
    trained, busy = float(rows["train_seconds"].sum()), float(rows["seconds"].sum())
    workers = study.record.hardware.get("workers")
    workers = workers if isinstance(workers, int) and workers > 0 else 1
    whole = study.record.seconds * workers
    images = study.record.data.train
    if not (trained > 0 and images and np.isfinite(whole)):
        return None
    whole = max(whole, busy)  # other machines took part, or a clock was set
    start = study.record.start_seconds
    start = None if start is None else min(start * workers, whole - busy) / whole
    return Speed(
        images=epochs * images / trained,
        training=trained / whole,
        evaluation=max(0.0, busy - trained) / whole,
        starting=start,
        waiting=1 - busy / whole - (start or 0.0),
        workers=workers,
    )


def words(measured: Speed) -> str:
    """Say it in a line."""
    each = f", each of {measured.workers} workers" if measured.workers > 1 else ""
    rest = f"{100 * measured.waiting:.0f} % starting and waiting"
    if measured.starting is not None:
        rest = f"{100 * measured.starting:.0f} % starting, "
        rest += f"{100 * measured.waiting:.0f} % waiting"
    return (
        f"{labels.count(round(measured.images))} images a second in training{each}; "
        f"{100 * measured.training:.0f} % of the time training, "
        f"{100 * measured.evaluation:.0f} % evaluating and building networks, {rest}"
    )
