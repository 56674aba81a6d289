"""How a study spent its time, and how fast its networks trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reports.read import labels
from reports.read.study import StudyFrames


@dataclass(frozen=True)
class Speed:
    """How all workers spent their time.

    Attributes:
        images: Training images per second of one worker while it trains, compilation
            included.
        training: Share of the workers' time in training epochs, 0 to 1.
        evaluation: Share in evaluation and in building networks.
        starting: Share before the first run could start: loading the backend and the
            images. None if the records do not say.
        waiting: All other time: idle workers, pages; includes `starting` if that is
            None.
        workers: Number of parallel runs.
    """

    images: float
    training: float
    evaluation: float
    starting: float | None
    waiting: float
    workers: int


def speed(study: StudyFrames) -> Speed | None:
    """Sum up how a study spent its time; return None if its records do not say."""
    rows = study.executions.dropna(subset=["seconds", "train_seconds", "epochs"])
    # A config that continued another trial's state did not train that trial's epochs.
    before = rows["continued_from"].where(rows["continued_trial"].notna(), 0)
    each = rows["epochs"] + rows["earlier_epochs"]
    epochs = float((each - before.astype("float64").fillna(0)).sum())
    trained, busy = float(rows["train_seconds"].sum()), float(rows["seconds"].sum())
    workers = study.record.hardware.get("workers")
    workers = workers if isinstance(workers, int) and workers > 0 else 1
    total = study.record.seconds * workers
    images = study.record.data.train
    if not (trained > 0 and images and np.isfinite(total)):
        return None
    total = max(total, busy)  # busy is more if other machines helped or a clock was set
    start = study.record.start_seconds
    start = None if start is None else min(start * workers, total - busy) / total
    return Speed(
        images=epochs * images / trained,
        training=trained / total,
        evaluation=max(0.0, busy - trained) / total,
        starting=start,
        waiting=1 - busy / total - (start or 0.0),
        workers=workers,
    )


def words(measured: Speed) -> str:
    """Write the speed in one line."""
    each = f" on each of {measured.workers} workers" if measured.workers > 1 else ""
    idle = f"{100 * measured.waiting:.0f} % starting and waiting"
    if measured.starting is not None:
        idle = f"{100 * measured.starting:.0f} % starting, "
        idle += f"{100 * measured.waiting:.0f} % waiting"
    return (
        f"{labels.count(round(measured.images))} images per second in training{each}; "
        f"{100 * measured.training:.0f} % of the time training, "
        f"{100 * measured.evaluation:.0f} % evaluating and building networks, {idle}"
    )
