"""Measure how fast this machine trains some configs of a space, before a search.

The configs are timed side by side, on as many workers as the search will have, because
workers share memory and slow each other down.
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
from tuner.search.precision import with_precision
from tuner.study.settings import StudySettings
from tuner.study.tasks import Ready, Timing, TimingTask, TrainingFailure, WorkerLoss
from tuner.system.machine import memory_bytes

if TYPE_CHECKING:
    from tuner.search.plan import Plan

_BUDGET_S = 20.0  # for all timings together; compilation comes on top
_TIMED = 5  # configs besides the baseline
_EXPECTED = 60  # configs whose predicted times give the average


@dataclass(frozen=True)
class Sizes:
    """How many images a training processes.

    Attributes:
        train: Images trained on in each epoch.
        validation: Images classified after each epoch.
        test: Images classified at the end, with up to as many training images.
    """

    train: int
    validation: int
    test: int

    @property
    def images(self) -> int:
        """All training images, validation included."""
        return self.train + self.validation

    def of(self, images: int) -> Sizes:
        """Return the sizes if only `images` training images are used."""
        share = images / self.images
        validation = round(self.validation * share)
        return Sizes(images - validation, validation, self.test)


@dataclass(frozen=True)
class Speed:
    """How fast this machine trains some configs of a plan for all images.

    Attributes:
        plan: The plan, fitted to this machine.
        limits: The limits beyond which the plan rejects configs.
        data: The images; their arrays are gone when `measure_speed` ends.
        ready: A worker's description of itself, with the number of workers.
        timed: Configs with their measured times, the baseline first.
        load_s: Seconds until a worker could train.
    """

    plan: Plan
    limits: Limits
    data: Dataset
    ready: Ready
    timed: tuple[tuple[Config, Timing], ...]
    load_s: float

    @property
    def sizes(self) -> Sizes:
        """How many images a training processes under this plan."""
        data = self.data
        return Sizes(len(data.train), len(data.validation), len(data.test))

    @property
    def workers(self) -> int:
        """How many trainings run side by side."""
        return max(1, self.ready.workers)

    @cached_property
    def expected(self) -> list[tuple[Config, Timing]]:
        """The first configs of the search, each with its measured or predicted times.

        A config that was not timed is predicted from its multiply-adds.
        """
        shape, classes = self.data.input_shape, len(self.data.classes)
        work = self.plan.workload(self.limits, shape, classes)
        configs = self.plan.first_configs(self.limits, shape, classes, wanted=_EXPECTED)
        measured = {_network(config): timing for config, timing in self.timed}
        predict = _prediction([(work.of(c, 1), timing) for c, timing in self.timed])
        return [
            (config, measured.get(_network(config)) or predict(work.of(config, 1)))
            for config in configs
        ] or list(self.timed)

    def training_s(self, sizes: Sizes, epochs: int | None = None) -> float:
        """Return the mean seconds of a training on one worker, with its evaluations.

        Args:
            sizes: How many images it processes.
            epochs: Epochs of every training; None for each config's own.
        """
        times = [
            training_seconds(timing, sizes, epochs or config.epochs)
            for config, timing in self.expected
        ]
        return sum(times) / len(times)

    def worker_s(self, sizes: Sizes, runs: float, epochs: float) -> float:
        """Return the mean worker seconds of some runs with so many epochs in all."""
        fixed, one = (
            sum(training_seconds(timing, sizes, n) for _, timing in self.expected)
            for n in (0, 1)
        )
        return (runs * fixed + epochs * (one - fixed)) / len(self.expected)

    def study_s(self) -> float | None:
        """Estimate the wall time of the whole plan, or None if nothing was timed."""
        if not self.timed:
            return None
        settings, planned = self.plan.settings, self.plan.record()
        mean = self.training_s(self.sizes)
        trainings = mean * (planned.trials or 0) * settings.executions
        if planned.brackets:
            runs = sum(
                configs for bracket in planned.brackets for configs, _ in bracket
            )
            runs *= settings.executions
            trainings = self.worker_s(self.sizes, runs, planned.epochs or 0)
        base, timing = self.timed[0]
        one_run = training_seconds(timing, self.sizes, base.epochs)
        trainings += one_run * settings.executions * settings.baseline
        # On average, the other workers idle through half of the last training.
        idle = mean / 2 * (1 - 1 / self.workers)
        return float(self.load_s + trainings / self.workers + idle)


def _network(config: Config) -> str:
    """Return a key for the configs that take the same time per image."""
    return repr(without_epochs(config.to_dict()))


def _prediction(
    timed: Sequence[tuple[float, Timing]],
) -> Callable[[float], Timing]:
    """Fit the time per image as a function of a network's multiply-adds.

    Args:
        timed: Multiply-adds of one image's forward pass, and the measured times.

    Returns:
        A function from multiply-adds to predicted times.
    """
    train, evaluate, start = (
        fit_seconds([(work, getattr(timing, name)) for work, timing in timed])
        for name in ("train_s", "evaluate_s", "start_s")
    )

    def predict(work: float) -> Timing:
        return Timing(train(work), evaluate(work), start(work))

    return predict


def training_seconds(timing: Timing, sizes: Sizes, epochs: int) -> float:
    """Return the seconds that a training takes, with its evaluations."""
    evaluated = epochs * sizes.validation + sizes.test + min(sizes.test, sizes.train)
    return (
        timing.start_s
        + epochs * sizes.train * timing.train_s
        + evaluated * timing.evaluate_s
    )


@contextmanager
def measure_speed(
    settings: StudySettings, say: Callable[[str], None]
) -> Iterator[Speed]:
    """Plan a study, time some of its configs, and store nothing.

    Args:
        settings: What would be searched.
        say: Called with notes on progress; the timing takes about half a minute.
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
        plan = with_precision(plan, workers, say, on_gpu=ready.on_gpu)
        limits = plan.limits(
            shape, classes, on_gpu=ready.on_gpu, memory_bytes=memory_bytes()
        )
        plan = plan.fitted(limits, shape, classes)
        configs = "the config" if settings.candidates else "a few configs"
        say(f"Timing a few steps of {configs}. This takes less than half a minute.")
        first = plan.first_configs(limits, shape, classes, wanted=_TIMED)
        timed = _time(workers, plan, [plan.first_config, *first])
        yield Speed(plan, limits, data, ready, timed, load_s)


def _time(
    workers: Workers, plan: Plan, configs: list[Config]
) -> tuple[tuple[Config, Timing], ...]:
    """Time configs, one per worker at the same time; leave out those that fail."""
    user_model = getattr(plan.space, "model", None)
    precision = plan.settings.precision
    timings: dict[int, Timing] = {}
    waiting = list(enumerate(configs))
    running = 0
    while waiting or running:
        while waiting and workers.idle:
            number, config = waiting.pop(0)
            budget = _BUDGET_S / max(_TIMED, len(configs))
            task = TimingTask(
                config.to_dict(), budget, user_model, precision, trial=number
            )
            workers.submit(task)
            running += 1
        for event in workers.wait():
            if isinstance(event, Timing):
                timings[event.trial] = event
            if isinstance(event, Timing | TrainingFailure | WorkerLoss):
                running -= 1
    return tuple((configs[i], timings[i]) for i in sorted(timings))
