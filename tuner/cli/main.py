"""The `tune` command and its subcommands for searches, reports and lists.

The commands import Keras, pandas and KerasTuner only when they run, so that `--help`
and shell completion answer at once. Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click

from search_spaces.errors import ExpectedError
from tuner.algorithms import DEFAULT, FOR_A_TIME
from tuner.cli.console import (
    FAILED,
    ONE_SOURCE,
    USAGE,
    check_study_name,
    exit_codes,
    fail,
    print_json,
    print_lines,
    say,
    width,
)
from tuner.cli.export import export
from tuner.cli.finish import final_object, finish, finish_in_time, reserved
from tuner.cli.fresh_seeds import confirm, noise, try_
from tuner.cli.options import (
    SearchByDefault,
    Sections,
    directory_option,
    json_option,
    search_options,
)

_T = TypeVar("_T")

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}


def main() -> None:
    """Run the command; the console script `tune`."""
    cli(prog_name="tune")


@click.group(cls=SearchByDefault, context_settings=_CONTEXT)
@click.version_option(version("tune-keras"), prog_name="tune")
def cli() -> None:  # the backspace is Click's mark for lines to keep
    """Search the hyperparameters of Keras image classifiers, and test what helps.

    \b
    tune --space architecture     Search filters, depth, pooling and dense layers.
    tune --space hyperparams      Search epochs, batch size, learning rate, ...
    tune --space published        Repeat the nine published CIFAR-10 experiments.
    tune --space my_space.py      Search a space of your own.
    tune try filters=48           Change one hyperparameter, and test if it helps.
    tune confirm STUDY            Train a search's best trials on fresh seeds.
    tune finish STUDY             Train the winner on all images, to use it.
    tune report --open            Compare all studies on one page.

    If the first word is an option, `tune` means `tune search`. `tune COMMAND --help`
    explains each command.
    """


@cli.command(cls=Sections)
@search_options
def search(
    *,
    directory: Path,
    name: str | None,
    overwrite: bool,
    dry_run: bool,
    report: bool,
    open_page: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Search a space for its best config.

    A study is one search and everything it stores. Each trial trains one config, drawn
    from the space by the search algorithm, and validation images rank the trials.
    Trial 0 is the baseline. Ctrl-C stops the search; the same command resumes it.
    """
    started = time.monotonic()
    with exit_codes(resumes=True):
        folder = directory / (name or _default_name(options))
        check_study_name(name)
        chosen_by_user = {n for n, value in options.items() if value is not None}
        settings = _settings(options, folder, overwrite=overwrite)
        from tuner.cli import run
        from tuner.cli.pages import Pages
        from tuner.study.folder import Study

        if settings.in_s:
            from tuner.search import time_plan

            stored = None
            if not overwrite:
                stored = time_plan.stored_sizes(settings, folder, chosen_by_user)
            settings = stored or time_plan.choose_sizes(
                settings, chosen_by_user, started, say
            )
        if dry_run:
            _dry_run(settings, folder, overwrite=overwrite, as_json=as_json)
            return
        with Pages(folder, wanted=report) as pages:
            run.search(
                settings,
                folder,
                overwrite=overwrite,
                pages=pages,
                verbosity=-1 if quiet else int(verbose),
                started=started,
            )
            finish_in_time(Study.open(folder), quiet=quiet, verbose=verbose)
            _finish(folder, pages, as_json=as_json, open_page=open_page)


