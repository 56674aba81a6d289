"""Compare the search algorithms on stored trainings of all 72 configs of a space.

    python tests/benchmarks/which_search/replay.py [STUDY] [--oracle-seeds N]
        [--figure FILE.png] [--json FILE.json]

The study holds every config of `space.py`, trained fully with two seeds on 10,000
images of CIFAR-10, one thread a training. (Its trials have the order of an earlier
version's random search. To train them again, 40 minutes on two cores: `tune --space
space.py --algorithm grid --no-baseline --executions 2 --epochs 10 --limit 10000
--data CIFAR10.npz --deterministic --workers 2 --name curves`.)

A search is replayed by `tune`'s own proposers; what a training would have given is
looked up. That is exact, for a promotion under Hyperband goes on from the stored
state. Random and Bayesian search get the epochs that Hyperband's plan takes.

All replays share the same trainings: intervals and bands are for the luck of the
search and two training seeds, not for other images or other spaces.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from figure import draw

from reports.stats.intervals import Z_95, Floats
from search_spaces.config import CnnConfig
from search_spaces.space import enumerate_points
from tuner.algorithms.base import Proposal
from tuner.algorithms.screening import Limits, Screen
from tuner.study.record_files import read_trial, trial_paths
from tuner.study.settings import StudySettings
from tuner.system.quiet import quiet_stderr

if TYPE_CHECKING:
    from tuner.search.plan import Plan

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


class Trained(NamedTuple):
    """A config's stored trainings; accuracies are in %."""

    validation: Floats  # [execution, epoch]
    test: Floats  # [execution]
    params: int


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
    for name, plan in plans.items():
        started = time.perf_counter()
        frames.append(replay_all(plan, table, asked.oracle_seeds))
        seconds = time.perf_counter() - started
        print(f"{name}: {len(frames[-1])} searches in {seconds:.1f} s", flush=True)
    result = aggregate(pd.concat(frames), table)
    report(result)
    if asked.json:
        asked.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if asked.figure:
        draw(result, asked.figure)


