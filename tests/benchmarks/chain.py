"""Where a chain of searches arrives, each begun from the best of the one before.

`python tests/benchmarks/chain.py STUDY_FOLDER...` prints the tables of
reports/studies/README.md: searches in the one, what was confirmed or tried on several
seeds in the other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from reports import open_study, ranked
from reports.read import labels
from reports.read.study import StudyFrames
from search_spaces.published import EXPERIMENTS
from tuner.study.record_files import read_trial, trial_path
from tuner.study.words import config


def chain(folders: Sequence[Path]) -> str:
    """Write the tables as Markdown.

    Args:
        folders: Studies in the order that they are to stand in.
    """
    studies = [open_study(folder) for folder in folders]
    repeated = [study for study in studies if _has_seeds(study)]
    searches = [study for study in studies if not _has_seeds(study)]
    heads = ["search", "took", "images", "trials", "its best by validation"]
    scores = ["validation, %", "test, %", "train - test"]
    lines = [*_head([*heads, *scores]), *map(_searched, searches), ""]
    heads = ["on several seeds", "images", "seeds", "test, mean %", "sd"]
    lines += _head([*heads, "train - test", "a training"])
    lines += [row for study in repeated for row in _confirmed(study)]
    name, best = max(
        EXPERIMENTS.items(), key=lambda item: item[1].recorded_test_accuracy
    )
    recorded = labels.percent(best.recorded_test_accuracy)
    lines += ["", f"The best that was recorded of the nine, once: {name}, {recorded}."]
    return "\n".join(lines)


def _has_seeds(study: StudyFrames) -> bool:
    return bool(study.executions["execution"].max())


def _searched(study: StudyFrames) -> str:
    best = ranked(study).iloc[0]
    record = read_trial(trial_path(study.folder, int(best["trial"])))
    varied = set(record.config) if record.trial == 0 else _varied(study)
    gap = best["train_accuracy"] - best["test_accuracy"]
    return _line(
        study.record.space.name,
        labels.duration(study.record.seconds),
        _images(study),
        str((study.trials["status"] == "completed").sum()),
        config(record.config, varied),
        *(_percent(best[f"{split}_accuracy"]) for split in ("val", "test")),
        labels.gap(gap),
    )


def _varied(study: StudyFrames) -> set[str]:
    return {h.name for h in study.record.space.hyperparameters}


def _confirmed(study: StudyFrames) -> list[str]:
    final = study.executions[study.executions["final"]]
    lines = []
    for trial, mine in final.groupby("trial"):
        tests = mine["test_accuracy"]
        record = read_trial(trial_path(study.folder, int(trial)))
        lines.append(
            _line(
                f"{record.name}: {config(record.config, set(record.config))}",
                _images(study),
                str(len(mine)),
                _percent(tests.mean()),
                labels.number(100 * tests.std(ddof=1), 2),
                labels.gap((mine["train_accuracy"] - tests).mean()),
                labels.duration(mine["seconds"].mean()),
            )
        )
    return lines


def _images(study: StudyFrames) -> str:
    data = study.record.data
    return f"{data.train + data.validation:,}"


def _percent(fraction: float) -> str:
    return labels.number(100 * fraction, 1)


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(*cells), _line(*["---"] * len(cells))]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(chain([Path(folder) for folder in sys.argv[1:]]) + "\n")
