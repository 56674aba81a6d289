"""Export a trained network from a study as a `.keras` file."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import CnnConfig
from search_spaces.user_code import UserSpace
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
    """Find the trial to export: the one with this number, or the best by validation.

    The study of a finished network has only one.

    Raises:
        NotAStudyError: There is no such completed trial, or no trial is ranked.
    """
    if number is None and study.record.settings.kind == "final":
        number = 0
    ranked = best_first(study.trials.values(), study.record.settings)
    if number is None:
        if not ranked:
            raise NotAStudyError(
                f"Study {study.name} has no trial ranked by validation, so choose a "
                f"trial yourself: {study.command('show')} lists them."
            )
        return ranked[0]
    trial = study.trials.get(number)
    if trial is None or trial.status != "completed":
        completed = sorted(
            t.trial for t in study.trials.values() if t.status == "completed"
        )
        raise NotAStudyError(
            f"TRIAL must be a completed trial of {study.name}, got {number}. "
            f"Completed: {', '.join(map(str, completed)) or 'none'}."
        )
    return trial


def write_model(
    study: Study,
    trial: TrialRecord,
    path: Path,
    retrain: Callable[[TrainingTask], State],
) -> str:
    """Write a trial's first execution as a `.keras` file.

    The exported model takes pixels from 0 to 255 and returns one column per class.
    The values are probabilities; for a user's model, only if its loss shows how to
    compute them. Loading needs only Keras and, if any, the user's own objects.

    Args:
        study: The trial's study.
        trial: A completed trial.
        path: The file to write; its name ends in `.keras`.
        retrain: Trains the state again if it was not kept.

    Returns:
        A Python snippet that loads and uses the file.
    """
    space, settings = user_space(study), study.record.settings
    execution = trial.executions[0]
    state = study.state(trial.trial, execution.execution)
    epochs = execution.best_epoch or execution.epochs
    if state is None or state.epoch != epochs:
        state = retrain(
            TrainingTask(
                trial=trial.trial,
                execution=execution.execution,
                config=trial.config,
                seed=execution.seed,
                epochs=epochs,
                jit_compile=execution.jit_compile,
                split_seed=settings.split_seed(execution.execution),
                user_model=space.model if space else None,
                precision=settings.precision,
            )
        )
    imports, options = [], ""
    with quiet(), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        complete = Path(folder) / path.name
        if space:
            needs = _save_user_model(study, trial, state, complete, space)
            imports = needs.imports(Path(settings.space), study.space_file)
            options = needs.options
        else:
            _save(study, trial, state, complete)
        complete.replace(path)  # so that no partial file ever has this name
    return load_snippet(str(path), study.record.data, imports, options)


def _save(study: Study, trial: TrialRecord, state: State, path: Path) -> None:
    import keras

    from search_spaces.model import build_model
    from tuner.training.loop import restore
    from tuner.training.networks import computing_in

    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    with computing_in(study.record.settings.precision):
        model = build_model(CnnConfig.from_dict(trial.config), shape, classes)
    restore(model, state)
    softmax = keras.layers.Softmax(name="probabilities", dtype="float32")
    probabilities = softmax(model.output)
    keras.Model(model.input, probabilities, name=_model_name(study, trial)).save(path)


def _model_name(study: Study, trial: TrialRecord) -> str:
    is_final = study.record.settings.kind == "final"
    return "final" if is_final else f"trial_{trial.trial}"


def _save_user_model(
    study: Study, trial: TrialRecord, state: State, path: Path, space: UserSpace
) -> Needs:
    """Write a user's model, and return what loading it needs."""
    import keras

    from tuner.export.custom_objects import cannot_store, check_needs
    from tuner.training import user_models
    from tuner.training.loop import restore
    from tuner.training.networks import computing_in

    data = study.record.data
    shape, classes = data.shape, len(data.classes)
    hp = user_models.hyperparameters(trial.config)
    with computing_in(study.record.settings.precision):
        network = user_models.network(space.model, hp, shape, classes)
    restore(network.model, state)
    # Without its loss and optimizer, so that loading does not need the user's own.
    network.model.compiled, network.model.optimizer = False, None
    pixels = keras.Input(shape, name="pixels")
    scaled = keras.layers.Rescaling(1 / user_models.divisor(space.model))(pixels)
    probabilities = network.probabilities(network.model(scaled))
    exported = keras.Model(pixels, probabilities, name=_model_name(study, trial))
    try:
        exported.save(path)
    except Exception as error:
        raise StudyError(cannot_store(error)) from error
    return check_needs(path, exported)


def train_again(
    study: Study, say: Callable[[str], None]
) -> Callable[[TrainingTask], State]:
    """Return a function that trains a state again from its seed."""

    def retrain(task: TrainingTask) -> State:
        from tuner.data.dataset import save_arrays
        from tuner.search.session import load_data
        from tuner.workers.local import LocalWorkers
        from tuner.workers.placement import Placement

        say(
            f"Trial {task.trial}'s network was not kept, so its {task.epochs} epochs "
            "are trained again from the seed."
        )
        settings = study.record.settings
        data = load_data(settings, say)
        if data.split != study.record.data.split:
            raise StudyError(
                f"The data must be unchanged since study {study.name}, but it has "
                "changed. Restore it at the path in the study's command."
            )
        log = study.folder / "search.log"
        placement = Placement(threads=1 if settings.deterministic else None)
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            LocalWorkers(log, say, settings.device, placement) as pool,
        ):
            save_arrays(data, Path(folder))
            del data  # the worker maps its own copy
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
    """Compare the test accuracy of a repeated run with its record."""
    execution = study.trials[again.trial].executions[again.execution]
    now, recorded = again.test.accuracy, execution.test_accuracy
    result = f"Trained again, its test accuracy is {100 * now:.2f} %"
    if recorded is None or now == recorded:
        return f"{result}, as recorded."
    return (
        f"{result}; the record says {100 * recorded:.2f} %. Runs repeat exactly only "
        "with --deterministic, the same versions and the same kind of machine."
    )
