"""The commands that compare configs: `tune confirm`, `tune try` and `tune noise`."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from search_spaces.config import config_key
from tuner.cli.console import (
    FAILED,
    ONE_SOURCE,
    USAGE,
    check_study_name,
    command_line,
    exit_codes,
    fail,
    print_json,
    print_lines,
    width,
    with_seeds,
)
from tuner.cli.options import (
    Sections,
    data_moved_option,
    data_options,
    how_options,
    seeds_option,
)
from tuner.study.candidates import AUTO, Candidate, look
from tuner.system.files import CONFIRM, FINAL

if TYPE_CHECKING:
    from reports.pages.fresh_seeds import Outcome
    from tuner.study.folder import Study
    from tuner.study.settings import StudySettings

Options = dict[str, Any]

_RESERVED = (*CONFIRM, FINAL, "noise", "oracle", "tried", "trials")
_RESULT_OPTIONS = (  # a comparison that starts from a study takes these from it
    "dataset",
    "limit",
    "validation_split",
    "test_split",
    "image_size",
    "deterministic",
    "precision",
    "seed",
)
_MOST_SEEDS = 20  # suggest no more seeds than this
_RUN_OPTIONS = (
    "device",
    "workers",
    "workers_per_gpu",
    "ray",
    "max_consecutive_failed_trials",
)


@click.command(cls=Sections)
@click.argument("study")
@click.argument("trials", type=click.IntRange(0), metavar="[TRIAL]...", nargs=-1)
@click.option(
    "--top",
    metavar="N",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Train the N best trials again, unless you name trials.",
)
@seeds_option()
@data_moved_option
@click.option(
    "--all-images",
    is_flag=True,
    help="Train on all training images, even if the search used only a part (--limit).",
)
@how_options
def confirm(
    *,
    study: str,
    trials: tuple[int, ...],
    top: int,
    seeds: int | None,
    all_images: bool,
    **options: Any,
) -> None:
    """Test a study's best trials on fresh seeds.

    A search picks its best trial partly by luck. This trains the best trials (or those
    that you name by number) and trial 0 again on new seeds, and tests whether they
    beat trial 0. Each seed splits the training images anew; all trials share the
    splits. To add seeds, run it again with a larger --seeds.
    """
    with exit_codes(resumes=True):
        from tuner.cli.candidates import finalists, open_search

        source = open_search(options["directory"], study)
        candidates = finalists(source, trials, top)
        like = _like(source, options)
        folder = source.folder / CONFIRM[0]
        if all_images and like.limit:
            like, folder = replace(like, limit=None), source.folder / CONFIRM[1]
        _compare(folder, candidates, seeds, kind="confirm", like=like, options=options)


@click.command("try", cls=Sections)
@click.argument("changes", metavar="NAME=VALUE...", nargs=-1, required=True)
@seeds_option()
@data_options
@how_options
def try_(
    *, changes: tuple[str, ...], seeds: int | None, base: str | None, **options: Any
) -> None:
    """Test one change to the baseline: tune try filters=48.

    This trains the baseline and the changed config on the same seeds and splits, and
    tests whether the change helps. All changes that you try on the same data become
    one study with one report, corrected for the number of comparisons. Examples of
    changes: filters=48 (every layer), filters=32,64 (layer by layer), conv_layers=2,
    dropout=0.3, learning_rate=0.01, optimizer=sgd. Several changes in one command are
    tested together.
    """
    with exit_codes(resumes=True):
        from tuner.cli.candidates import changed, open_search
        from tuner.study.configs import read_config

        source = open_search(options["directory"], base) if base else None
        folder = _folder("tried", source, options)
        first = _first(source, folder, options)
        base_config = read_config(source, first.config)
        candidates = changed(base_config, changes, first.name)
        like = _like(source, options)
        _compare(folder, candidates, seeds, kind="try", like=like, options=options)


@click.command(cls=Sections)
@seeds_option(default="10")
@data_options
@how_options
def noise(*, seeds: int | None, base: str | None, **options: Any) -> None:
    """Measure how much accuracy varies from seed to seed.

    This trains the baseline on several seeds, each with its own split. The spread
    shows how large a difference between two runs can be by chance alone.
    """
    with exit_codes(resumes=True):
        if seeds is None:
            fail(
                USAGE,
                "--seeds must be a number for tune noise: auto stops at a verdict, "
                "and noise compares nothing.",
            )
        from tuner.cli.candidates import open_search

        source = open_search(options["directory"], base) if base else None
        folder = _folder("noise", source, options)
        first = _first(source, folder, options)
        like = _like(source, options)
        _compare(folder, [first], seeds, kind="noise", like=like, options=options)


def _first(source: Study | None, folder: Path, options: Options) -> Candidate:
    """Return candidate 0: the baseline, or the best trial of the --base study.

    A comparison that exists keeps its candidate 0, even if the study has a better
    trial by now.
    """
    from search_spaces.config import BASELINE
    from tuner.cli.candidates import known_candidates
    from tuner.study.configs import best_config

    epochs = options.pop("epochs")
    if source is None:
        config = replace(BASELINE, epochs=epochs or BASELINE.epochs)
        return Candidate("baseline", config.to_dict(), {})
    names = [n for n in _RESULT_OPTIONS if options[n] is not None]
    if names:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in names)
        fail(USAGE, f"With --base, STUDY sets {flags}. Leave {flags} out.")
    stored = [] if options["overwrite"] else known_candidates(folder)
    if stored and epochs in (None, stored[0].config["epochs"]):
        return stored[0]
    best, name = best_config(source.folder.parent, source.folder.name, None)
    best = best | ({"epochs": epochs} if epochs else {})
    return Candidate(f"best of {name}", best, {})


def _like(source: Study | None, options: Options) -> StudySettings:
    """Return the settings that a result depends on, from a study or the options."""
    from tuner.cli.candidates import SPACE, settings_like
    from tuner.study.settings import StudySettings

    if source:
        return settings_like(source, options["data"])
    if options["dataset"] and options["data"]:
        fail(USAGE, ONE_SOURCE)
    changes = {n: options[n] for n in _RESULT_OPTIONS if options[n] is not None}
    data = options["data"]
    changes["dataset"] = None if data else changes.get("dataset", "cifar10")
    changes.setdefault("precision", "auto")
    return StudySettings(SPACE, data=data, **changes)


def _folder(kind: str, source: Study | None, options: Options) -> Path:
    """Return a comparison's folder: inside the study that it starts from, if any."""
    name: str | None = options["name"]
    check_study_name(name)
    if source:
        if name in _RESERVED:
            fail(USAGE, f"--name {name} is reserved inside a study. Use another name.")
        return source.folder / (name or kind)
    data = options["data"]
    images = Path(data).resolve().stem if data else options["dataset"] or "cifar10"
    directory: Path = options["directory"]
    return directory / (name or f"{kind}-{images}")


