"""A study's settings: checked options, and the ones that a resume may change."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_spaces.errors import UsageError
from search_spaces.space import check_name
from tuner.algorithms import ALGORITHMS, DEFAULT
from tuner.algorithms.base import Algorithm
from tuner.study.candidates import Candidate
from tuner.study.objective import Objective
from tuner.system.seeds import derive_seed

DEVICES = ("auto", "cpu", "gpu")
PIXELS = ("unit", "raw")
PRECISIONS = ("auto", "float32", "bfloat16")
KINDS = ("search", "confirm", "try", "noise", "final")

# These say how long and where to search; no result depends on them.
_MAY_CHANGE = (
    "max_trials",
    "device",
    "time_limit_s",
    "in_s",
    "reserved_s",
    "trial_timeout_s",
    "max_consecutive_failed_trials",
    "keep_models",
    "workers",
    "workers_per_gpu",
    "ray",
    "audit",
    "data",
    "kept_space",
    "candidates",
)


class SettingsError(UsageError):
    """An option is out of its range or cannot be combined with another."""


@dataclass(frozen=True)
class StudySettings:
    """One study's options; the command's help describes each of them.

    Attributes:
        space: A space's name, or the path of a file.
        algorithm: A name in `ALGORITHMS`.
        epochs: Epochs of trial 0; None takes the algorithm's default.
        max_trials: Configs to propose; None takes the algorithm's default, and stays
            None if that is its whole schedule or every point of the space.
        dataset: A named dataset, or None if `data` names a file or folder.
        limit: Training images to use, or None for all.
        objective: Any spelling that `Objective.parse` reads; stored as it writes it.
        time_limit_s: Seconds after which no trial starts, or None.
        in_s: Seconds that the whole command should take, or None; the search's size
            was chosen to fit.
        reserved_s: The part of `in_s` that is kept for training the winner on all
            images.
        trial_timeout_s: Seconds after which a run fails, or None.
        workers: Number of runs at a time, or None to let the session choose.
        workers_per_gpu: Workers that share each GPU.
        ray: The address of the Ray cluster to train on, or None for this machine.
        min_epochs: Minimum epochs of Hyperband's first rung.
        audit: Number of configs eliminated by Hyperband to train fully anyway.
        patience: Epochs without a lower validation loss after which a run stops and
            keeps its best epoch; None trains to the end.
        enqueue: Configs to train before the algorithm's, each in the names of
            `CnnConfig.to_dict`; missing hyperparameters are the base's.
        base: Hyperparameters that the space does not search, as
            `CnnConfig.to_dict`; None takes the baseline's.
        base_study: The study whose best trial is the base, or None.
        deterministic: Whether each run uses a single CPU thread, so that a study's
            histories are bit-identical for any number of workers.
        precision: What networks compute in: "float32", or "bfloat16" with weights,
            statistics, logits and loss in float32. A command may say "auto"; a
            study's record has what that became.
        pixels: The range of the pixels that a user's model gets: "unit" for 0 to 1,
            "raw" for 0 to 255.
        kept_space: A copy of the file `space` to read instead: a study of candidates
            reads the copy in the study that it compares. None reads `space`.
        kind: One of KINDS: a search, a study that compares candidates, or "final", a
            single candidate that is trained on all images.
        candidates: The configs to compare; trial i is candidate i. Empty for a
            search.

    Raises:
        SpaceError: There is no such space.
        SettingsError: An option is out of its range or does not fit the others.
    """

    space: str
    algorithm: str = DEFAULT.name
    max_trials: int | None = None
    epochs: int | None = None
    executions: int = 1
    dataset: str | None = "cifar10"
    data: str | None = None
    limit: int | None = None
    validation_split: float | None = None
    test_split: float | None = None
    image_size: int | None = None
    device: str = "auto"
    time_limit_s: float | None = None
    in_s: float | None = None
    reserved_s: float = 0.0
    max_params: int | None = None
    seed: int = 0
    baseline: bool = True
    objective: str = "val_accuracy"
    keep_models: int = 3
    min_epochs: int = 1
    trial_timeout_s: float | None = None
    max_consecutive_failed_trials: int = 3
    workers: int | None = None
    workers_per_gpu: int = 1
    ray: str | None = None
    deterministic: bool = False
    precision: str = "float32"
    pixels: str = "unit"
    audit: int = 0
    patience: int | None = None
    enqueue: Sequence[Mapping[str, Any]] = ()
    base: Mapping[str, Any] | None = None
    base_study: str | None = None
    kept_space: str | None = None
    kind: str = "search"
    candidates: Sequence[Candidate] = ()

    def __post_init__(self) -> None:
        if self.space == "published":
            self._refuse_for_published()
        algorithm = self.search_algorithm
        epochs = self.base["epochs"] if self.base else algorithm.default_epochs
        self._default("epochs", epochs)
        if not self.candidates:
            self._default("max_trials", algorithm.default_trials)
        object.__setattr__(self, "enqueue", [dict(c) for c in self.enqueue])
        object.__setattr__(self, "candidates", tuple(self.candidates))
        self._default("validation_split", 0.0 if self.space == "published" else 0.1)
        try:
            objective = str(Objective.parse(self.objective))
        except ValueError as error:
            raise SettingsError(str(error)) from error
        object.__setattr__(self, "objective", objective)
        self._check()

    def _default(self, name: str, value: Any) -> None:
        if getattr(self, name) is None:
            object.__setattr__(self, name, value)

    def _refuse_for_published(self) -> None:
        fixed = {
            "--algorithm": self.search_algorithm is not DEFAULT,
            "--max-trials": self.max_trials is not None,
            "--epochs": self.epochs is not None,
            "--validation-split": self.validation_split is not None,
            "--min-epochs": self.min_epochs != 1,
            "--audit": self.audit != 0,
            "--patience": self.patience is not None,
            "--enqueue": bool(self.enqueue),
            "--base": self.base is not None,
            "--in": self.in_s is not None,
        }
        options = [option for option, is_set in fixed.items() if is_set]
        if options:
            raise SettingsError(
                "The published experiments have fixed epochs, order and split, got "
                f"{', '.join(options)}. Remove {' and '.join(options)}; "
                "--data, --limit, --executions and --seed do apply."
            )

    def _check(self) -> None:
        check_name(self.kept_space or self.space)
        if (
            not self.validation_split
            and self.space != "published"
            and not self.candidates
        ):
            raise SettingsError(
                "--validation-split must be above 0 and below 1, because trials are "
                "ranked by their validation images, got 0. Leave it out for 0.1."
            )
        self._check_algorithm_options()
        if self.patience is not None and self.search_algorithm.sets_epochs:
            raise SettingsError(
                "--patience cannot be combined with "
                f"{self.search_algorithm.label}, whose rungs compare trials at equal "
                "epochs. Remove --patience or choose another --algorithm."
            )
        if self.in_s is not None and self.time_limit_s is not None:
            raise SettingsError(
                "--in and --time-limit cannot be combined: --in sizes the search to "
                "fit a time, --time-limit stops it. Remove one of them."
            )
        if self.test_split is not None and self.data is None:
            raise SettingsError(
                "--test-split applies only to --data with an image folder that has no "
                "test/, got it without --data. Remove it."
            )

    def _check_algorithm_options(self) -> None:
        """Check that no option of another algorithm is set."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for other in ALGORITHMS.values():
            for name, purpose in other.options.items():
                is_set = getattr(self, name) != defaults[name]
                if is_set and name not in self.search_algorithm.options:
                    takers = [a.name for a in ALGORITHMS.values() if name in a.options]
                    raise SettingsError(
                        f"--{name.replace('_', '-')} {purpose}, got it with "
                        f"--algorithm {self.algorithm}. Remove it, or use "
                        f"--algorithm {' or '.join(takers)}."
                    )

    @property
    def search_algorithm(self) -> Algorithm:
        """The algorithm that proposes the trials.

        Raises:
            SettingsError: There is no algorithm of that name.
        """
        if self.algorithm not in ALGORITHMS:
            raise SettingsError(
                f"--algorithm must be one of {', '.join(ALGORITHMS)}, "
                f"got {self.algorithm!r}."
            )
        return ALGORITHMS[self.algorithm]

    @property
    def algorithm_options(self) -> dict[str, int]:
        """The options that are specific to this study's algorithm."""
        return {name: getattr(self, name) for name in self.search_algorithm.options}

    def to_dict(self) -> dict[str, Any]:
        """Return every option as a plain value, for a record."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> StudySettings:
        """Read what `to_dict` wrote.

        An option that is newer than the record gets its default, so the default of a
        new option must be what earlier versions did.
        """
        settings = object.__new__(cls)
        for field in dataclasses.fields(cls):
            if field.name == "space" and "space" not in stored:
                raise ValueError("it has no space")
            value = stored.get(field.name, field.default)
            object.__setattr__(settings, field.name, value)
        rows = stored.get("candidates", stored.get("arms", ()))  # an earlier key
        if not isinstance(rows, Sequence) or isinstance(rows, str):
            raise TypeError(f"its candidates must be a list, got {rows!r:.120}")
        candidates = tuple(map(Candidate.from_dict, rows))
        object.__setattr__(settings, "candidates", candidates)
        return settings

    def settled(self, precision: str) -> StudySettings:
        """Return these settings with a precision in place of "auto"."""
        return self.from_dict({**self.to_dict(), "precision": precision})

    def identity(self) -> dict[str, Any]:
        """Return the options that a resume must not change."""
        fixed: dict[str, Any] = json.loads(json.dumps(self.to_dict()))
        fixed["space"] = Path(self.space).stem  # the file's hash identifies it
        for name in _MAY_CHANGE:
            if name != "max_trials" or self.search_algorithm.can_grow:
                del fixed[name]
        if self.takes_more_seeds:
            del fixed["executions"]
        return fixed

    @property
    def has_rungs(self) -> bool:
        """Whether trials differ in epochs by design, so that only full ones rank."""
        algorithm = ALGORITHMS.get(self.algorithm)  # None for a KerasTuner project
        return algorithm is not None and algorithm.sets_epochs

    def seeds(self, trial: int) -> int:
        """How many runs a trial gets, each with its own seed."""
        return self.candidates[trial].seeds if self.candidates else self.executions

    @property
    def training_seed(self) -> int:
        """The seed of the runs' seeds; candidates never reuse a search's seeds."""
        return derive_seed("arms", self.seed) if self.candidates else self.seed

    def split_seed(self, execution: int) -> int | None:
        """The seed of an execution's own split, the same for every candidate.

        None if the execution uses the study's split.
        """
        if not self.candidates or not self.validation_split:
            return None
        return derive_seed("split", self.seed, execution)

    @property
    def takes_more_seeds(self) -> bool:
        """Whether `executions` may grow, because no proposal depends on a score."""
        return self.search_algorithm.ignores_results


def fingerprint(
    settings: StudySettings, space: Mapping[str, Any], data_split: str
) -> str:
    """Hash everything that determines a result: settings, space, images and split."""
    parts = [settings.identity(), space, data_split]
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def parse_duration(text: str) -> float:
    """Read "90", "45s", "30m", "1.5h" or "1h30m" as seconds.

    Raises:
        ValueError: The text is not a duration, or is not above 0.
    """
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", text)
    seconds = sum(float(number) * units[unit] for number, unit in parts)
    if "".join(n + u for n, u in parts) != text or seconds <= 0:
        raise ValueError(f"A duration must read like 45s, 30m or 1h30m, got {text!r}.")
    return seconds
