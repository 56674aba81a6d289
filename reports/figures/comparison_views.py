"""Every study of a folder, side by side, where they can be compared at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from reports.figures import views
from reports.figures.views import BASELINE
from reports.read import hyperparameters, labels
from reports.read.study import Study, read_study
from reports.stats import comparability
from reports.stats.ranking import Ranking, rank, searched
from search_spaces.config import config_key
from tuner.study.objective import Objective
from tuner.study.records import RecordError

DRAWN = 6  # studies that a figure can hold apart


class Entry(NamedTuple):
    """One readable study, ranked."""

    study: Study
    ranking: Ranking

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @property
    def leader(self) -> pd.Series[Any]:
        """Its first trial by validation."""
        return self.ranking.ranked.iloc[0]

    @property
    def baseline(self) -> pd.Series[Any] | None:
        """Its baseline's trial, or None where none was ranked."""
        ranked = self.ranking.ranked
        rows = ranked[ranked["trial"] == BASELINE]
        return rows.iloc[0] if len(rows) else None

    @property
    def searched(self) -> pd.DataFrame:
        """Its ranked trials without those that were given to it."""
        return searched(self.study, self.ranking)


class Studies(NamedTuple):
    """What a folder holds.

    Attributes:
        entries: Readable studies, by name.
        arms: Those of given configs, those within others too.
        unread: One sentence for what is no study or cannot be read.
    """

    entries: tuple[Entry, ...]
    arms: tuple[Study, ...]
    unread: tuple[str, ...]


class Apart(NamedTuple):
    """A study that is not overlaid, and why."""

    entry: Entry
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

    entries: tuple[Entry, ...]
    apart: tuple[Apart, ...]
    baselines: tuple[Baseline, ...] = ()
    alone: tuple[Entry, ...] = ()

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
    entries: list[Entry] = []
    for folder in sorted(p for p in runs.iterdir() if p.is_dir()):
        if folder.name.startswith("."):
            continue
        if (folder / "study.json").exists():
            entries += _readable(folder, folder.name, unread)
        elif [path.name for path in folder.glob("*")] != ["search.log"]:
            foreign.append(folder.name)  # and no search that could not start
    within = [
        entry.study
        for outer in entries
        for name in outer.study.inner
        for entry in _readable(
            outer.study.folder / name, f"{outer.name}/{name}", unread
        )
    ]
    given = [s for s in [*(e.study for e in entries), *within] if s.arms]
    if foreign:
        names = labels.listing(foreign[:5])
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        unread.append(f"No study: {names}{more} (no study.json there).")
    return Studies(tuple(entries), tuple(given), tuple(unread))


def _readable(folder: Path, name: str, unread: list[str]) -> list[Entry]:
    """Read a study, or say in a sentence more why it was left out."""
    try:
        study = read_study(folder)
        return [Entry(study, rank(study))]
    except (RecordError, OSError, ValueError, TypeError, AttributeError) as error:
        text = str(error).replace(f"{folder.resolve()}/", "")
        said = " ".join(text.replace(f"{folder}/", "").split())
        unread.append(f"{name} was left out: {said[:240]}")
    return []


def group(entries: tuple[Entry, ...]) -> Group:
    """Take the largest set of comparable studies, of equal ones the newest.

    Under Hyperband only full-length trials stand for their study.
    """
    entries = tuple(entry for entry in entries if not entry.study.arms)
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


def distribution(group_: Group) -> pd.DataFrame:
    """Take every searched trial: study, score (in the axis's unit), gap (points)."""
    unit = views.unit_of(group_.objective)
    parts = [
        pd.DataFrame(
            {
                "study": entry.name,
                "score": unit * entry.searched["objective"],
                "gap": 100 * entry.searched["gap"],
            }
        )
        for entry in group_.entries
        if len(entry.searched)
    ]
    empty = pd.DataFrame(columns=["study", "score", "gap"])
    return pd.concat(parts, ignore_index=True) if parts else empty


