"""Compare the search algorithms on stored trainings of all 72 configs of a space.

    python tests/benchmarks/which_search/replay.py [STUDY] [--oracle-seeds N]
        [--figure FILE.png] [--json FILE.json]

The study holds every config of `space.py`, trained fully with two seeds. A search
is replayed by `tune`'s own proposers; what a training would have given is looked
up. That is exact, for a promotion under Hyperband goes on from the stored state.
Random and Bayesian search get the epochs that Hyperband's plan takes.

All replays share the same trainings: intervals and bands are for the luck of the
search and two training seeds, not for other images or other spaces.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from reports.comparison_figures import COLORS, DASHES
from reports.drawing import _STYLE, GREY
from reports.statistics import Z_95
from search_spaces.config import CnnConfig
from search_spaces.space import enumerate_points
from tuner.proposals import Proposal
from tuner.quiet import quiet_stderr
from tuner.records import read_trial, trial_paths
from tuner.screening import Limits, Screen
from tuner.settings import StudySettings

if TYPE_CHECKING:
    from tuner.planning import Plan

HERE = Path(__file__).parent
ALGORITHMS = ("random", "hyperband", "bayesian")
EPOCHS, EXECUTIONS = 10, 2
SHAPE, CLASSES = (32, 32, 3), 10
MEASURES = {
    "validation": "validation accuracy of the chosen config (%)",
    "test": "its test accuracy (%)",
    "other": "its validation accuracy with the other training seed (%)",
    "rank": "its rank by the mean of both seeds",
    "best": "searches that chose rank 1 (%)",
}


@dataclass(frozen=True)
class Trained:
    """A config's stored trainings, one entry an execution.

    Attributes:
        validation: Accuracies (%) after each epoch.
        test: Accuracies (%) after the last.
        params: Parameters of the network, which decide between equals.
    """

    validation: tuple[tuple[float, ...], ...]
    test: tuple[float, ...]
    params: int

    @property
    def mean(self) -> float:
        """The final validation accuracy, averaged over executions."""
        return float(np.mean([curve[-1] for curve in self.validation]))


Table = dict[CnnConfig, Trained]


def main() -> None:
    """Replay all searches, print the table, and draw the figure where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("study", type=Path, nargs="?", default=HERE / "curves")
    parser.add_argument("--oracle-seeds", type=int, default=200)
    parser.add_argument("--figure", type=Path, help="a PNG to draw")
    parser.add_argument("--json", type=Path, help="where to write the aggregates")
    asked = parser.parse_args()
    plans = make_plans()
    table = read_table(asked.study, plans["random"])
    frames = []
    for plan in plans.values():
        started = time.perf_counter()
        with threadpool_limits(1):  # threads cost more than such small matrices
            frames.append(replay_all(plan, table, asked.oracle_seeds))
        seconds = time.perf_counter() - started
        print(f"{plan.settings.algorithm}: {len(frames[-1])} searches, {seconds:.0f} s")
    result = aggregate(pd.concat(frames), table)
    report(result)
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if asked.figure:
        draw(result, asked.figure)


