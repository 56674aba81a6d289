"""The `tune` command: its options, the order of its calls, its exit codes.

Keras, pandas and KerasTuner wait inside the commands, so that `--help` and shell
completion answer at once. Progress goes to stderr, results to stdout.
"""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from search_spaces.errors import ExpectedError

if TYPE_CHECKING:
    from tuner.study import Study

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # 3, a study with other settings: its error's
_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}


class SearchByDefault(click.Group):
    """A group whose first word may be an option: then it is `search`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `search` in front of options that are not the group's own."""
        own = {o for p in self.get_params(ctx) for o in p.opts}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["search", *args]
        return super().parse_args(ctx, args)


class Duration(click.ParamType[float]):
    """A time such as 45s, 30m or 1h30m, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a duration, or fail with what must hold."""
        from tuner.settings import parse_duration

        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def main() -> None:
    """Run the command; the console script `tune`."""
    cli(prog_name="tune")


@click.group(cls=SearchByDefault, context_settings=_CONTEXT)
@click.version_option(version("tune-keras"), prog_name="tune")
def cli() -> None:
    r"""Search hyperparameters of Keras image classifiers, and compare honestly.

    \b
    tune --space architecture        search filters, depth, pooling, dense layers
    tune --space hyperparams         search epochs, batch size, learning rate, ...
    tune --space published           the nine published CIFAR-10 experiments
    tune --space my_space.py         your own space
    tune report --open               the pages of every study, side by side

    An option in first place means `search`: see `tune search --help`.
    """


def _directory_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="Where the studies lie.",
    )(command)


def _json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
    )(command)


@cli.command()
@click.option(
    "--space",
    required=True,
    metavar="NAME|FILE.py",
    help="What may vary: architecture, hyperparams, combined, published, or a file "
    "with sample(hp).",
)
@click.option(
    "--algorithm",
    default="random",
    show_default=True,
    type=click.Choice(["random", "hyperband"]),
    help="Who proposes the next trial.",
)
@click.option(
    "-n",
    "--max-trials",
    type=click.IntRange(1),
    help="Configs to propose in all, also after a resume; trial 0 comes on top. "
    "[default: 20; Hyperband: its plan, which a smaller number scales]",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="What trial 0 gets, and every trial where the space does not tune epochs; "
    "where it does, the range is 1 to twice this. Under Hyperband the last rung. "
    "[default: 5; Hyperband 10]",
)
@click.option(
    "--executions",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Seeds a trial.",
)
@click.option(
    "--dataset",
    type=click.Choice(["cifar10", "cifar100", "mnist", "fashion_mnist", "digits"]),
    help="A named dataset; digits needs no network. [default: cifar10]",
)
@click.option(
    "--data",
    type=click.Path(),
    help="Your own: an .npz with x_train y_train x_test y_test, or a folder with "
    "train/CLASS/* and test/CLASS/*.",
)
@click.option("--limit", type=click.IntRange(1), help="Training images to use.")
@click.option(
    "--validation-split",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the training images that chooses between trials, stratified. "
    "[default: 0.1]",
)
@click.option(
    "--test-split",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of an image folder without test/ that becomes the test set.",
)
@click.option("--image-size", type=click.IntRange(1), help="Resize images to N x N.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "gpu"]),
    help="auto takes a GPU where there is one.",
)
@click.option(
    "--time-limit",
    type=Duration(),
    help="Start no trial after this long: 45s, 30m, 2h.",
)
@click.option(
    "--max-params", type=click.IntRange(1), help="Do not propose larger networks."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Everything follows from it.",
)
@_directory_option
@click.option("--name", help="The study's name. [default: SPACE-DATASET]")
@click.option(
    "--overwrite", is_flag=True, help="Move a study of that name aside and start anew."
)
@click.option(
    "--baseline/--no-baseline",
    default=True,
    help="Train the baseline as trial 0. [default: on]",
)
@click.option(
    "--objective",
    default="val_accuracy",
    show_default=True,
    type=click.Choice(["val_accuracy", "val_loss"]),
    help="What to choose by.",
)
@click.option(
    "--keep-models",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Trained networks to keep on disk; the others can be trained again.",
)
@click.option(
    "--min-epochs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Hyperband's first rung has at least so many epochs.",
)
@click.option("--trial-timeout", type=Duration(), help="A longer training has failed.")
@click.option(
    "--max-consecutive-failed-trials",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Give up after so many failures in a row.",
)
@click.option("--dry-run", is_flag=True, help="Show the plan and what it will take.")
@click.option(
    "--report/--no-report", default=True, help="Write the pages. [default: on]"
)
@click.option("--open", "open_page", is_flag=True, help="Open the page at the end.")
@_json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="A line an epoch.")
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
    """Search a space, trial after trial; the same command resumes."""
    with _exit_codes():
        settings = _settings(options)
        folder = directory / (name or _default_name(settings))
        _check_name(folder.name, name)
        if dry_run:
            _dry_run(settings, as_json=as_json)
            return
        _search(
            settings,
            folder,
            overwrite=overwrite,
            pages=report,
            verbosity=-1 if quiet else int(verbose),
        )
        _finish(folder, pages=report, as_json=as_json, open_page=open_page)


