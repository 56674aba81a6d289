"""Take a trained network out of a study, as a Keras file of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import CnnConfig
from search_spaces.user_code import OwnSpace
from tuner.export.snippet import load_snippet
from tuner.study.configs import user_space
from tuner.study.folder import NotAStudyError, Study, StudyError
from tuner.study.ranking import best_first
from tuner.study.records import TrialRecord
from tuner.study.tasks import (
    EpochEnd,
    State,
    TrainingFailure,
    TrainingResult,
    TrainingTask,
    WorkerLoss,
)
from tuner.system.quiet import quiet

if TYPE_CHECKING:
    from tuner.export.custom_objects import Needs


def choose_trial(study: Study, number: int | None) -> TrialRecord:
    """Find the trial to export: the one named, or the best by validation.

    Raises:
        NotAStudyError: There is no such finished trial, or none can be called best.
    """
    ranked = best_first(study.trials.values(), study.record.settings)
    if number is None:
        if not ranked:
            raise NotAStudyError(
                f"Study {study.name} has no trial that validation ranks, so name "
                f"one of those that this shows: {study.command('show')}"
            )
        return ranked[0]
    trial = study.trials.get(number)
    if trial is None or trial.status != "completed":
        finished = sorted(
            t.trial for t in study.trials.values() if t.status == "completed"
        )
        raise NotAStudyError(
            f"TRIAL must be a completed trial of {study.name}, got {number}. "
            f"Completed: {', '.join(map(str, finished)) or 'none'}."
        )
    return trial


def write_model(
    study: Study,
    trial: TrialRecord,
    path: Path,
    retrain: Callable[[TrainingTask], State],
) -> str:
    """Write a trial's first execution as a `.keras` file, and say how to load it.

    The file takes pixels 0 to 255 and gives a column a class: probabilities, as far
    as the loss of a user's own network tells. It needs Keras alone.

    Args:
        study: The trial's.
        trial: A completed one.
        path: Where to write; its name ends in `.keras`.
        retrain: Trains a state that was not kept.

    Returns:
        A Python snippet that loads and uses the file.
    """
    own, settings = user_space(study), study.record.settings
    execution = trial.executions[0]
    state = study.state(trial.trial, execution.execution)
    kept = execution.best_epoch or execution.epochs
    if state is None or state.epoch != kept:
        state = retrain(
            TrainingTask(
                trial=trial.trial,
                execution=execution.execution,
                config=trial.config,
                seed=execution.seed,
                epochs=kept,
                jit_compile=execution.jit_compile,
                split_seed=settings.split_seed(execution.execution),
                user_model=own.model if own else None,
            )
        )
    imports, options = [], ""
    with quiet(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / path.name
        if own:
            needs = _save_own(study, trial, state, whole, own)
            imports = needs.imports(Path(settings.space), study.space_file)
            options = needs.options
        else:
            _save(study, trial, state, whole)
        whole.replace(path)  # it is there whole or not at all
    return load_snippet(str(path), study.record.data, imports, options)


def _save(study: Study, trial: TrialRecord, state: State, path: Path) -> None:
    import keras

    from search_spaces.model import build_model
    from tuner.training.loop import restore

    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    model = build_model(CnnConfig.from_dict(trial.config), shape, classes)
    restore(model, state)
    probabilities = keras.layers.Softmax(name="probabilities")(model.output)
    keras.Model(model.input, probabilities, name=f"trial_{trial.trial}").save(path)


def _save_own(
    study: Study, trial: TrialRecord, state: State, path: Path, own: OwnSpace
) -> Needs:
    """Write a network of a user's own, and say what it is loaded with."""
    import keras

    from tuner.export.custom_objects import needs, refusal
    from tuner.training import user_models
    from tuner.training.loop import restore

    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    hp = user_models.hyperparameters(trial.config)
    network = user_models.network(own.model, hp, shape, classes)
    restore(network.model, state)
    # What trained it is no part of it: a loss of their own need not be there to load.
    network.model.compiled, network.model.optimizer = False, None
    pixels = keras.Input(shape, name="pixels")
    unit = keras.layers.Rescaling(1 / user_models.divisor(own.model))(pixels)
    probabilities = network.probabilities(network.model(unit))
    exported = keras.Model(pixels, probabilities, name=f"trial_{trial.trial}")
    try:
        exported.save(path)
    except Exception as error:
        raise StudyError(refusal(error)) from error
    return needs(path, exported)


def train_again(
    study: Study, say: Callable[[str], None]
) -> Callable[[TrainingTask], State]:
    """Make the function that trains a state again from its seed."""

    def retrain(task: TrainingTask) -> State:
        from tuner.data.dataset import save_arrays
        from tuner.search.session import load_data
        from tuner.workers.local import LocalWorkers
        from tuner.workers.placement import Placement

        say(
            f"Trial {task.trial}'s network was not kept: its {task.epochs} epochs are "
            "trained again from the seed."
        )
        settings = study.record.settings
        data = load_data(settings, say)
        if data.split != study.record.data.split:
            raise StudyError(
                f"The data must be those of study {study.name}, but they have "
                "changed. Put them back where the study's command found them."
            )
        log = study.folder / "search.log"
        alone = Placement(threads=1 if settings.deterministic else None)
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            LocalWorkers(log, say, settings.device, alone) as pool,
        ):
            save_arrays(data, Path(folder))
            del data  # the worker maps its own
            pool.open(Path(folder))
            pool.submit(task)
            while True:
                for event in pool.wait():
                    match event:
                        case EpochEnd():
                            say(f"epoch {event.epoch}/{task.epochs}")
                        case TrainingResult(state=State() as state):
                            say(_compared(study, event))
                            return state
                        case TrainingFailure() | WorkerLoss():
                            raise StudyError(f"Training failed: {event.error}")

    return retrain


def _compared(study: Study, again: TrainingResult) -> str:
    """Say how good a network is that was trained again, beside its record."""
    execution = study.trials[again.trial].executions[again.execution]
    now, recorded = again.test.accuracy, execution.test_accuracy
    said = f"Trained again, its test accuracy is {100 * now:.2f} %"
    if recorded is None or now == recorded:
        return f"{said}, as recorded."
    return (
        f"{said}; the record says "
        f"{100 * recorded:.2f} %. Only --deterministic, in one version on one kind of "
        "machine, repeats a training to the bit."
    )
