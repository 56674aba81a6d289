"""Where a training starts: new weights, or a stored state that leads the same way.

Continuing changes what a training costs and nothing else: the state is all that the
epochs before it left, and seeds depend on neither trial nor epochs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tuner.algorithms.base import without_epochs
from tuner.study.folder import Study
from tuner.study.records import Execution, TrialRecord
from tuner.study.tasks import State


def starting_point(
    study: Study, record: TrialRecord, execution: Execution, epochs: int
) -> tuple[Execution, State | None]:
    """Find the longest stored training that an execution can go on from.

    Its own, or that of another trial whose config differs in fewer epochs alone.

    Args:
        study: Holds the states.
        record: The execution's trial.
        execution: As far as it came; longer than its state where that is older.
        epochs: What it shall have in the end.

    Returns:
        The execution as it stood at the state, and the state; without any, the
        execution before its first epoch, and None.
    """
    if execution.epochs:
        state = study.state(record.trial, execution.execution)
        if state and state.epoch <= execution.epochs:  # a later one's record is lost
            return _at(state.epoch, execution, execution, None), state
    shorter = sorted(
        _shorter(study, record, execution, epochs), key=lambda found: -found[1].epochs
    )
    for trial, other in shorter:
        state = study.state(trial, other.execution)
        if state and state.epoch == other.epochs:
            return _at(state.epoch, execution, other, trial), state
    return from_the_start(execution), None


def from_the_start(execution: Execution) -> Execution:
    """Take an execution to before its first epoch."""
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
    """List finished trainings whose every epoch this one would repeat."""
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
    """Take an execution to an epoch of the one whose state it goes on from."""
    return replace(
        execution,
        epochs=epoch,
        history={name: values[:epoch] for name, values in source.history.items()},
        continued_from=epoch,
        continued_trial=trial,
        jit_compile=source.jit_compile,
    )