@cli.command()
@click.argument("studies", metavar="[STUDY]...", nargs=-1)
@_directory_option
@click.option("--open", "open_page", is_flag=True, help="Open the comparison page.")
@_json_option
def report(
    *, studies: tuple[str, ...], directory: Path, open_page: bool, as_json: bool
) -> None:
    """Rebuild report.html of the studies named (or all) and comparison.html."""
    with _exit_codes():
        from reports.page import write_comparison, write_report
        from tuner.study import find_study, study_folders

        folders = [find_study(directory, name) for name in studies]
        folders = folders or study_folders(directory)
        if not folders:
            _fail(USAGE, f"{directory} holds no study. Run tune --space NAME first.")
        pages = [write_report(folder) for folder in folders]
        comparison = write_comparison(directory)
        if as_json:
            _print_json({"reports": [str(p) for p in pages], "page": str(comparison)})
        else:
            for page in pages:
                click.echo(f"Report   {page}")
            click.echo(f"Compare  {comparison}")
        if open_page:
            click.launch(str(pages[0] if len(studies) == 1 else comparison))


@cli.command("list")
@_directory_option
@_json_option
def list_studies(*, directory: Path, as_json: bool) -> None:
    """List the studies, how each stands, and its best trial."""
    with _exit_codes():
        from tuner import summary
        from tuner.study import Study, study_folders

        studies = [Study.open(folder) for folder in study_folders(directory)]
        if as_json:
            objects = [summary.study_object(s) for s in studies]
            rows = [{k: o[k] for k in _LISTED} for o in objects]
            _print_json({"studies": rows})
        elif studies:
            _print_lines(summary.list_lines(studies))
        else:
            click.echo(f"{directory} holds no study. Run tune --space NAME first.")


@cli.command()
@click.argument("study")
@click.argument("trial", type=click.IntRange(0), required=False)
@_directory_option
@_json_option
def show(*, study: str, trial: int | None, directory: Path, as_json: bool) -> None:
    """Show a study's trials, best first, or one trial in full."""
    with _exit_codes():
        from tuner import summary
        from tuner.records import to_json

        opened = _open_study(directory, study)
        if trial is None:
            if as_json:
                _print_json(summary.study_object(opened))
            else:
                _print_lines(summary.study_lines(opened))
            return
        record = opened.trials.get(trial)
        if record is None:
            known = ", ".join(map(str, sorted(opened.trials))) or "none"
            _fail(USAGE, f"Study {study} has no trial {trial}. It has: {known}.")
        if as_json:
            _print_json(to_json(record))
        else:
            _print_lines(summary.trial_lines(opened, record))


@cli.command()
@click.argument("study")
@click.argument("trial", type=click.IntRange(0), required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("model.keras"),
    show_default=True,
    help="Where to write; must end in .keras.",
)
@_directory_option
@_json_option
def export(
    *, study: str, trial: int | None, output: Path, directory: Path, as_json: bool
) -> None:
    """Write a trained network as a .keras file: the best trial's, or TRIAL's."""
    with _exit_codes():
        from tuner.export import choose_trial, train_again, write_model

        opened = _open_study(directory, study)
        if output.suffix != ".keras":
            _fail(USAGE, f"--output must end in .keras, got {output}.")
        if not output.absolute().parent.is_dir():
            _fail(USAGE, f"--output must lie in a folder that exists, got {output}.")
        chosen = choose_trial(opened, trial)
        snippet = write_model(opened, chosen, output, train_again(opened, _say))
        if as_json:
            _print_json({"model": str(output), "trial": chosen.trial, "load": snippet})
        else:
            click.echo(f"Trial {chosen.trial} of {study} is in {output}. To use it:\n")
            click.echo(snippet)


