"""The nine published experiments compared with the author's record and claims.

`python -m reports.pages.published STUDY_FOLDER` prints the tables of reports/studies.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from reports.read import labels
from reports.read.study import StudyFrames, read_study
from reports.stats.analysis import Analysis
from reports.stats.comparisons import Comparison
from reports.stats.differences import INCONCLUSIVE
from search_spaces.published import EXPERIMENTS

SEEDS_FOR_CLAIMS = 5
# The original study's own classes; it meant "wide-output" as a larger batch.
_ARCHITECTURE = ("filters-48", "two-conv", "three-conv", "four-conv")
_HYPERPARAMETERS = ("wide-output", "epochs-10")

Floats = npt.NDArray[np.float64]


class Replication(NamedTuple):
    """One experiment, as recorded and as measured here, as the page writes it.

    Attributes:
        name: The experiment's name.
        recorded: Recorded test accuracy of one run, percent.
        measured: Our mean test accuracy, percent.
        sd: Standard deviation between seeds, points, or a dash for one seed.
        seeds: How many seeds we ran.
        within: Whether the record lies in the 95 % prediction interval of one run,
            and that interval.
        gap: Train - test by `evaluate`, points.
        seconds: Mean time per run.
    """

    name: str
    recorded: str
    measured: str
    sd: str
    seeds: str
    within: str
    gap: str
    seconds: str


class Claim(NamedTuple):
    """A claim of the original study, what we measured, and the verdict."""

    claim: str
    measured: str
    verdict: str


def is_published(study: StudyFrames) -> bool:
    """Return whether a study is of the nine published experiments."""
    return study.record.space.is_published


def replications(study: StudyFrames) -> tuple[list[Replication], str]:
    """Compare each experiment with its record; return the rows and a note.

    A recorded figure is one run of unknown seed. It agrees if it lies in the interval
    for one further run: mean +- t s sqrt(1 + 1/k), with s the standard deviation
    between seeds pooled over the experiments and k the number of our seeds.
    """
    final = _final(study)
    tests = final.groupby("name")["test_accuracy"]
    pooled, freedom = _pooled_sd(final)
    rows, inside, checked = [], 0, 0
    for name in [n for n in EXPERIMENTS if n in tests.groups]:
        recorded = EXPERIMENTS[name].recorded_test_accuracy
        values = tests.get_group(name).to_numpy("float64")
        mean, k = float(values.mean()), len(values)
        within = labels.MISSING
        if freedom:
            half = stats.t.ppf(0.975, freedom) * pooled * np.sqrt(1 + 1 / k)
            is_in = abs(recorded - mean) <= half
            interval = labels.interval(mean - half, mean + half)
            within = f"{'yes' if is_in else 'no'}, {interval}"
            inside, checked = inside + is_in, checked + 1
        runs = final[final["name"] == name]
        sd = labels.number(100 * values.std(ddof=1), 2) if k > 1 else labels.MISSING
        rows.append(
            Replication(
                name,
                labels.number(100 * recorded, 1),
                labels.number(100 * mean, 1),
                sd,
                str(k),
                within,
                labels.gap(float((runs["train_accuracy"] - values).mean())),
                labels.duration(float(runs["seconds"].mean())),
            )
        )
    if not freedom:
        return rows, (
            "Each recorded figure is one run. With one seed here there is no spread, "
            "so nothing can say whether they agree."
        )
    half = stats.t.ppf(0.975, freedom) * pooled * np.sqrt(2)
    return rows, (
        f"{inside} of {checked} recorded figures lie in the 95 % prediction interval "
        "of one more run. The standard deviation between seeds, pooled over "
        f"{checked} experiments, is {100 * pooled:.2f} points. After one seed, the "
        f"interval would be {labels.points(2 * half)} wide."
    )


def markdown(analysis: Analysis) -> str:
    """Write the table, its note and the claims as Markdown."""
    rows, note = replications(analysis.study)
    heads = [
        "experiment",
        "recorded, %",
        "ours, mean %",
        "sd",
        "seeds",
        "record in the 95 % interval of one more run",
        "train - test",
        "time per run",
    ]
    lines = [_line(heads), _line(["---"] * len(heads)), *map(_line, rows), "", note]
    claim_rows = claims(analysis.study, analysis.comparisons)
    if claim_rows:
        lines += ["", _line(["claim", "measured", "verdict"]), _line(["---"] * 3)]
        lines += map(_line, claim_rows)
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def claims(study: StudyFrames, comparisons: tuple[Comparison, ...]) -> list[Claim]:
    """Test the original study's claims once every experiment has five seeds."""
    final = _final(study)
    counts = final.groupby("name").size()
    fewest = int(counts.min()) if len(counts) == len(EXPERIMENTS) else 0
    if fewest < SEEDS_FOR_CLAIMS:
        return []
    return [
        _kinds(final, fewest),
        Claim(
            "The two kinds of change act independently.",
            "The nine do not include each change of a combined experiment on its own.",
            "these nine cannot show it",
        ),
        *_complexity(final),
        *_recorded_differences(study, comparisons),
    ]


