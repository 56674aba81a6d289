"""The options of the commands: their types, defaults and help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tuner.algorithms import ALGORITHMS, DEFAULT, FOR_A_TIME
from tuner.study.settings import DEVICES, PIXELS, PRECISIONS, parse_duration
from tuner.system.files import DIRECTORY

Command = Callable[..., Any]

_ALL_BY_DEFAULT = " and ".join(
    a.name for a in ALGORITHMS.values() if a.default_trials is None
)
_EPOCHS_BY_DEFAULT = "; ".join(
    [str(DEFAULT.default_epochs)]
    + [
        f"{a.name} {a.default_epochs}"
        for a in ALGORITHMS.values()
        if a.default_epochs != DEFAULT.default_epochs
    ]
)
# The sections of a command's help, each with the names of its options' parameters.
# Options that are not named here come last, under "Output".
_SECTIONS = {
    "What to search": "space algorithm max_trials max_params objective min_epochs "
    "audit",
    "Starting point": "baseline base enqueue",
    "Training": "top seeds epochs executions patience seed precision deterministic",
    "Data": "dataset data limit all_images validation_split test_split image_size "
    "pixels",
    "Where to train": "device workers workers_per_gpu ray",
    "Limits": "within finish time_limit trial_timeout max_consecutive_failed_trials",
    "Study": "directory name overwrite dry_run keep_models",
    "Output": "",
}


class Sections(click.Command):
    """A command whose help groups its options into sections."""

    def format_options(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the sections, leaving out those without an option."""
        of_option = {o: s for s, names in _SECTIONS.items() for o in names.split()}
        records: dict[str, list[tuple[str, str]]] = {s: [] for s in _SECTIONS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and not isinstance(parameter, click.Argument):
                records[of_option.get(parameter.name or "", "Output")].append(record)
        for section, rows in records.items():
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


class SearchByDefault(click.Group):
    """A group that runs `search` if its first word is an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `search` if the first word is an option that the group lacks."""
        group_options = {o for p in self.get_params(ctx) for o in p.opts}
        if args and args[0].startswith("-") and args[0] not in group_options:
            args = ["search", *args]
        return super().parse_args(ctx, args)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic from 8.4 on
    """A time such as 45s, 30m or 1h30m, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds of a duration; fail if it cannot be read."""
        if isinstance(value, float):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Workers(click.ParamType):  # type: ignore[type-arg]  # generic from 8.4 on
    """A number of workers; "auto" is None."""

    name = "workers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Read "auto" or a whole number from 1."""
        if value == "auto":
            return None
        try:
            number = int(value)
        except ValueError:
            self.fail(f"must be a whole number from 1 up, or auto; got {value!r}.")
        return click.IntRange(1).convert(number, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: Any = None) -> str:  # noqa: ARG002
        """Return what the help shows in place of a value."""
        return "N|auto"


def directory_option(command: Command) -> Command:
    """Add --directory to a command."""
    return click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=DIRECTORY,
        show_default=True,
        help="Folder that holds the studies.",
    )(command)


