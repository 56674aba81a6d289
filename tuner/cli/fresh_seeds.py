"""The commands that compare given configs: `tune confirm`, `tune try`, `tune noise`."""

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
from tuner.cli.options import data_options, how_options, seeds_option
from tuner.study.candidates import AUTO, Candidate, look
from tuner.system.files import CONFIRM

if TYPE_CHECKING:
    from reports.pages.fresh_seeds import Outcome
    from tuner.study.folder import Study
    from tuner.study.settings import StudySettings

Options = dict[str, Any]

_SPACE = "combined"  # it has a name for every hyperparameter of a config
_RESERVED = (*CONFIRM, "noise", "oracle", "tried", "trials")
_OF_A_RESULT = (
    "dataset",
    "limit",
    "validation_split",
    "test_split",
    "image_size",
    "deterministic",
    "seed",
)
_MOST_SEEDS = 20  # that are worth a proposal
_HOW = (
    "device",
    "workers",
    "workers_per_gpu",
    "ray",
    "max_consecutive_failed_trials",
)


@click.command()
@click.argument("study")
@click.argument("trials", type=click.IntRange(0), metavar="[TRIAL]...", nargs=-1)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="How many of the best to train again, where no trial is named.",
)
@seeds_option()
@click.option("--data", type=click.Path(exists=True), help="Where the data lie now.")
@click.option(
    "--all-images",
    is_flag=True,
    help="Train on every training image, where the search took a part.",
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
    """Train a study's best trials and its trial 0 again, on fresh seeds.

    Seed i draws its own split of the training images, the same for every trial.
    A later confirm adds seeds to those there are.
    """
    with exit_codes(resumes=True):
        from tuner.cli.candidates import finalists

        source = _searched(options["directory"], study)
        asked = finalists(source, trials, top)
        like = _like(source, options)
        folder = source.folder / CONFIRM[0]
        if all_images and like.limit:
            like, folder = replace(like, limit=None), source.folder / CONFIRM[1]
        _look(folder, asked, seeds, kind="confirm", like=like, options=options)


@click.command("try")
@click.argument("changes", metavar="NAME=VALUE...", nargs=-1, required=True)
@seeds_option()
@data_options
@how_options
def try_(
    *, changes: tuple[str, ...], seeds: int | None, base: str | None, **options: Any
) -> None:
    """Change one thing and see: tune try filters=48.

    The changed network and the baseline are trained on the same seeds and splits.
    All that was tried is one study with one page, corrected for how many there are.
    """
    with exit_codes(resumes=True):
        from tuner.cli.candidates import changed
        from tuner.study.configs import read_config

        source = _searched(options["directory"], base) if base else None
        folder = _folder("tried", source, options)
        first = _first(source, folder, options)
        asked = changed(read_config(source, first.config), changes, first.name)
        like = _like(source, options)
        _look(folder, asked, seeds, kind="try", like=like, options=options)


@click.command()
@seeds_option(default="10")
@data_options
@how_options
def noise(*, seeds: int | None, base: str | None, **options: Any) -> None:
    """Show what a change of no effect would show here.

    The baseline is trained on several seeds, each with its own split.
    """
    with exit_codes(resumes=True):
        if seeds is None:
            fail(USAGE, "--seeds must be a number: there is no verdict to wait for.")
        source = _searched(options["directory"], base) if base else None
        folder = _folder("noise", source, options)
        first = _first(source, folder, options)
        like = _like(source, options)
        _look(folder, [first], seeds, kind="noise", like=like, options=options)


def _searched(directory: Path, name: str) -> Study:
    """Open a study that something was chosen from by a search."""
    from tuner.study.folder import Study, find_study

    study = Study.open(find_study(directory, name))
    if study.record.settings.candidates:
        fail(
            USAGE,
            f"{study.name} compares given configs, and was not searched. Name a "
            "study that was searched, or add seeds by its own command: "
            f"{study.record.command}",
        )
    return study


def _first(source: Study | None, folder: Path, options: Options) -> Candidate:
    """Give candidate 0: the baseline, or a study's best, as long as its tries go on."""
    from search_spaces.config import BASELINE
    from tuner.cli.candidates import known_candidates
    from tuner.study.configs import best_config

    epochs = options.pop("epochs")
    if source is None:
        config = replace(BASELINE, epochs=epochs or BASELINE.epochs)
        return Candidate("baseline", config.to_dict(), {})
    given = [f"--{n.replace('_', '-')}" for n in _OF_A_RESULT if options[n] is not None]
    if given:
        fail(USAGE, f"--base brings its study's own: leave out {' and '.join(given)}.")
    known = [] if options["overwrite"] else known_candidates(folder)
    if known and epochs in (None, known[0].config["epochs"]):
        return known[0]
    best, name = best_config(source.folder.parent, source.folder.name, None)
    best = best | ({"epochs": epochs} if epochs else {})
    return Candidate(f"best of {name}", best, {})


def _like(source: Study | None, options: Options) -> StudySettings:
    """Take what a result depends on from a study, or from the options."""
    from tuner.study.settings import StudySettings

    if source:
        from tuner.study.configs import user_space

        settings = source.record.settings
        data = options["data"] or settings.data
        if user_space(source):  # theirs may have changed or gone since
            return replace(
                settings,
                data=data,
                space=settings.space,
                kept_space=str(source.space_file),
            )
        return replace(settings, data=data, space=_SPACE)
    if options["dataset"] and options["data"]:
        fail(USAGE, "--dataset and --data exclude each other. Leave one out.")
    given = {n: options[n] for n in _OF_A_RESULT if options[n] is not None}
    data = options["data"]
    given["dataset"] = None if data else given.get("dataset", "cifar10")
    return StudySettings(_SPACE, data=data, **given)


def _folder(kind: str, source: Study | None, options: Options) -> Path:
    """Say where a comparison lies: within the study that it starts from."""
    name: str | None = options["name"]
    check_study_name(name)
    if source:
        if name in _RESERVED:
            fail(USAGE, f"--name {name} is taken within a study. Use another.")
        return source.folder / (name or kind)
    data = options["data"]
    images = Path(data).resolve().stem if data else options["dataset"] or "cifar10"
    directory: Path = options["directory"]
    return directory / (name or f"{kind}-{images}")


def _look(
    folder: Path,
    asked: list[Candidate],
    seeds: int | None,
    *,
    kind: str,
    like: StudySettings,
    options: Options,
) -> None:
    """Train what is asked for, look by look, and say what it shows."""
    from reports.pages import fresh_seeds as results
    from tuner.cli import run
    from tuner.cli.candidates import known_candidates, settings_for
    from tuner.cli.pages import Pages

    how = {name: options[name] for name in _HOW}
    how |= {f"{name}_s": options[name] for name in ("time_limit", "trial_timeout")}
    overwrite = options.get("overwrite", False)
    known = [] if overwrite else known_candidates(folder)
    numbers = [seeds] if seeds else [n for n in AUTO if n >= _fewest(known, asked)]
    deadline = time.monotonic() + (options["time_limit"] or math.inf)
    with Pages(folder, wanted=options["report"]) as pages:
        for number in numbers or [AUTO[-1]]:
            known = look(known, asked, number)
            if options["time_limit"]:  # of all looks together
                how["time_limit_s"] = max(1.0, deadline - time.monotonic())
            run.search(
                settings_for(kind, known, like, how),
                folder,
                overwrite=overwrite,
                pages=pages,
                verbosity=-1 if options["quiet"] else int(options["verbose"]),
            )
            overwrite = False
            keys = {c.key for c in asked}  # as stored, perhaps by an older version
            configs = [dict(c.config) for c in known if c.key in keys]
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
    """Give the command that goes on from what a comparison shows."""
    from tuner.study.folder import Study

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
        best = 0  # nothing is better than what it began with
    wanted = None if best is None else config_key(compared.trials[best].config)
    for number, trial in sorted(searched.trials.items()):
        if config_key(trial.config) == wanted:
            return searched.command("export", number)
    return searched.command("show")


def _fewest(known: list[Candidate], asked: list[Candidate]) -> int:
    """Count the seeds that all of the asked candidates have already."""
    seeds = {candidate.key: candidate.seeds for candidate in known}
    return min(seeds.get(candidate.key, 0) for candidate in asked[1:])