_LISTED = ("study", "status", "best", "seconds", "report")


def _settings(options: dict[str, Any]) -> Any:
    """Turn the command's options into checked settings."""
    from tuner.settings import StudySettings

    if options["dataset"] and options["data"]:
        _fail(USAGE, "--dataset and --data exclude each other. Leave one out.")
    if not options["data"]:
        options["dataset"] = options["dataset"] or "cifar10"
    for option in ("time_limit", "trial_timeout"):
        options[f"{option}_s"] = options.pop(option)
    return StudySettings(**options)


def _default_name(settings: Any) -> str:
    data = Path(settings.data).resolve() if settings.data else None
    source = settings.dataset if data is None else data.stem
    return f"{Path(settings.space).stem}-{source}"


def _check_name(name: str, given: str | None) -> None:
    if given is not None and (name != given or name.startswith(".") or not name):
        _fail(
            USAGE,
            f"--name must be one folder's name that does not start with a dot, got "
            f"{given!r}. Use --directory for where it lies.",
        )


def _search(
    settings: Any, folder: Path, *, overwrite: bool, pages: bool, verbosity: int
) -> None:
    """Run the session, with its terminal and its live page."""
    from tuner.live_page import LivePage
    from tuner.progress import Terminal
    from tuner.session import run_study

    page = LivePage(folder)
    refresh = page.refresh if pages else None
    terminal = Terminal(verbosity, on_trial_end=refresh)
    try:
        run_study(settings, folder, _command(), terminal, overwrite=overwrite)
    except BaseException:
        terminal.finish()
        page.stop()
        if pages and (folder / "study.json").exists():
            _write_pages(folder)
        raise
    finally:
        terminal.finish()
        page.stop()


def _finish(folder: Path, *, pages: bool, as_json: bool, open_page: bool) -> None:
    """Say what came of a search, on stdout."""
    from tuner import summary
    from tuner.study import Study

    study = Study.open(folder)
    if pages:
        _write_pages(folder)
    if as_json:
        _print_json(summary.study_object(study))
    else:
        _print_lines(summary.ending(study))
        if pages:
            click.echo(f"Report   {folder / 'report.html'}")
            click.echo(f"Compare  {folder.parent / 'comparison.html'}")
    if pages and open_page:
        click.launch(str(folder / "report.html"))
    if not any(t.status == "completed" for t in study.trials.values()):
        _fail(FAILED, f"No trial was completed. See {folder / 'search.log'}.")


def _write_pages(folder: Path) -> None:
    from reports.page import write_comparison, write_report

    write_report(folder)
    write_comparison(folder.parent)


def _dry_run(settings: Any, *, as_json: bool) -> None:
    from tuner import dry_run

    plan = dry_run.plan_and_time(settings, _say)
    if as_json:
        _print_json(plan)
    else:
        _print_lines(dry_run.lines(plan, settings))


def _open_study(directory: Path, name: str) -> Study:
    from tuner.study import Study, StudyError, find_study

    try:
        return Study.open(find_study(directory, name))
    except StudyError as error:
        _fail(USAGE, str(error))


def _command() -> str:
    """Give the command that resumes what this one started."""
    words = [w for w in sys.argv[1:] if w not in ("--overwrite", "--open")]
    return shlex.join(["tune", *words])


@contextmanager
def _exit_codes() -> Iterator[None]:
    """Turn every expected error into one line and the right exit code."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # a cluster's way to say Ctrl-C
    try:
        yield
    except KeyboardInterrupt:
        _say(f"\nStopped; finished trials are kept. To go on:\n  {_command()}")
        sys.exit(INTERRUPTED)
    except ExpectedError as error:
        _fail(error.exit_code, str(error))
    except BrokenPipeError:
        raise  # whoever read our output has enough; click ends quietly
    except OSError as error:
        _fail(FAILED, f"{error}. Finished trials are kept; mend it and run again.")


def _fail(code: int, text: str) -> NoReturn:
    _say(f"Error: {text}")
    sys.exit(code)


def _say(text: str) -> None:
    click.echo(text, err=True)


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


def _print_json(data: dict[str, Any]) -> None:
    from tuner.records import SCHEMA

    click.echo(json.dumps({"schema": SCHEMA, **data}, indent=1, allow_nan=False))