def best_of_each(group_: Group) -> pd.DataFrame:
    """Take each study's leader and each baseline, once, highest first.

    Columns: label, score, low, high, test, is_baseline; accuracies in percent.
    """
    unit = views.unit_of(group_.objective)
    rows = [
        (e.leader, f"{_short(e.name)}: trial {int(e.leader['trial'])}", False)
        for e in group_.entries
        if e.leader["trial"] != BASELINE
    ]
    rows += [(b.row, baseline_label(group_, b), True) for b in group_.baselines]
    frame = pd.DataFrame(
        [
            {
                "label": label,
                "score": unit * row["objective"],
                "low": unit * row["objective_low"],
                "high": unit * row["objective_high"],
                "test": 100 * row["test_accuracy"],
                "train": 100 * row["train_accuracy"],
                "is_baseline": is_baseline,
            }
            for row, label, is_baseline in rows
        ]
    )
    ascending = not group_.objective.higher_is_better
    return frame.sort_values("score", ascending=ascending, ignore_index=True)


def best_against_time(group_: Group) -> pd.DataFrame:
    """Follow each study's best so far: study, hours (of training, all in all), best."""
    parts = []
    for entry in group_.entries:
        view = views.progress(entry.study, entry.ranking).frame
        hours = view["train_seconds"].cumsum() / 3600
        parts.append(
            pd.DataFrame({"study": entry.name, "hours": hours, "best": view["best"]})
        )
    return pd.concat(parts, ignore_index=True).dropna()


def ranges(entries: tuple[Entry, ...]) -> tuple[tuple[str, ...], ...]:
    """List each knob that varies within a study or between them.

    Its name, then what each study did with it; some have it in no config.
    """
    varied = {knob.name for entry in entries for knob in entry.study.knobs}
    names = dict.fromkeys(str(n) for entry in entries for n in entry.study.configs)
    rows = [(name, *(_range(entry, name) for entry in entries)) for name in names]
    return tuple(row for row in rows if row[0] in varied or len(set(row[1:])) > 1)


def baseline_label(group_: Group, baseline: Baseline) -> str:
    """Name a baseline: shared by all, by some, or one study's own."""
    if len(group_.entries) == 1:
        return "baseline"
    if baseline is group_.shared:
        return "shared baseline"
    return (
        f"baseline of {labels.listing([_short(n) for n in baseline.studies[:2]])}"
        + (
            f" and {len(baseline.studies) - 2} more"
            if len(baseline.studies) > 2
            else ""
        )
    )


def _baselines(entries: list[Entry]) -> tuple[Baseline, ...]:
    found: dict[Any, list[Entry]] = {}
    for entry in entries:
        if entry.baseline is not None:
            found.setdefault(_baseline_key(entry.study), []).append(entry)
    baselines = []
    for sharing in found.values():
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


def _baseline_key(study: Study) -> Any:
    values = study.configs.loc[BASELINE].dropna()
    config = {str(name): value for name, value in values.items()}
    runs = study.executions[study.executions["trial"] == BASELINE]
    settings, space = study.record.settings, study.record.space
    own = (space.source, settings.pixels) if space.user_code is not None else None
    return (
        own,  # code of one's own may build anything of the same values
        settings.patience,  # it keeps other weights
        config_key(config),
        # Under Hyperband it gets the last rung's epochs, whatever its config says.
        tuple(sorted(zip(runs["seed"], runs["epochs"], strict=True))),
    )


def _key(entry: Entry) -> tuple[str, str]:
    return entry.study.record.data.split, entry.study.objective.name


def _created(entry: Entry) -> str:
    return str(entry.study.record.created)


def _why_unranked(entry: Entry) -> str:
    study = entry.study
    if not study.has_validation:
        return "It trained on all training images, so it has no validation to rank by."
    if not len(study.trials):
        return "No trial has started."
    if (study.trials["status"] == "failed").all():
        return f"All of its {labels.several(len(study.trials), 'trial')} failed."
    return "No trial has finished with a validation score."


def _range(entry: Entry, name: str) -> str:
    """Say what a study did with a knob: its range, its choices, or one value."""
    study = entry.study
    knob = (
        hyperparameters.declared(study.record).get(name)
        if len(entry.searched)
        else None
    )
    if knob and len(knob.choices) > 1:
        return ", ".join(labels.value(value) for value in knob.choices)
    if knob and knob.low is not None and knob.high is not None:
        log = ", log" if knob.log else ""
        return f"{labels.value(knob.low)} to {labels.value(knob.high)}{log}"
    if name not in study.configs:
        return "not in any config"
    values = study.configs[name].dropna().unique()
    if len(values) == 1:
        return f"fixed at {labels.value(values[0])}"
    return f"{len(values)} values" if len(values) else labels.MISSING


def _short(name: str) -> str:
    return labels.shorten(name, 30)