def _compare(
    folder: Path,
    candidates: list[Candidate],
    seeds: int | None,
    *,
    kind: str,
    like: StudySettings,
    options: Options,
) -> None:
    """Train the candidates, look at the result, and repeat with more seeds if auto."""
    from reports.pages import fresh_seeds as results
    from tuner.cli import run
    from tuner.cli.candidates import known_candidates, settings_for
    from tuner.cli.pages import Pages

    how = {name: options[name] for name in _RUN_OPTIONS}
    how |= {f"{name}_s": options[name] for name in ("time_limit", "trial_timeout")}
    overwrite = options.get("overwrite", False)
    all_candidates = [] if overwrite else known_candidates(folder)
    fewest = _fewest_seeds(all_candidates, candidates)
    numbers = [seeds] if seeds else [n for n in AUTO if n >= fewest]
    deadline = time.monotonic() + (options["time_limit"] or math.inf)
    with Pages(folder, wanted=options["report"]) as pages:
        for number in numbers or [AUTO[-1]]:
            all_candidates = look(all_candidates, candidates, number)
            if options["time_limit"]:  # shared by all looks
                how["time_limit_s"] = max(1.0, deadline - time.monotonic())
            run.search(
                settings_for(kind, all_candidates, like, how),
                folder,
                overwrite=overwrite,
                pages=pages,
                verbosity=-1 if options["quiet"] else int(options["verbose"]),
            )
            overwrite = False
            keys = {c.key for c in candidates}
            # An older version may have stored the same configs with fewer names.
            configs = [dict(c.config) for c in all_candidates if c.key in keys]
            outcome = results.outcome(folder, configs, width())
            if outcome.state != "completed" or outcome.is_settled:
                break
        problem = pages.write()
    if options["as_json"]:
        print_json(outcome.facts)
    else:
        print_lines(list(outcome.lines))
        if kind != "noise":
            click.echo(f"Next     {_next(folder, outcome)}")
        if options["report"] and not problem:
            run.say_where(folder)
    if problem or outcome.untrained:
        fail(FAILED, " ".join([*outcome.untrained, problem or ""]).strip())
    if options["report"] and options["open_page"]:
        click.launch(str(folder / "report.html"))


def _next(folder: Path, outcome: Outcome) -> str:
    """Return the command to run next, given what a comparison shows."""
    from tuner.cli.summary import last_step
    from tuner.study.folder import Study
    from tuner.study.ranking import best_first

    if outcome.state != "completed":
        return command_line()
    if outcome.seeds_to_settle and outcome.seeds_to_settle <= _MOST_SEEDS:
        return with_seeds(command_line(), outcome.seeds_to_settle)
    compared = Study.open(folder)
    if folder.name not in CONFIRM:
        if outcome.better is None:
            return compared.command("show")
        return compared.command("export", outcome.better, "--script")
    searched = Study.open(folder.parent)
    best = outcome.better
    if best is None and outcome.is_settled:
        best = 0  # nothing beats trial 0
    wanted = None if best is None else config_key(compared.trials[best].config)
    for number, trial in sorted(searched.trials.items()):
        if config_key(trial.config) == wanted:
            return last_step(searched, number)
    is_ranked = best_first(searched.trials.values(), searched.record.settings)
    return last_step(searched) if is_ranked else searched.command("show")


def _fewest_seeds(stored: list[Candidate], candidates: list[Candidate]) -> int:
    """Return the number of seeds that every candidate has already."""
    seeds = {candidate.key: candidate.seeds for candidate in stored}
    return min((seeds.get(c.key, 0) for c in candidates[1:]), default=0)