def make_plans() -> dict[str, Plan]:
    """Plan one search an algorithm, all of Hyperband's epochs."""
    with quiet_stderr():
        from tuner.planning import plan_study

    def fitted(algorithm: str, max_trials: int | None) -> Plan:
        settings = StudySettings(
            str(HERE / "space.py"),
            algorithm=algorithm,
            epochs=EPOCHS,
            max_trials=max_trials,
            baseline=False,
        )
        return plan_study(settings).fitted(Limits(), SHAPE, CLASSES)

    budget = fitted("hyperband", None).to_dict()["epochs"]
    return {
        name: fitted(name, None if name == "hyperband" else budget // EPOCHS)
        for name in ALGORITHMS
    }


def read_table(folder: Path, plan: Plan) -> Table:
    """Read the trainings of every config of the plan's space.

    Raises:
        SystemExit: One lacks.
    """
    table = {}
    for record in map(read_trial, trial_paths(folder)):
        done = [e for e in record.executions if e.is_final and e.epochs == EPOCHS]
        if len(done) != EXECUTIONS:
            continue
        table[CnnConfig.from_dict(record.config)] = Trained(
            tuple(
                tuple(100 * v for v in execution.history["val_accuracy"])
                for execution in done
            ),
            tuple(100 * (execution.test_accuracy or 0) for execution in done),
            done[0].params or 0,
        )
    wanted = {plan.space.config(point) for point in enumerate_points(plan.declared)}
    if wanted != table.keys():
        raise SystemExit(
            f"{folder} must hold all {len(wanted)} configs, each with {EXECUTIONS} "
            f"executions of {EPOCHS} epochs; {len(wanted - table.keys())} lack."
        )
    return table


def replay_all(plan: Plan, table: Table, seeds: int) -> pd.DataFrame:
    """Replay a plan once an oracle seed and execution; one row each.

    Columns are `algorithm`, `seed`, `execution`, `MEASURES`, and `curve`: the best
    validation accuracy (%) after 0, 1, 2, ... epochs, missing before the first.
    """
    means = np.array([trained.mean for trained in table.values()])
    rows = []
    for seed, execution in np.ndindex(seeds, EXECUTIONS):
        curve = np.full(plan.to_dict()["epochs"] + 1, np.nan)
        ranked = []
        for spent, proposal in search(plan, seed, table, execution):
            trained = table[replace(proposal.config, epochs=EPOCHS)]
            if proposal.config.epochs == EPOCHS:  # rungs never stand against these
                final = trained.validation[execution][-1]
                curve[spent:] = np.fmax(curve[spent:], final)
                ranked.append((-final, trained.params, proposal.trial, trained))
        chosen = min(ranked, key=lambda row: row[:3])[3]  # as `tune` ranks
        rank = 1 + int((means > chosen.mean).sum())
        rows.append({
            "algorithm": plan.settings.algorithm,
            "seed": seed,
            "execution": execution,
            "validation": chosen.validation[execution][-1],
            "test": chosen.test[execution],
            "other": chosen.validation[1 - execution][-1],
            "rank": rank,
            "best": 100.0 * (rank == 1),
            "curve": curve,
        })  # fmt: skip
    return pd.DataFrame(rows)


def search(
    plan: Plan, seed: int, table: Table, execution: int
) -> Iterator[tuple[int, Proposal]]:
    """Search with one worker; give the epochs spent so far and what was trained."""
    plan = replace(plan, settings=replace(plan.settings, seed=seed))
    proposer = plan.proposer(Screen(Limits(), SHAPE, CLASSES), plan.given_trials())
    spent, reached = 0, dict[int, int]()
    while (proposal := proposer.propose()) is not None:
        assert isinstance(proposal, Proposal)  # one worker never waits
        epochs = proposal.config.epochs
        spent += epochs - reached.get(proposal.trial, 0)
        reached[proposal.trial] = epochs
        trained = table[replace(proposal.config, epochs=EPOCHS)]
        proposer.tell(proposal.trial, trained.validation[execution][epochs - 1] / 100)
        yield spent, proposal
    assert spent == plan.to_dict()["epochs"]


def aggregate(replays: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Average over searches; 95 % intervals are for the mean over oracle seeds."""
    of = dict(iter(replays.set_index(["seed", "execution"]).groupby("algorithm")))
    finals = np.array([[c[-1] for c in t.validation] for t in table.values()])
    return {
        "configs": len(table),
        "oracle_seeds": int(replays["seed"].nunique()),
        "executions": EXECUTIONS,
        "epochs": len(replays["curve"].iloc[0]) - 1,
        "best_validation": float(finals.max(axis=0).mean()),
        "searches": {
            name: {
                **{measure: summary(of[name][measure]) for measure in MEASURES},
                "curve": curve(np.stack(list(of[name]["curve"]))),
            }
            for name in ALGORITHMS
        },
        "minus_random": {
            name: {m: summary(of[name][m] - of["random"][m]) for m in MEASURES}
            for name in ALGORITHMS
            if name != "random"
        },
    }


def summary(values: pd.Series) -> dict[str, float]:
    """Give the mean, its interval over oracle seeds, and the middle 80 %."""
    by_seed = values.groupby("seed").mean().to_numpy(dtype="float64")
    mean, half = by_seed.mean(), Z_95 * by_seed.std(ddof=1) / len(by_seed) ** 0.5
    p10, p90 = np.quantile(values, [0.1, 0.9])
    named = {"low": mean - half, "high": mean + half, "p10": p10, "p90": p90}
    return {"mean": float(mean)} | {k: float(v) for k, v in named.items()}


def curve(best: np.ndarray) -> dict[str, list[float]]:
    """Give the best so far after each epoch from that on at which all have one."""
    first = int(np.isfinite(best).all(axis=0).argmax())
    best = best[:, first:]
    low, high = np.quantile(best, [0.1, 0.9], axis=0)
    rows = {"mean": best.mean(axis=0), "p10": low, "p90": high}
    epochs = [float(e) for e in range(first, first + best.shape[1])]
    return {"epochs": epochs} | {name: row.tolist() for name, row in rows.items()}


def report(result: dict[str, Any]) -> None:
    """Print what the searches chose, and what they lead random search by."""
    seeds, executions = result["oracle_seeds"], result["executions"]
    print(
        f"{result['configs']} configs, {result['epochs']} epochs a search, {seeds} "
        f"oracle seeds x {executions} training seeds = {seeds * executions} searches "
        "each\nmean [95 % interval over oracle seeds] (10th to 90th percentile)"
    )
    for measure, meaning in MEASURES.items():
        print(f"\n{meaning}")
        for name in ALGORITHMS:
            row = result["searches"][name][measure]
            line = f"  {name:<10} {row['mean']:6.2f} [{row['low']:.2f}, "
            line += f"{row['high']:.2f}] ({row['p10']:.1f} to {row['p90']:.1f})"
            if name in result["minus_random"]:
                lead = result["minus_random"][name][measure]
                line += f"   minus random {lead['mean']:+.2f} "
                line += f"[{lead['low']:+.2f}, {lead['high']:+.2f}]"
            print(line)
    print(f"\nbest of all configs, mean of both seeds: {result['best_validation']:.2f}")


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw the expected best so far against epochs spent."""
    with mpl.rc_context({**_STYLE, "font.size": 10, "axes.titlesize": 11}):
        figure = Figure(figsize=(9.0, 4.8), layout="constrained")
        ax = figure.subplots()
        for i, name in enumerate(ALGORITHMS):
            rows = result["searches"][name]["curve"]
            look: Any = {"color": COLORS[i], "linestyle": DASHES[i]}
            ax.fill_between(rows["epochs"], rows["p10"], rows["p90"], step="post",
                            color=COLORS[i], alpha=0.12, linewidth=0)  # fmt: skip
            ax.step(rows["epochs"], rows["mean"], where="post", linewidth=2, **look)
        _label_ends(ax, result)
        ax.axhline(result["best_validation"], color=GREY, linestyle="--", linewidth=1)
        ax.set_xlim(EPOCHS, result["epochs"])
        ax.set_xlabel("Epochs trained, all configs together")
        ax.set_ylabel("Best validation accuracy so far (%)")
        ax.set_title("Best validation accuracy at equal epochs: mean and middle 80 %")
        ax.grid(axis="y")
        figure.savefig(path, dpi=100)


def _label_ends(ax: Axes, result: dict[str, Any]) -> None:
    """Name each line at its end, at least a line of text apart."""
    ends = {
        name.capitalize(): (result["searches"][name]["curve"]["mean"][-1], COLORS[i])
        for i, name in enumerate(ALGORITHMS)
    }
    ends["Best of all"] = (result["best_validation"], GREY)
    low, high = ax.get_ylim()
    apart, free = 0.05 * (high - low), np.inf
    for name, (value, color) in sorted(ends.items(), key=lambda e: -e[1][0]):
        free = min(value, free - apart)
        ax.annotate(f"{name} {value:.1f}", (result["epochs"], free), xytext=(6, 0),
                    textcoords="offset points", va="center", color=color,
                    annotation_clip=False)  # fmt: skip


if __name__ == "__main__":
    main()
