"""A project folder of plain KerasTuner, read as a study: `tune report FOLDER`.

KerasTuner 1.4 writes `oracle.json` and a `trial_ID/trial.json` each. What they do not
hold cannot be shown, and is named: curves, test accuracy, single trainings, times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuner.algorithms.bayesian import BAYESIAN
from tuner.algorithms.hyperband import HYPERBAND
from tuner.study.descriptions import DataRecord, Hyperparameter, SpaceRecord
from tuner.study.objective import Objective
from tuner.study.records import Execution, Rung, StudyRecord, TrialRecord
from tuner.study.schema import RecordError
from tuner.study.settings import StudySettings

KIND = "keras-tuner"
_MISSING = (
    "Read from a KerasTuner project, which does not hold learning curves, test and "
    "evaluated train accuracy (so there is no gap), the trainings one by one, their "
    "seeds and times, or how many images validated: no interval can be given."
)
_OPTIMISTIC = (
    "Its scores are of each training's best epoch, chosen and reported on the same "
    "validation images, which makes all of them optimistic."
)
_KINDS = {"Int": "int", "Float": "float", "Choice": "choice", "Boolean": "boolean"}
_STATUSES = {"COMPLETED": "completed", "RUNNING": "running"}
_PREFIX = "tuner/"  # of what Hyperband keeps among a trial's values

Raw = Mapping[str, Any]


def is_project(folder: Path) -> bool:
    """Whether a folder is KerasTuner's, and not one of our studies."""
    is_study = (folder / "study.json").exists()
    return (folder / "oracle.json").exists() and not is_study


def project_within(folder: Path) -> Path | None:
    """Find a project one level down, where KerasTuner puts it, if `folder` is none."""
    if is_project(folder) or (folder / "study.json").exists():
        return None
    return next((path.parent for path in sorted(folder.glob("*/oracle.json"))), None)


def read(folder: Path) -> tuple[StudyRecord, list[TrialRecord], list[str]]:
    """Read a project.

    Args:
        folder: It holds `oracle.json`.

    Returns:
        A record of it, its trials numbered from 1 in the order they began, and a
        sentence on each file that was left out. Under Hyperband a trial and those that
        went on from it are one.

    Raises:
        RecordError: `oracle.json` cannot be read, or is of another version.
    """
    oracle = _parse(folder / "oracle.json")
    raw, unread = _trials(folder)
    try:
        objective = _objective(raw)
        space = [_described(h) for h in oracle["hyperparameters"]["space"]]
        order = {str(key): i for i, key in enumerate(oracle.get("start_order") or ())}
        raw.sort(key=lambda t: order.get(str(t["trial_id"]), len(order)))
        trials = list(_lineages(raw))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f"{folder} must be a project of KerasTuner 1.4, and its files are others: "
            f"{type(error).__name__}: {error}. Report a folder that `tune` or "
            "KerasTuner 1.4 wrote."
        ) from error
    epochs = oracle.get("max_epochs")
    settings = {
        "kind": KIND,
        "space": folder.name,
        "algorithm": _algorithm(oracle),
        "epochs": epochs,
        "objective": str(objective),
    }
    created = datetime.fromtimestamp((folder / "oracle.json").stat().st_mtime, UTC)
    record = StudyRecord(
        study=folder.name,
        state="interrupted" if oracle.get("ongoing_trials") else "completed",
        created=created.isoformat(timespec="seconds"),
        command=f"tune report {folder.name}",
        settings=StudySettings.from_dict(settings),
        space=SpaceRecord(folder.name, tuple(map(Hyperparameter.from_dict, space))),
        data=DataRecord("its own"),
        fingerprint="",
        notes=(_MISSING, _OPTIMISTIC),
    )
    return record, trials, unread


