"""Measure how fast this machine trains some configs of a space, before a search.

The configs are timed side by side, on as many workers as a search will have: these
share memory, and are slower together.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.user_code import Config
from tuner.algorithms.base import without_epochs
from tuner.algorithms.screening import Limits
from tuner.data.dataset import Dataset, open_arrays, save_arrays
from tuner.search import session
from tuner.search.fitting import fit_seconds
from tuner.search.loop import Workers
from tuner.study.settings import StudySettings
from tuner.study.tasks import Ready, Timing, TimingTask, TrainingFailure, WorkerLoss
from tuner.system.machine import memory_bytes

if TYPE_CHECKING:
    from tuner.search.planning import Plan

_BUDGET_S = 20.0  # of all timings together, compilation on top
_TIMED = 5  # besides the baseline
_EXPECTED = 60


@dataclass(frozen=True)
class Sizes:
    """How many images a training meets.

    Attributes:
        train: Trained on, each epoch.
        validation: Classified after each epoch.
        test: Classified at the end, and as many training images if there are.
    """

    train: int
    validation: int
    test: int

    @property
    def images(self) -> int:
        """All training images, validation included."""
        return self.train + self.validation

    def of(self, images: int) -> Sizes:
        """Give the sizes where only so many training images are used."""
        share = images / self.images
        validation = round(self.validation * share)
        return Sizes(images - validation, validation, self.test)


@dataclass(frozen=True)
class Speed:
    """What was measured: a plan for all images, and how fast some of its configs are.

    Attributes:
        plan: Fitted to this machine.
        limits: What it does not propose.
        data: The images; their arrays are gone when `measured` ends.
        ready: What a worker said of itself, with the number of workers.
        timed: Configs, the baseline first, and what each takes.
        load_s: Seconds until a worker could train, once.
    """

    plan: Plan
    limits: Limits
    data: Dataset
    ready: Ready
    timed: tuple[tuple[Config, Timing], ...]
    load_s: float

    @property
    def sizes(self) -> Sizes:
        """How many images a training meets as planned."""
        data = self.data
        return Sizes(len(data.train), len(data.validation), len(data.test))

    @property
    def workers(self) -> int:
        """How many trainings run side by side."""
        return max(1, self.ready.workers)

    @cached_property
    def expected(self) -> list[tuple[Config, Timing]]:
        """The configs that the search begins with, and what each is expected to take.

        What was not timed follows by its arithmetic from what was.
        """
        shape, classes = self.data.input_shape, len(self.data.classes)
        work = self.plan.workload(self.limits, shape, classes)
        configs = self.plan.first_configs(self.limits, shape, classes, wanted=_EXPECTED)
        known = {_network(config): timing for config, timing in self.timed}
        predict = _prediction([(work.of(c, 1), timing) for c, timing in self.timed])
        return [
            (config, known.get(_network(config)) or predict(work.of(config, 1)))
            for config in configs
        ] or list(self.timed)

    def training_s(self, sizes: Sizes, epochs: int | None = None) -> float:
        """Average what a training takes on one worker, its evaluations included.

        Args:
            sizes: How many images it meets.
            epochs: Of every training; None for each config's own.
        """
        of_each = [
            seconds(timing, sizes, epochs or config.epochs)
            for config, timing in self.expected
        ]
        return sum(of_each) / len(of_each)

    def study_s(self) -> float | None:
        """Estimate the wall time of the whole plan, or None if nothing was timed."""
        if not self.timed:
            return None
        settings, planned = self.plan.settings, self.plan.record()
        mean = self.training_s(self.sizes)
        trainings = mean * (planned.trials or 0) * settings.executions
        if settings.algorithm == "hyperband":  # most are trained further, from a state
            epochs = sum(c.epochs for c, _ in self.expected) / len(self.expected)
            trainings = mean * (planned.epochs or 0) / epochs
        base, timing = self.timed[0]
        first = seconds(timing, self.sizes, base.epochs) * settings.executions
        trainings += first * settings.baseline
        idle = mean / 2 * (1 - 1 / self.workers)  # the others, through half of the last
        return float(self.load_s + trainings / self.workers + idle)


def _network(config: Config) -> str:
    """Name what takes the same time an image, however many epochs it trains."""
    return repr(without_epochs(config.to_dict()))


def _prediction(
    timed: Sequence[tuple[float, Timing]],
) -> Callable[[float], Timing]:
    """Fit what images take to the arithmetic of one.

    Args:
        timed: Multiply-adds of an image's forward pass, and what was measured.

    Returns:
        Gives the times of a network of so many multiply-adds.
    """
    train, evaluate, start = (
        fit_seconds([(work, getattr(timing, name)) for work, timing in timed])
        for name in ("train_s", "evaluate_s", "start_s")
    )

    def predict(work: float) -> Timing:
        return Timing(train(work), evaluate(work), start(work))

    return predict


def seconds(timing: Timing, sizes: Sizes, epochs: int) -> float:
    """Give what a training takes, its evaluations included."""
    evaluated = epochs * sizes.validation + sizes.test + min(sizes.test, sizes.train)
    return (
        timing.start_s
        + epochs * sizes.train * timing.train_s
        + evaluated * timing.evaluate_s
    )


@contextmanager
def measured(settings: StudySettings, say: Callable[[str], None]) -> Iterator[Speed]:
    """Plan a study, time some of its configs, and store nothing.

    Args:
        settings: What would be searched.
        say: Gets notes while it works, which takes about half a minute.
    """
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        session.start_workers(settings, Path(folder) / "log", say) as workers,
    ):
        plan = session.make_plan(settings)
        data = session.load_data(settings, say)
        shape, classes = data.input_shape, len(data.classes)
        save_arrays(data, Path(folder) / "data")
        data = open_arrays(Path(folder) / "data")
        ready = workers.open(Path(folder) / "data")
        load_s = time.monotonic() - started
        plan = session.discover(plan, workers, None)
        limits = plan.limits(
            shape, classes, on_gpu=ready.on_gpu, memory_bytes=memory_bytes()
        )
        plan = plan.fitted(limits, shape, classes)
        say("Timing a few steps of a few configs...")
        first = plan.first_configs(limits, shape, classes, wanted=_TIMED)
        timed = _time(workers, plan, [plan.first_config, *first])
        yield Speed(plan, limits, data, ready, timed, load_s)


def _time(
    workers: Workers, plan: Plan, configs: list[Config]
) -> tuple[tuple[Config, Timing], ...]:
    """Time configs, as many side by side as there are workers."""
    own = getattr(plan.space, "model", None)
    found: dict[int, Timing] = {}
    waiting = list(enumerate(configs))
    running = 0
    while waiting or running:
        while waiting and workers.idle:
            number, config = waiting.pop(0)
            each = _BUDGET_S / len(configs)
            workers.submit(TimingTask(config.to_dict(), each, own, trial=number))
            running += 1
        for event in workers.wait():
            if isinstance(event, Timing):
                found[event.trial] = event
            if isinstance(event, Timing | TrainingFailure | WorkerLoss):
                running -= 1
    return tuple((configs[i], found[i]) for i in sorted(found))
