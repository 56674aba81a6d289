"""Every study of a folder, side by side, where they can be compared at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.read import hyperparameters, labels
from reports.read.study import StudyFrames, read_study
from reports.read.trial_names import BASELINE
from reports.stats import comparability
from reports.stats.analysis import Analysis
from search_spaces.config import config_key
from tuner.study.objective import Objective
from tuner.study.schema import RecordError


class Studies(NamedTuple):
    """What a folder holds.

    Attributes:
        entries: Readable studies, by name.
        of_candidates: Those that compare given configs, those within others too.
        unread: One sentence for what is no study or cannot be read.
    """

    entries: tuple[Analysis, ...]
    of_candidates: tuple[Analysis, ...]
    unread: tuple[str, ...]


class Apart(NamedTuple):
    """A study that is not overlaid, and why."""

    entry: Analysis
    reason: str


class Baseline(NamedTuple):
    """One training of the baseline, and the studies that share it.

    Attributes:
        row: Its trial's row.
        studies: Their names.
        spread: How far their scores lie apart although config and seeds are
            equal; 0 where it is the same number.
    """

    row: pd.Series[Any]
    studies: tuple[str, ...]
    spread: float


class Group(NamedTuple):
    """The studies that are overlaid: equal images, split and objective.

    Attributes:
        entries: The one with the highest leader first.
        apart: The rest.
        baselines: One each config and seeds of trial 0.
        alone: Ranked studies of which no two can be overlaid, the oldest first; there
            are no entries then.
    """

    entries: tuple[Analysis, ...]
    apart: tuple[Apart, ...]
    baselines: tuple[Baseline, ...] = ()
    alone: tuple[Analysis, ...] = ()

    @property
    def objective(self) -> Objective:
        """What all of them were ranked by."""
        return self.entries[0].study.objective

    @property
    def shared(self) -> Baseline | None:
        """The one baseline that every one of the studies has, or None."""
        for baseline in self.baselines:
            if len(baseline.studies) == len(self.entries):
                return baseline
        return None


def read_studies(runs: Path) -> Studies:
    """Read every study of a folder; what cannot be read is named, not raised.

    Raises:
        OSError: The folder itself cannot be listed.
    """
    unread: list[str] = []
    foreign = []
    entries: list[Analysis] = []
    for folder in sorted(p for p in runs.iterdir() if p.is_dir()):
        if folder.name.startswith("."):
            continue
        if (folder / "study.json").exists():
            entries += _readable(folder, folder.name, unread)
        elif [path.name for path in folder.glob("*")] != ["search.log"]:
            foreign.append(folder.name)  # and no search that could not start
    within = [
        entry
        for outer in entries
        for name in outer.study.inner
        for entry in _readable(
            outer.study.folder / name, f"{outer.name}/{name}", unread
        )
    ]
    of_candidates = [e for e in [*entries, *within] if e.study.candidates]
    if foreign:
        names = labels.listing(foreign[:5])
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        unread.append(f"No study: {names}{more} (no study.json there).")
    return Studies(tuple(entries), tuple(of_candidates), tuple(unread))


def _readable(folder: Path, name: str, unread: list[str]) -> list[Analysis]:
    """Read a study, or say in a sentence more why it was left out."""
    try:
        analysis = Analysis(read_study(folder))
        _ = analysis.ranking  # what it cannot be made of is said here, of this study
    except (RecordError, OSError, ValueError, TypeError, AttributeError) as error:
        text = str(error).replace(f"{folder.resolve()}/", "")
        reason = " ".join(text.replace(f"{folder}/", "").split())
        unread.append(f"{name} was left out: {reason[:240]}")
        return []
    return [analysis]


def group(entries: tuple[Analysis, ...]) -> Group:
    """Take the largest set of comparable studies, of equal ones the newest.

    Under Hyperband only full-length trials stand for their study.
    """
    entries = tuple(entry for entry in entries if not entry.study.candidates)
    rankable = [entry for entry in entries if len(entry.ranking.ranked)]
    unranked = tuple(
        Apart(e, _why_unranked(e)) for e in entries if not len(e.ranking.ranked)
    )
    sizes = Counter(_key(entry) for entry in rankable)
    if len(rankable) != 1 and max(sizes.values(), default=1) == 1:
        return Group((), unranked, alone=tuple(sorted(rankable, key=_created)))
    newest = {_key(e): e.study.record.created for e in sorted(rankable, key=_created)}
    main = max(sizes, key=lambda key: (sizes[key], newest[key], key))
    together = [entry for entry in rankable if _key(entry) == main]
    sign = -1 if together[0].study.objective.higher_is_better else 1
    together.sort(key=lambda e: (sign * e.leader["objective"], e.name))
    others = tuple(
        Apart(e, comparability.difference(e.study, together[0].study))
        for e in rankable
        if _key(e) != main
    )
    return Group(tuple(together), others + unranked, _baselines(together))


def ranges(entries: tuple[Analysis, ...]) -> tuple[tuple[str, ...], ...]:
    """List each hyperparameter that varies within a study or between them.

    Its name, then what each study did with it; some have it in no config.
    """
    varied = {h.name for entry in entries for h in entry.study.hyperparameters}
    names = dict.fromkeys(str(n) for entry in entries for n in entry.study.configs)
    rows = [(name, *(_range(entry, name) for entry in entries)) for name in names]
    return tuple(row for row in rows if row[0] in varied or len(set(row[1:])) > 1)


def baseline_label(group: Group, baseline: Baseline) -> str:
    """Name a baseline: shared by all, by some, or one study's own."""
    if len(group.entries) == 1:
        return "baseline"
    if baseline is group.shared:
        return "shared baseline"
    more = len(baseline.studies) - 2
    names = labels.listing([short_name(n) for n in baseline.studies[:2]])
    return f"baseline of {names}{f' and {more} more' if more > 0 else ''}"


