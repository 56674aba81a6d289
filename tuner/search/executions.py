"""Update an execution's record with the events of its training."""

from __future__ import annotations

from dataclasses import replace

from tuner.study.records import Execution, TrialRecord
from tuner.study.tasks import EpochEnd, TrainingResult


def after_epoch(execution: Execution, event: EpochEnd) -> Execution:
    """Add an epoch, and clear the results of an earlier rung's weights."""
    history = {
        name: [*execution.history.get(name, []), value]
        for name, value in event.metrics.items()
    }
    return replace(
        without_results(execution),
        epochs=event.epoch,
        history=history,
        seconds=execution.seconds + event.seconds,
        train_seconds=execution.train_seconds + event.train_seconds,
    )


def without_results(execution: Execution) -> Execution:
    """Clear the measures of weights that are trained further."""
    return replace(
        execution,
        train_accuracy=None,
        train_loss=None,
        val_accuracy=None,
        val_loss=None,
        test_accuracy=None,
        test_loss=None,
        metrics={},
        best_epoch=None,
    )


def after_result(execution: Execution, event: TrainingResult) -> Execution:
    """Add the measures of the final weights."""
    validation = event.validation
    parts = {"train": event.train, "val": validation, "test": event.test}
    return replace(
        execution,
        train_accuracy=event.train.accuracy,
        train_loss=event.train.loss,
        val_accuracy=validation.accuracy if validation else None,
        val_loss=validation.loss if validation else None,
        test_accuracy=event.test.accuracy,
        test_loss=event.test.loss,
        metrics={
            f"{split}_{name}": value
            for split, part in parts.items()
            if part
            for name, value in part.metrics.items()
        },
        params=event.params,
        seconds=execution.seconds + event.seconds,
        continued_from=event.continued_from,
        best_epoch=event.best_epoch,
        jit_compile=event.jit_compile,
        device=event.device,
        attempts=0,
    )


def is_done(execution: Execution, epochs: int) -> bool:
    """Whether it is evaluated after `epochs`, or after it stopped early."""
    has_stopped = execution.best_epoch is not None
    return execution.is_final and (execution.epochs == epochs or has_stopped)


def is_trained(record: TrialRecord) -> bool:
    """Whether every execution is evaluated after the epochs of the last rung."""
    return all(is_done(e, record.rungs[-1].epochs) for e in record.executions)