def _algorithm(oracle: Raw) -> str:
    """Tell the oracle by what its state holds; a grid's is that of a random one."""
    if oracle.get("max_epochs"):
        return HYPERBAND.name
    return BAYESIAN.name if "beta" in oracle else "random or grid"


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{path} must be whole JSON, and it cannot be read: {error}. KerasTuner "
            "may have been killed as it wrote it."
        ) from error


def _trials(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    trials, unread = [], []
    for path in sorted(folder.glob("trial_*/trial.json")):
        try:
            trials.append(_parse(path))
        except RecordError:
            name = f"{path.parent.name}/{path.name}"
            unread.append(f"{name} was left out: it is cut off.")
    return trials, unread


def _objective(raw: Sequence[Raw]) -> Objective:
    """Find the metric that the scores are: KerasTuner does not store its name."""
    done = [t for t in raw if t["status"] == "COMPLETED" and t["score"] is not None]
    names = {name for t in done for name in t["metrics"]["metrics"]}
    for name in sorted(n for n in names if n.startswith("val_")):
        if all(_metric(t, name) == t["score"] for t in done):
            direction = done[0]["metrics"]["metrics"][name]["direction"]
            return Objective(name, str(direction))
    return Objective("val_accuracy", "max")


def _metric(trial: Raw, name: str) -> float | None:
    metric = trial["metrics"]["metrics"].get(name)
    if not metric or not metric["observations"]:
        return None
    values = metric["observations"][-1]["value"]
    return float(sum(values) / len(values))


def _described(declared: Raw) -> dict[str, Any]:
    """Give a hyperparameter as a study's record has it."""
    config = declared["config"]
    row = {
        "name": config["name"],
        "type": _KINDS.get(declared["class_name"], "fixed"),
        "default": config.get("default"),
        "conditions": {},
    }
    if "min_value" in config:
        row |= {"min": config["min_value"], "max": config["max_value"]}
        row |= {"step": config.get("step"), "sampling": config.get("sampling")}
    elif row["type"] == "boolean":
        row["values"] = [False, True]
    else:
        row["values"] = list(config.get("values") or [config.get("value")])
    return row


def _lineages(raw: Sequence[Raw]) -> Iterator[TrialRecord]:
    """Make a trial of each chain that Hyperband promoted."""
    following = {
        values[f"{_PREFIX}trial_id"]: trial
        for trial in raw
        if f"{_PREFIX}trial_id" in (values := trial["hyperparameters"]["values"])
    }
    known = {trial["trial_id"] for trial in raw}
    number = 0
    for first in raw:
        if first["hyperparameters"]["values"].get(f"{_PREFIX}trial_id") in known:
            continue
        chain = [first]
        while (after := following.get(chain[-1]["trial_id"])) and after not in chain:
            chain.append(after)
        number += 1
        yield _trial(number, chain)


def _trial(number: int, chain: Sequence[Raw]) -> TrialRecord:
    last = chain[-1]
    values = last["hyperparameters"]["values"]
    config = {n: v for n, v in values.items() if not n.startswith(_PREFIX)}
    epochs = int(values.get(f"{_PREFIX}epochs", 0))
    status = _STATUSES.get(str(last["status"]), "failed")
    error = str(last.get("message") or last["status"]).strip().splitlines()[-1]
    execution = Execution(
        0,
        seed=0,
        epochs=epochs,
        val_accuracy=_metric(last, "val_accuracy"),
        val_loss=_metric(last, "val_loss"),
    )
    rungs = tuple(
        Rung(
            int(step["hyperparameters"]["values"].get(f"{_PREFIX}epochs", 0)),
            proposed=2 * number + i,
            told=2 * number + i + 1,
            score=step["score"],
        )
        for i, step in enumerate(chain)
    )
    return TrialRecord(
        trial=number,
        status=status,
        config=config,
        values=config,
        name=f"trial_{last['trial_id']}",
        rungs=rungs,
        executions=(execution,) if status == "completed" else (),
        error=error[:300] if status == "failed" else None,
    )