@cli.command()
@click.argument("studies", metavar="[STUDY]...", nargs=-1)
@directory_option
@click.option(
    "--open",
    "open_page",
    is_flag=True,
    help="Open the comparison, or the report if you name one study.",
)
@json_option
def report(
    *, studies: tuple[str, ...], directory: Path, open_page: bool, as_json: bool
) -> None:
    """Rebuild the reports of all studies, and the comparison.

    Each STUDY that you name gets a new report.html; without names, all get one.
    comparison.html compares all studies. A STUDY may also be a project folder of plain
    KerasTuner: its report is written into that folder.
    """
    with exit_codes():
        from reports.pages.study import write_comparison, write_report
        from reports.read.keras_tuner_project import is_project, project_within
        from tuner.study.folder import find_study, study_folders

        projects = [Path(name) for name in studies if is_project(Path(name))]
        for name in studies:
            if inner := project_within(Path(name)):
                fail(
                    USAGE,
                    f"{name} is no KerasTuner project, but {inner} is. Name that one.",
                )
        folders = projects + [
            find_study(directory, name)
            for name in studies
            if Path(name) not in projects
        ]
        folders = folders or study_folders(directory)
        if not folders:
            fail(USAGE, f"{directory} holds no study. Run tune --space NAME first.")
        pages, broken = _each(folders, write_report)
        comparison = None
        if len(folders) > len(projects):
            comparison = write_comparison(directory)
        if as_json:
            across = str(comparison) if comparison else None
            print_json({"reports": [str(p) for p in pages], "page": across})
        else:
            for page in pages:
                click.echo(f"Report   {page}")
            if comparison:
                click.echo(f"Compare  {comparison}")
        if open_page:
            click.launch(
                str(pages[0] if len(studies) == len(pages) == 1 else comparison)
            )
        if broken:
            fail(FAILED, "\n".join(broken))


@cli.command("list")
@directory_option
@json_option
def list_studies(*, directory: Path, as_json: bool) -> None:
    """List the studies, with their state and best trial."""
    with exit_codes():
        from tuner.cli import summary
        from tuner.study.folder import Study, study_folders

        studies, broken = _each(study_folders(directory), Study.open)
        if as_json:
            objects = [summary.study_object(s) for s in studies]
            rows = [{k: o[k] for k in _LISTED} for o in objects]
            print_json({"studies": rows})
        elif studies:
            print_lines(summary.list_lines(studies, width()))
        elif not broken:
            click.echo(f"{directory} holds no study. Run tune --space NAME first.")
        if broken:
            fail(FAILED, "\n".join(broken))


@cli.command()
@click.argument("study")
@click.argument("trial", type=click.IntRange(0), required=False)
@directory_option
@json_option
def show(*, study: str, trial: int | None, directory: Path, as_json: bool) -> None:
    """Show the trials of a study, or one trial.

    The best trial by validation comes first. With TRIAL, a trial's number, it shows
    that trial's config and every epoch of its runs.
    """
    with exit_codes():
        from tuner.cli import summary
        from tuner.cli.trained_again import trained_again
        from tuner.study.folder import Study, find_study
        from tuner.study.records import to_json

        opened = Study.open(find_study(directory, study))
        if trial is None:
            compared = trained_again(opened)
            if as_json:
                print_json({**summary.study_object(opened), **compared.facts})
            else:
                print_lines([*summary.study_lines(opened, width()), *compared.lines])
            return
        record = opened.trials.get(trial)
        if record is None:
            trials = ", ".join(map(str, sorted(opened.trials))) or "none"
            fail(USAGE, f"Study {study} has no trial {trial}. It has: {trials}.")
        if as_json:
            print_json(to_json(record))
        else:
            print_lines(summary.trial_lines(opened, record, width()))


for command in (export, confirm, finish, try_, noise):
    cli.add_command(command)

_LISTED = ("study", "status", "best", "seconds", "report")


