"""Small real datasets and tasks for the tests that train."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from search_spaces.config import CnnConfig
from tuner.data.dataset import Dataset, load_dataset
from tuner.study.tasks import TrainingTask

# Dropout and pooling, so that every kind of state is in it; fast on 8x8 digits.
SMALL = CnnConfig(filters=(8,), units=(16,), dropout=0.3, epochs=3)


@cache
def digits(limit: int = 400) -> Dataset:
    """Load some of scikit-learn's digits, split as a study splits them."""
    return load_dataset(
        "digits", None, limit=limit, validation_split=0.2, seed=0, say=lambda _: None
    )


def task(config: CnnConfig = SMALL, **changes) -> TrainingTask:
    """Make a task of trial 1 to train `config` to its epochs."""
    given = {"trial": 1, "execution": 0, "seed": 7, "epochs": config.epochs}
    return TrainingTask(config=config.to_dict(), **(given | changes))


def train(task: TrainingTask, data: Dataset, report=lambda event: None):
    """Train a task; `report` gets every epoch, and the result is returned."""
    from tuner.training import loop

    *epochs, result = loop.train(task, data)
    for event in epochs:
        report(event)
    return result


def own_log(folder: Path) -> Path:
    """Name a log in a folder that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "search.log"
