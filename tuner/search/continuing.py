"""Choose where a run starts: from new weights, or from an equivalent stored state.

Continuing only saves time and never changes a result: the state is complete, and
seeds depend neither on the trial nor on its epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from search_spaces.config import is_scheduled
from tuner.algorithms.base import without_epochs
from tuner.search.executions import without_results
from tuner.study.folder import Study
from tuner.study.records import Execution, TrialRecord
from tuner.study.tasks import State


def starting_point(
    study: Study, record: TrialRecord, execution: Execution, epochs: int
) -> tuple[Execution, State | None]:
    """Find the longest stored run from which an execution can continue.

    That is its own state, or that of a trial with the same config but fewer epochs.

    Args:
        study: The study that stores the states.
        record: The execution's trial.
        execution: The execution so far; its state may be of an earlier epoch.
        epochs: Its epochs at the end.

    Returns:
        The execution as it was at the state, and the state. If there is no state, the
        execution before its first epoch, and None.
    """
    if execution.epochs:
        state = study.state(record.trial, execution.execution)
        if state and state.epoch <= execution.epochs:  # a later one has no record
            return _at(state.epoch, execution, execution, None), state
    shorter = sorted(
        _shorter(study, record, execution, epochs), key=lambda pair: -pair[1].epochs
    )
    for trial, other in shorter:
        state = study.state(trial, other.execution)
        if state and state.epoch == other.epochs:
            return _at(state.epoch, execution, other, trial), state
    return from_the_start(execution), None


def next_rung(execution: Execution) -> Execution:
    """Prepare an execution for more epochs, if these have a schedule of their own.

    A shorter schedule has ended with a learning rate of zero, so its state is no
    beginning of a longer one: every rung is a whole training.
    """
    earlier = execution.trained_epochs
    return replace(without_results(from_the_start(execution)), earlier_epochs=earlier)


def from_the_start(execution: Execution) -> Execution:
    """Reset an execution to before its first epoch."""
    return replace(
        execution,
        epochs=0,
        history={},
        continued_from=0,
        continued_trial=None,
        jit_compile=None,
    )


def _shorter(
    study: Study, record: TrialRecord, execution: Execution, epochs: int
) -> Iterator[tuple[int, Execution]]:
    """List finished runs whose epochs this one would all repeat."""
    is_cnn = study.record.space.user_code is None
    if is_cnn and is_scheduled(record.config):
        return
    network = without_epochs(record.config)
    for trial in study.trials.values():
        for other in trial.executions:
            if (
                other.seed == execution.seed
                and trial.trial != record.trial
                and other.is_final
                and other.best_epoch is None
                and other.epochs <= epochs
                and without_epochs(trial.config) == network
            ):
                yield trial.trial, other


def _at(
    epoch: int, execution: Execution, source: Execution, trial: int | None
) -> Execution:
    """Set an execution to an epoch of the run whose state it continues."""
    return replace(
        execution,
        epochs=epoch,
        history={name: values[:epoch] for name, values in source.history.items()},
        continued_from=epoch,
        continued_trial=trial,
        jit_compile=source.jit_compile,
    )