def json_option(command: Command) -> Command:
    """Add --json to a command."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as one JSON object."
    )(command)


_DATA = (
    click.option(
        "--dataset",
        type=click.Choice(["cifar10", "cifar100", "mnist", "fashion_mnist", "digits"]),
        help="Built-in dataset. Keras downloads it on first use, except for digits, "
        "which needs no network. [default: cifar10]",
    ),
    click.option(
        "--data",
        type=click.Path(exists=True),
        help="Your own images: an .npz file with x_train, y_train, x_test and y_test, "
        "or a folder with train/CLASS/* and test/CLASS/*.",
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        help="Use only N training images. [default: all]",
        metavar="N",
    ),
    click.option(
        "--validation-split",
        metavar="FRACTION",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Fraction of the training images held out, class by class, to rank the "
        "trials. [default: 0.1]",
    ),
    click.option(
        "--test-split",
        metavar="FRACTION",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Fraction of an image folder to use as the test set, if it has no test/.",
    ),
    click.option(
        "--image-size",
        type=click.IntRange(1),
        metavar="N",
        help="Resize images of a folder to N x N pixels.",
    ),
)
_DEVICE = click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(DEVICES),
    help="What to train on; auto uses a GPU if there is one.",
)
_RAY = click.option(
    "--ray",
    metavar="ADDRESS",
    help="Train on a Ray cluster: auto, local or ray://HOST:10001. Needs the extra "
    "`ray`; on a single machine you do not need it.",
)
_PLACE = (
    _DEVICE,
    click.option(
        "--workers",
        default="auto",
        show_default=True,
        type=Workers(),
        help="Trials to train at the same time on this machine; auto is one per GPU, "
        "or one per CPU core if there is no GPU.",
    ),
    click.option(
        "--workers-per-gpu",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Trials that share each GPU.",
    ),
    _RAY,
)
_END = (
    click.option(
        "--report/--no-report",
        default=True,
        help="Write the HTML report. [default: on]",
    ),
    click.option(
        "--open", "open_page", is_flag=True, help="Open the report at the end."
    ),
    json_option,
    click.option("-q", "--quiet", is_flag=True, help="Show no progress."),
    click.option("-v", "--verbose", is_flag=True, help="Print a line per epoch."),
)
_PRECISION = (
    "What networks compute in. bfloat16 keeps weights, logits and loss in float32. "
    "auto times a few steps when the study begins, and takes bfloat16 if it is clearly "
    "faster, as on many GPUs and new CPUs. With --deterministic, for images under 16 "
    "pixels and for models of your own, auto is float32."
)
_IN = click.option(
    "--in",
    "within",
    type=Duration(),
    help="Plan a search that takes this long, such as 15m: time a few configs on this "
    "machine, then choose the number of images, epochs and trials.",
)
_TRIAL_TIMEOUT = click.option(
    "--trial-timeout",
    type=Duration(),
    help="Stop a run after this long and mark its trial failed.",
)
_FINISH = click.option(
    "--finish/--no-finish",
    default=True,
    help="With --in: use about half of the time to train the winner on all images, as "
    "tune finish does. [default: on]",
)
_LIMITS = (
    click.option(
        "--time-limit",
        type=Duration(),
        help="Start no new trial after this long, such as 45s, 30m or 2h. Running "
        "trials finish.",
    ),
    _TRIAL_TIMEOUT,
    click.option(
        "--max-consecutive-failed-trials",
        metavar="N",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="Stop the search after this many failed trials in a row.",
    ),
)
_SEARCH = (
    click.option(
        "--space",
        required=True,
        metavar="NAME|FILE.py",
        help="Search space: architecture, hyperparams, combined or published, or a "
        "Python file with sample(hp), build_model(hp) or a keras_tuner.HyperModel.",
    ),
    click.option(
        "--algorithm",
        type=click.Choice(list(ALGORITHMS)),
        help="Search algorithm: "
        + "; ".join(f"{a.name} {a.help}" for a in ALGORITHMS.values())
        + f". [default: {DEFAULT.name}; with --in {FOR_A_TIME.name}]",
    ),
    click.option(
        "-n",
        "--max-trials",
        metavar="N",
        type=click.IntRange(1),
        help="Trials in all, counting those before a resume but not the baseline, "
        f"which is trial 0. [default: {DEFAULT.default_trials}; "
        f"with {_ALL_BY_DEFAULT} as many as they have]",
    ),
    click.option(
        "--epochs",
        metavar="N",
        type=click.IntRange(1),
        help="Epochs per trial. If the space searches epochs, the baseline gets N and "
        "other trials 1 to 2N. Where the algorithm sets the epochs, N is the maximum. "
        f"[default: {_EPOCHS_BY_DEFAULT}; with --base: as in that trial]",
    ),
    click.option(
        "--executions",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Training runs (seeds) per trial.",
    ),
    *_DATA,
    *_PLACE,
    _IN,
    _FINISH,
    *_LIMITS,
    click.option(
        "--max-params",
        type=click.IntRange(1),
        metavar="N",
        help="Reject networks with more than N parameters.",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Seed of the whole study: split, proposals, weights and shuffling.",
    ),
    directory_option,
    click.option(
        "--name",
        metavar="NAME",
        help="Name of the study and its folder. [default: SPACE-DATASET]",
    ),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Start over: move an existing study of that name to .replaced/.",
    ),
    click.option(
        "--baseline/--no-baseline",
        default=True,
        help="Train the baseline as trial 0, to compare with. [default: on]",
    ),
    click.option(
        "--objective",
        metavar="METRIC",
        default="val_accuracy",
        show_default=True,
        help="Metric that ranks the trials: val_accuracy or val_loss; for a model of "
        "your own also val_METRIC of any metric it compiles, with :max or :min if "
        "Keras cannot tell which is better.",
    ),
    click.option(
        "--keep-models",
        metavar="N",
        type=click.IntRange(0),
        default=3,
        show_default=True,
        help="Keep the trained models of the N best trials on disk. Others are trained "
        "again when needed.",
    ),
    click.option(
        "--min-epochs",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="hyperband, priorband, halving: train every config for at least N epochs.",
    ),
    click.option(
        "--audit",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="The same: fully train N eliminated configs, and report how many were "
        "wrongly eliminated.",
    ),
    click.option(
        "--patience",
        metavar="N",
        type=click.IntRange(1),
        help="Stop a run after N epochs without a lower validation loss, and keep its "
        "best epoch. [default: train every epoch, keep the last]",
    ),
    click.option(
        "--enqueue",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE.json",
        help='Configs to train first: a JSON list such as [{"filters_1": 48}]. Values '
        "that a config leaves out are the baseline's.",
    ),
    click.option(
        "--base",
        metavar="STUDY",
        help="Take the hyperparameters that this space does not search from STUDY's "
        "best trial, which becomes the baseline.",
    ),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default="auto",
        show_default=True,
        help=_PRECISION,
    ),
    click.option(
        "--deterministic",
        is_flag=True,
        help="Train each run on one CPU thread, so that a repeated search gives the "
        "same numbers bit for bit.",
    ),
    click.option(
        "--pixels",
        type=click.Choice(PIXELS),
        default="unit",
        show_default=True,
        help="Pixel values that a model of your own receives, as float32: unit is 0 to "
        "1, raw is 0 to 255.",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        help="Show the plan and an estimate of its time. Store nothing.",
    ),
    *_END,
)


def search_options(command: Command) -> Command:
    """Add every option of `tune search`."""
    return _with(command, _SEARCH)


def data_options(command: Command) -> Command:
    """Add the options of `try` and `noise` for data, starting point and study."""
    options = (
        *_DATA,
        click.option(
            "--epochs",
            metavar="N",
            type=click.IntRange(1),
            help="Epochs per run. [default: 5; with --base: as in that trial]",
        ),
        click.option(
            "--base",
            metavar="STUDY",
            help="Start from STUDY's best trial, on its data, instead of the baseline.",
        ),
        click.option(
            "--seed",
            metavar="N",
            type=click.IntRange(0),
            help="Seed of the whole study: splits, weights and shuffling. "
            "[default: 0; with --base: as in STUDY]",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            help=f"{_PRECISION} [default: auto; with --base: as in STUDY]",
        ),
        click.option(
            "--deterministic",
            is_flag=True,
            default=None,
            help="Train each run on one CPU thread, so that a repeated search gives "
            "the same numbers bit for bit.",
        ),
        click.option(
            "--name",
            metavar="NAME",
            help="Name of the study and its folder. [default: tried-DATASET or "
            "noise-DATASET; with --base: tried or noise, inside STUDY]",
        ),
        click.option(
            "--overwrite",
            is_flag=True,
            help="Start over: move an existing study of that name to .replaced/.",
        ),
    )
    return _with(command, options)


def how_options(command: Command) -> Command:
    """Add the options for where and how long to train, and what to print."""
    return _with(command, (*_PLACE, *_LIMITS, directory_option, *_END))


def finish_options(command: Command) -> Command:
    """Add the options of `finish`; a single run needs one worker and one limit."""
    options = (
        click.option(
            "--epochs",
            metavar="N",
            type=click.IntRange(1),
            help="Epochs to train. [default: as in the trial]",
        ),
        data_moved_option,
        _DEVICE,
        _RAY,
        click.option(
            "--in",
            "within",
            type=Duration(),
            help="Choose the epochs so that all of this takes so long, such as 15m: at "
            "most 10 times those of the trial, or 60.",
        ),
        _TRIAL_TIMEOUT,
        directory_option,
        click.option(
            "--overwrite",
            is_flag=True,
            help="Start over: move an existing finished network to .replaced/.",
        ),
        *_END,
    )
    return _with(command, options)


def data_moved_option(command: Command) -> Command:
    """Add --data to a command that trains the configs of a search."""
    return click.option(
        "--data",
        type=click.Path(exists=True),
        help="Where the study's images are now, if they moved.",
    )(command)


def seeds_option(default: str = "5") -> Command:
    """Add --seeds to a command."""
    return click.option(
        "--seeds",
        type=Workers(),
        default=default,
        show_default=True,
        help="Training runs (seeds) per config. auto tries 3, 5, 8 and 12, and stops "
        "when every comparison has a verdict.",
    )


def _with(command: Command, options: tuple[Command, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