def _settings(options: dict[str, Any], folder: Path, *, overwrite: bool) -> Any:
    """Turn the command's options into checked settings."""
    from tuner.study.record_files import space_path
    from tuner.study.settings import StudySettings

    copy, space = space_path(folder), options["space"]
    if space.endswith(".py") and not Path(space).exists() and copy.exists():
        restore = shlex.join(["cp", str(copy), space])
        fail(
            USAGE,
            f"--space must name a file that exists, and {space} is gone. The study "
            f"has a copy. To restore it: {restore}",
        )
    if options["dataset"] and options["data"]:
        fail(USAGE, ONE_SOURCE)
    if not options["data"]:
        options["dataset"] = options["dataset"] or "cifar10"
    options["in"] = options.pop("within")
    for option in ("in", "time_limit", "trial_timeout"):
        options[f"{option}_s"] = options.pop(option)
    wants_network = options.pop("finish")
    if options["in_s"] and wants_network:
        options["reserved_s"] = reserved(options["in_s"])
    if options["algorithm"] is None:
        options["algorithm"] = _algorithm(options, folder, overwrite=overwrite)
    if options["enqueue"] or options["base"]:
        from tuner.study import configs

        if options["enqueue"]:
            options["enqueue"] = configs.read_configs(options["enqueue"])
        if options["base"]:
            options["base"], options["base_study"] = configs.best_config(
                folder.parent, options["base"], None if overwrite else folder
            )
    options["enqueue"] = options["enqueue"] or ()
    return StudySettings(**options)


def _algorithm(options: dict[str, Any], folder: Path, *, overwrite: bool) -> str:
    """Return the default algorithm: a stored study's own, or the one that fits."""
    from tuner.study.folder import Study

    if options["in_s"] is None:
        return DEFAULT.name
    if not overwrite and (folder / "study.json").exists():
        return Study.open(folder).record.settings.algorithm
    # With patience, trials are not compared after equal epochs.
    return (DEFAULT if options["patience"] else FOR_A_TIME).name


def _default_name(options: dict[str, Any]) -> str:
    data = options["data"]
    source = Path(data).resolve().stem if data else options["dataset"] or "cifar10"
    base = f"-on-{Path(options['base']).name}" if options["base"] else ""
    return f"{Path(options['space']).stem}-{source}{base}"


def _finish(folder: Path, pages: Any, *, as_json: bool, open_page: bool) -> None:
    """Print a search's result and where its pages are; exit 1 if there is no result."""
    from tuner.cli import run, summary
    from tuner.study.folder import Study

    study = Study.open(folder)
    problem = pages.write()
    if as_json:
        print_json({**summary.study_object(study), "final": final_object(study)})
    else:
        print_lines(summary.ending(study))
        if step := summary.next_step(study):
            click.echo(f"Next     {step}")
        if pages.wanted and not problem:
            run.say_where(folder)
    if problem:
        fail(FAILED, problem)
    if pages.wanted and open_page:
        click.launch(str(folder / "report.html"))
    if not study.trials and not study.record.rejected:
        fail(
            FAILED,
            "The time was up before the first trial could start. Allow more time.",
        )
    if not study.trials:
        reasons = ", ".join(f"{n} {why}" for why, n in study.record.rejected.items())
        fail(
            FAILED,
            f"Every proposed config was rejected: {reasons}. Use larger images "
            "(--image-size), raise --max-params, or widen the space.",
        )
    if not summary.has_result(study):
        fail(
            FAILED,
            "Every trial that the search proposed failed. See "
            f"{folder / 'search.log'} and fix the cause. A larger -n continues with "
            "other trials, and --overwrite starts over.",
        )


def _each(
    folders: list[Path], read: Callable[[Path], _T]
) -> tuple[list[_T], list[str]]:
    """Read every study that can be read; return an error for each of the others."""
    studies, errors = [], []
    for folder in folders:
        try:
            studies.append(read(folder))
        except ExpectedError as error:
            errors.append(f"Skipped {folder.name}: {error}")
    return studies, errors


def _dry_run(settings: Any, folder: Path, *, overwrite: bool, as_json: bool) -> None:
    from tuner.cli import dry_run
    from tuner.search.opening import refuse_changed_settings
    from tuner.search.precision import with_stored_precision

    if not overwrite:
        settings = with_stored_precision(settings, folder)
        refuse_changed_settings(settings, folder)
    plan = dry_run.plan_and_time(settings, say)
    if as_json:
        print_json(plan.to_dict())
    else:
        print_lines(dry_run.lines(plan, settings))