def short_name(name: str) -> str:
    """Fit a study's name into a label."""
    return labels.shorten(name, 30)


def _baselines(entries: list[Analysis]) -> tuple[Baseline, ...]:
    by_key: dict[Any, list[Analysis]] = {}
    for entry in entries:
        if entry.baseline is not None:
            by_key.setdefault(_baseline_key(entry.study), []).append(entry)
    baselines = []
    for sharing in by_key.values():
        rows = [row for entry in sharing if (row := entry.baseline) is not None]
        scores = [float(row["objective"]) for row in rows]
        oldest = min(range(len(sharing)), key=lambda i: _created(sharing[i]))
        baselines.append(
            Baseline(
                rows[oldest],
                tuple(entry.name for entry in sharing),
                max(scores) - min(scores),
            )
        )
    return tuple(baselines)


def _baseline_key(study: StudyFrames) -> Any:
    values = study.configs.loc[BASELINE].dropna()
    config = {str(name): value for name, value in values.items()}
    runs = study.executions[study.executions["trial"] == BASELINE]
    settings, space = study.record.settings, study.record.space
    code = (space.source, settings.pixels) if space.user_code is not None else None
    return (
        code,  # a user's code may build anything of the same values
        settings.patience,  # it keeps other weights
        config_key(config),
        # Under Hyperband it gets the last rung's epochs, whatever its config says.
        tuple(sorted(zip(runs["seed"], runs["epochs"], strict=True))),
    )


def _key(entry: Analysis) -> tuple[str, str]:
    return entry.study.record.data.split, entry.study.objective.name


def _created(entry: Analysis) -> str:
    return str(entry.study.record.created)


def _why_unranked(entry: Analysis) -> str:
    study = entry.study
    if not study.has_validation:
        return "It trained on all training images, so it has no validation to rank by."
    if not len(study.trials):
        return "No trial has started."
    if (study.trials["status"] == "failed").all():
        return f"All of its {labels.several(len(study.trials), 'trial')} failed."
    return "No trial has finished with a validation score."


def _range(entry: Analysis, name: str) -> str:
    """Say what a study did with a hyperparameter: a range, choices, or one value."""
    study = entry.study
    declared = hyperparameters.declared(study.record) if len(entry.searched) else {}
    searched = declared.get(name)
    if searched and len(searched.choices) > 1:
        return ", ".join(labels.value(value) for value in searched.choices)
    if searched and searched.low is not None and searched.high is not None:
        log = ", log" if searched.log else ""
        return f"{labels.value(searched.low)} to {labels.value(searched.high)}{log}"
    if name not in study.configs:
        return "not in any config"
    values = study.configs[name].dropna().unique()
    if len(values) == 1:
        return f"fixed at {labels.value(values[0])}"
    return f"{len(values)} values" if len(values) else labels.MISSING