def _kinds(final: pd.DataFrame, seeds: int) -> Claim:
    """Compare the mean absolute effects seed by seed; the means give the signs."""
    table = _by_seed(final, seeds)
    effects = table.sub(table["baseline"], axis=0)
    signed = effects * np.sign(effects.mean())
    ours = signed[list(_ARCHITECTURE)].mean(axis=1)
    theirs = signed[list(_HYPERPARAMETERS)].mean(axis=1)
    value, low, high = _t_interval((ours - theirs).to_numpy("float64"))
    mean, other = (labels.number(100 * v.mean(), 1) for v in (ours, theirs))
    measured = (
        f"Mean absolute effect {mean} points against {other}; difference "
        f"{_points(value, low, high)}."
    )
    verdict: str = INCONCLUSIVE
    if low > 0 or high < 0:
        verdict = "holds here" if low > 0 else "does not hold"
    return Claim(
        "Architecture changes move accuracy more than hyperparameter changes do.",
        measured,
        verdict,
    )


def _complexity(final: pd.DataFrame) -> list[Claim]:
    """Correlate the means of the nine configs with their parameters."""
    final = final.assign(
        each=final["seconds"] / final["epochs"],
        gap=final["train_accuracy"] - final["test_accuracy"],
    )
    mean = final.groupby("name")[["params", "each", "test_accuracy", "gap"]].mean()
    time = _rank_correlation(mean["params"], mean["each"])
    accuracy = _rank_correlation(mean["params"], mean["test_accuracy"])
    gap = _rank_correlation(mean["params"], mean["gap"])
    harm = _rank_correlation(mean["gap"], mean["test_accuracy"])
    follows = "holds" if time[1] > 0 else INCONCLUSIVE
    free = "does not hold" if accuracy[1] > 0 or accuracy[2] < 0 else INCONCLUSIVE
    grows = "more parameters go with a wider gap" if gap[1] > 0 else INCONCLUSIVE
    hurts = "a wider gap with less accuracy" if harm[2] < 0 else INCONCLUSIVE
    return [
        Claim(
            "Training time follows model complexity; accuracy follows neither.",
            f"Rank correlation with parameters over nine configs: time per epoch "
            f"{_rho(time)}, test accuracy {_rho(accuracy)}.",
            f"time: {follows}; accuracy: {free}",
        ),
        Claim(
            "Overly complex models do worse through overfitting.",
            f"Rank correlation of the gap with parameters {_rho(gap)}, with test "
            f"accuracy {_rho(harm)}.",
            f"gap: {grows}; harm: {hurts}",
        ),
    ]


def _recorded_differences(
    study: StudyFrames, comparisons: tuple[Comparison, ...]
) -> list[Claim]:
    names = study.trials.set_index("trial")["name"]
    by_name = {
        names[c.trial]: c.difference
        for c in comparisons
        if names[c.other] == "baseline"
    }
    out = []
    for name, words in (
        ("filters-48", "48 filters instead of 32 gain 0.8 points."),
        ("epochs-10", "Ten epochs instead of five lose 1.2 points."),
    ):
        difference = by_name.get(name)
        if difference is None:
            continue
        recorded = (
            EXPERIMENTS[name].recorded_test_accuracy
            - EXPERIMENTS["baseline"].recorded_test_accuracy
        )
        is_in = difference.low <= recorded <= difference.high
        out.append(
            Claim(
                words,
                f"{_points(difference.value, difference.low, difference.high)}; the "
                f"recorded difference lies {'inside' if is_in else 'outside'} this "
                "interval.",
                difference.word(),
            )
        )
    return out


def _final(study: StudyFrames) -> pd.DataFrame:
    final = study.executions[study.executions["final"]]
    names = study.trials.set_index("trial")["name"]
    named = final.assign(name=final["trial"].map(names))
    published: pd.DataFrame = named[named["name"].isin(EXPERIMENTS)]
    return published


def _pooled_sd(final: pd.DataFrame) -> tuple[float, int]:
    grouped = final.groupby("name")["test_accuracy"]
    freedom = int((grouped.size() - 1).sum())
    if not freedom:
        return float("nan"), 0
    squares = (grouped.var(ddof=1).fillna(0) * (grouped.size() - 1)).sum()
    return float(np.sqrt(squares / freedom)), freedom


def _by_seed(final: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """Return test accuracies with one row per execution, one column per experiment."""
    table = final.pivot_table(
        index="execution", columns="name", values="test_accuracy", aggfunc="first"
    )
    return table.sort_index().head(seeds)


def _t_interval(values: Floats) -> tuple[float, float, float]:
    mean, k = float(values.mean()), len(values)
    half = stats.t.ppf(0.975, k - 1) * values.std(ddof=1) / np.sqrt(k)
    return mean, float(mean - half), float(mean + half)


def _rank_correlation(a: Any, b: Any) -> tuple[float, float, float]:
    """Compute Spearman's rho and its Fisher z interval (variance 1.06 / (n - 3))."""
    rho = float(stats.spearmanr(a, b).statistic)
    half = 1.959964 * np.sqrt(1.06 / (len(a) - 3))
    z = np.arctanh(np.clip(rho, -0.999999, 0.999999))
    return rho, float(np.tanh(z - half)), float(np.tanh(z + half))


def _rho(measure: tuple[float, float, float]) -> str:
    value, low, high = (labels.number(v, 2).replace("-", labels.MINUS) for v in measure)
    return f"{value} [{low}, {high}]"


def _points(value: float, low: float, high: float) -> str:
    return f"{labels.gap(value)} points [{labels.gap(low)}, {labels.gap(high)}]"


if __name__ == "__main__":
    sys.stdout.write(markdown(Analysis(read_study(Path(sys.argv[1])))) + "\n")
