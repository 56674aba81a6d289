"""What a finished network is and scored: `tune finish`'s one run on all images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reports.pages.findings import Verdict
from reports.read import labels
from reports.read.study import StudyFrames, read_study
from reports.stats.intervals import wilson_interval
from search_spaces.config import HYPERPARAMETERS
from search_spaces.errors import ExpectedError
from tuner.study import words
from tuner.study.folder import Study
from tuner.study.ranking import best_first
from tuner.study.schema import RecordError
from tuner.system.files import FINAL


class Final(NamedTuple):
    """A finished network.

    Attributes:
        study: The name of its study, "STUDY/final".
        state: That study's state.
        trial: The trial whose config it has, such as "trial 7".
        ranks_first: Whether this is the search's best trial by validation.
        config: The config, as its record has it.
        words: The config in words, or the values of a user's hyperparameters.
        epochs: Epochs to train.
        images: Images that it trains on.
        validation: Images that a user's own `fit` needs for validation, else 0.
        test_images: Images that measure its accuracy.
        seconds: Seconds of training so far.
        params: Its parameters, or None before the end.
        train_accuracy: A fraction, or None before the end.
        test_accuracy: A fraction, or None before the end.
        interval: The 95 % Wilson interval of `test_accuracy`, or None.
        error: Why the training failed, or None.
    """

    study: str
    state: str
    trial: str
    ranks_first: bool
    config: Mapping[str, Any]
    words: str
    epochs: int
    images: int
    validation: int
    test_images: int
    seconds: float
    params: int | None = None
    train_accuracy: float | None = None
    test_accuracy: float | None = None
    interval: tuple[float, float] | None = None
    error: str | None = None

    @property
    def how(self) -> str:
        """How it is trained: "trial 7, trained on all 50,000 images, 12 epochs"."""
        images = f"all {labels.count(self.images)} images"
        if self.validation:
            images = f"{labels.count(self.images)} images"
        epochs = labels.several(self.epochs, "epoch")
        return f"{self.trial}, trained on {images}, {epochs}"

    @property
    def facts(self) -> dict[str, Any]:
        """The plain values for JSON; accuracies are fractions."""
        low, high = self.interval or (None, None)
        facts = {"kind": "final", **self._asdict(), "low": low, "high": high}
        facts["status"] = facts.pop("state")
        del facts["interval"]
        return facts


def read_final(folder: Path) -> Final | None:
    """Read the finished network of a search; None if there is none to read.

    Args:
        folder: The search's folder.
    """
    try:
        if (folder / FINAL / "study.json").exists():
            return final(read_study(folder / FINAL))
    except RecordError:
        pass  # the page of the search is worth more than this part of it
    return None


def final(study: StudyFrames) -> Final:
    """Gather what is known about the network of a study of kind "final"."""
    candidate, data = study.candidates[0], study.record.data
    if study.record.space.user_code is None:
        config = words.config(candidate.config, set(HYPERPARAMETERS) - {"epochs"})
    else:
        values = [(n, v) for n, v in candidate.config.items() if n != "epochs"]
        config = ", ".join(f"{n} {labels.value(v)}" for n, v in values)
    result = Final(
        study=study.name,
        state=study.state,
        trial=candidate.name,
        ranks_first=_best_trial(study.folder.parent) == candidate.name,
        config=dict(candidate.config),
        words=" ".join(config.split()),
        epochs=int(candidate.config["epochs"]),
        images=data.train,
        validation=data.validation,
        test_images=data.test,
        seconds=float(study.trials["seconds"].fillna(0).sum()),
    )
    done = study.trials[study.trials["status"] == "completed"]
    if not len(done):
        errors = [error for error in study.trials["error"] if isinstance(error, str)]
        return result._replace(error=errors[0] if errors else None)
    row = done.iloc[0]
    accuracy = float(row["test_accuracy"])
    low, high = wilson_interval(accuracy, data.test)
    return result._replace(
        epochs=int(row["epochs"]),
        params=int(row["params"]),
        train_accuracy=float(row["train_accuracy"]),
        test_accuracy=accuracy,
        interval=(float(low), float(high)),
    )


def sentence(network: Final) -> str:
    """Say what the network is and what it scored, as the end of a sentence."""
    if network.error:
        return f"{network.how}: the training failed with {network.error}."
    if network.test_accuracy is None or network.interval is None:
        return f"{network.how}: not finished yet."
    return (
        f"{network.how} in {labels.duration(network.seconds)}: test accuracy "
        f"{labels.percent(network.test_accuracy)} (95 % interval "
        f"{labels.interval(*network.interval)})."
    )


def paragraphs(network: Final) -> tuple[str, ...]:
    """Say what the network is, what it scored, and what that covers."""
    lead = labels.capital(sentence(network))
    if network.test_accuracy is None:
        return (lead,)
    config = f"Its config: {network.words}."
    if network.validation:
        held_out = labels.count(network.validation)
        config += f" Its own fit held out {held_out} images to validate on."
    once = (
        f"It is one run. The interval covers the choice of "
        f"{labels.count(network.test_images)} test images, not the luck of a run: "
        "another seed gives a somewhat different network."
    )
    return (lead, config, _choice(network), once)


def _choice(network: Final) -> str:
    if network.ranks_first:
        return (
            "Validation chose this config: its trial ranks first in the search. This "
            "training came later and had no part in the choice; the test images chose "
            "nothing."
        )
    return (
        "Its trial does not rank first in the search: it was named by hand, or the "
        "search went on. If test accuracy had a part in the choice, the test accuracy "
        "here is slightly too high."
    )


def verdict(study: StudyFrames) -> Verdict:
    """Write the first sentences of the report on a finished network."""
    network = final(study)
    lead, *support = paragraphs(network)
    return Verdict(lead, tuple(support))


def lines(network: Final) -> list[str]:
    """Return the lines for the terminal."""
    if network.test_accuracy is None or network.interval is None:
        return [labels.capital(sentence(network))]
    low, high = (labels.number(100 * end, 1) for end in network.interval)
    gap = (network.train_accuracy or 0.0) - network.test_accuracy
    chosen = "Validation chose its config"
    if not network.ranks_first:
        chosen = "Its trial does not rank first by validation"
    scores = [
        f"Finished  {network.how}, {labels.duration(network.seconds)}",
        f"test {labels.percent(network.test_accuracy)} [{low}, {high}]",
        f"gap {words.points(gap, signed=True)}",
        f"{labels.params(network.params)} parameters",
    ]
    luck = "the interval covers the choice of test images, not the luck of this one run"
    return ["   ".join(scores), f"          {chosen}; {luck}."]


def _best_trial(folder: Path) -> str | None:
    """Name the best trial of a search by validation; None if there is none."""
    try:
        study = Study.open(folder)
    except (ExpectedError, OSError):
        return None
    ranked = best_first(study.trials.values(), study.record.settings)
    return words.candidate(ranked[0]) if ranked else None