def make_plans() -> dict[str, Plan]:
    """Plan one search an algorithm, all of Hyperband's epochs."""
    with quiet_stderr():
        from tuner.search.planning import plan_study

    def fitted(algorithm: str, max_trials: int | None) -> Plan:
        space = str(HERE / "space.py")
        settings = StudySettings(
            space, algorithm, max_trials=max_trials, epochs=EPOCHS, baseline=False
        )
        return plan_study(settings).fitted(Limits(), SHAPE, CLASSES)

    trials = fitted("hyperband", None).record().epochs // EPOCHS
    return {
        name: fitted(name, None if name == "hyperband" else trials)
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
        if len(done) == EXECUTIONS:
            table[CnnConfig.from_dict(record.config)] = Trained(
                100 * np.array([e.history["val_accuracy"] for e in done]),
                100 * np.array([e.test_accuracy for e in done]),
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

    Columns are `algorithm`, `seed`, `execution`, `MEASURES`, and `curve`: how many
    points the best so far lies above the space's best of the same execution (so
    never above 0), after 0, 1, 2, ... epochs; missing before the first result.
    """
    finals = np.array([trained.validation[:, -1] for trained in table.values()])
    rows = []
    for seed, execution in np.ndindex(seeds, EXECUTIONS):
        curve = np.full(plan.record().epochs + 1, np.nan)
        ranked = []
        for spent, proposal, trained in search(plan, seed, table, execution):
            if proposal.config.epochs == EPOCHS:  # rungs never stand against these
                final = trained.validation[execution, -1]
                short = final - finals[:, execution].max()
                curve[spent:] = np.fmax(curve[spent:], short)
                ranked.append((-final, trained.params, proposal.trial, trained))
        chosen = min(ranked, key=lambda row: row[:3])[3]  # as `tune` ranks
        mean = chosen.validation[:, -1].mean()
        rank = 1 + int((finals.mean(axis=1) > mean).sum())
        rows.append({
            "algorithm": plan.settings.algorithm,
            "seed": seed,
            "execution": execution,
            "validation": chosen.validation[execution, -1],
            "test": chosen.test[execution],
            "other": chosen.validation[1 - execution, -1],
            "rank": rank,
            "best": 100.0 * (rank == 1),
            "curve": curve,
        })  # fmt: skip
    return pd.DataFrame(rows)


def search(
    plan: Plan, seed: int, table: Table, execution: int
) -> Iterator[tuple[int, Proposal, Trained]]:
    """Search with one worker; give the epochs spent so far, and what they gave."""
    plan = replace(plan, settings=replace(plan.settings, seed=seed))
    proposer = plan.proposer(Screen(Limits(), SHAPE, CLASSES), plan.preset_trials())
    spent, reached = 0, dict[int, int]()
    while (proposal := proposer.propose()) is not None:
        assert isinstance(proposal, Proposal)  # one worker never waits
        epochs = proposal.config.epochs
        spent += epochs - reached.get(proposal.trial, 0)
        reached[proposal.trial] = epochs
        trained = table[replace(proposal.config, epochs=EPOCHS)]
        score = float(trained.validation[execution, epochs - 1]) / 100
        proposer.tell(proposal.trial, score)
        yield spent, proposal, trained
    assert spent == plan.record().epochs


def aggregate(replays: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Average over searches; 95 % intervals are for the mean over oracle seeds."""
    of = dict(iter(replays.set_index(["seed", "execution"]).groupby("algorithm")))
    finals = np.array([trained.validation[:, -1] for trained in table.values()])
    rivals = [name for name in ALGORITHMS if name != "random"]
    return {
        "configs": len(table),
        "oracle_seeds": int(replays["seed"].nunique()),
        "executions": EXECUTIONS,
        "epochs": len(replays["curve"].iloc[0]) - 1,
        "best_validation": float(finals.max(axis=0).mean()),
        "searches": {
            name: {m: summary(of[name][m]) for m in MEASURES}
            | {"curve": summary_curve(np.stack(list(of[name]["curve"])))}
            for name in ALGORITHMS
        },
        "minus_random": {
            name: {m: summary(of[name][m] - of["random"][m]) for m in MEASURES}
            for name in rivals
        },
    }


def summary(values: pd.Series) -> dict[str, float]:
    """Give the mean, its interval over oracle seeds, and the middle 80 %."""
    by_seed = values.groupby("seed").mean().to_numpy(dtype="float64")
    mean, half = by_seed.mean(), Z_95 * by_seed.std(ddof=1) / len(by_seed) ** 0.5
    p10, p90 = np.quantile(values, [0.1, 0.9])
    named = {"low": mean - half, "high": mean + half, "p10": p10, "p90": p90}
    return {"mean": float(mean)} | {k: float(v) for k, v in named.items()}


def summary_curve(curves: Floats) -> dict[str, list[float]]:
    """Give mean and middle 80 % after each epoch, from the first result on."""
    first = int(np.isfinite(curves).all(axis=0).argmax())
    p10, p90 = np.quantile(curves[:, first:], [0.1, 0.9], axis=0)
    rows = {"mean": curves[:, first:].mean(axis=0), "p10": p10, "p90": p90}
    epochs = np.arange(first, curves.shape[1])
    return {name: row.tolist() for name, row in ({"epochs": epochs} | rows).items()}


def report(result: dict[str, Any]) -> None:
    """Print what the searches chose, and what they lead random search by."""
    print(
        f"\n{result['configs']} configs, {result['epochs']} epochs a search, "
        f"{result['oracle_seeds']} oracle seeds x {EXECUTIONS} training seeds each\n"
        "mean [95 % interval over oracle seeds] (10th to 90th percentile)"
    )
    for measure, meaning in MEASURES.items():
        print(f"\n{meaning}")
        for name, rows in result["searches"].items():
            line = f"  {name:<10}{{mean:6.2f}} [{{low:.2f}}, {{high:.2f}}]"
            if measure != "best":  # a yes or no has no percentiles
                line += " ({p10:.1f} to {p90:.1f})"
            line = line.format(**rows[measure])
            if name in result["minus_random"]:
                lead = "  minus random {mean:+.2f} [{low:+.2f}, {high:+.2f}]"
                line += lead.format(**result["minus_random"][name][measure])
            print(line)
    print(f"\nbest of all configs, mean of both seeds: {result['best_validation']:.2f}")


if __name__ == "__main__":
    main()
