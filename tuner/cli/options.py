"""The command's options: their types, defaults and help."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tuner.algorithms import ALGORITHMS, DEFAULT
from tuner.study.settings import DEVICES, PIXELS, parse_duration
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


class SearchByDefault(click.Group):
    """A group whose first word may be an option: then it is `search`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `search` in front of options that are not the group's own."""
        own = {o for p in self.get_params(ctx) for o in p.opts}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["search", *args]
        return super().parse_args(ctx, args)


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic from 8.4 on
    """A time such as 45s, 30m or 1h30m, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read a duration, or fail with what must hold."""
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
            self.fail(f"it must be a whole number from 1, or auto, got {value!r}.")
        return click.IntRange(1).convert(number, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: Any = None) -> str:  # noqa: ARG002
        """Show what it takes in the help."""
        return "N|auto"


def directory_option(command: Command) -> Command:
    """Let a command be told where the studies lie."""
    return click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=DIRECTORY,
        show_default=True,
        help="Where the studies lie.",
    )(command)


def json_option(command: Command) -> Command:
    """Let a command print one JSON object."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
    )(command)


_DATA = (
    click.option(
        "--dataset",
        type=click.Choice(["cifar10", "cifar100", "mnist", "fashion_mnist", "digits"]),
        help="A named dataset; digits needs no network. [default: cifar10]",
    ),
    click.option(
        "--data",
        type=click.Path(exists=True),
        help="Your own: an .npz with x_train y_train x_test y_test, or a folder with "
        "train/CLASS/* and test/CLASS/*.",
    ),
    click.option("--limit", type=click.IntRange(1), help="Training images to use."),
    click.option(
        "--validation-split",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Share of the training images that chooses between trials, stratified. "
        "[default: 0.1]",
    ),
    click.option(
        "--test-split",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Share of an image folder without test/ that becomes the test set.",
    ),
    click.option(
        "--image-size", type=click.IntRange(1), help="Resize images to N x N."
    ),
)
_PLACE = (
    click.option(
        "--device",
        default="auto",
        show_default=True,
        type=click.Choice(DEVICES),
        help="auto takes a GPU where there is one.",
    ),
    click.option(
        "--workers",
        default="auto",
        show_default=True,
        type=Workers(),
        help="Trainings side by side on this machine; auto is one a GPU, or one a "
        "core where there is none.",
    ),
    click.option(
        "--workers-per-gpu",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Trainings that share each GPU.",
    ),
    click.option(
        "--ray",
        metavar="ADDRESS",
        help="Train on a Ray cluster: auto, local, ray://HOST:10001. Needs the extra "
        "`ray`; one machine does not need it.",
    ),
)
_END = (
    click.option(
        "--report/--no-report", default=True, help="Write the pages. [default: on]"
    ),
    click.option("--open", "open_page", is_flag=True, help="Open the page at the end."),
    json_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress."),
    click.option("-v", "--verbose", is_flag=True, help="A line an epoch."),
)
_IN = click.option(
    "--in",
    "within",
    type=Duration(),
    help="Plan for this time: images, epochs and trials by measured speed.",
)
_LIMITS = (
    click.option(
        "--time-limit",
        type=Duration(),
        help="Start no trial after this long: 45s, 30m, 2h.",
    ),
    click.option(
        "--trial-timeout", type=Duration(), help="A longer training has failed."
    ),
    click.option(
        "--max-consecutive-failed-trials",
        type=click.IntRange(1),
        default=3,
        show_default=True,
        help="Give up after so many failures in a row.",
    ),
)
_SEARCH = (
    click.option(
        "--space",
        required=True,
        metavar="NAME|FILE.py",
        help="What may vary: architecture, hyperparams, combined, published, or a file "
        "with sample(hp), build_model(hp) or a keras_tuner.HyperModel.",
    ),
    click.option(
        "--algorithm",
        default=DEFAULT.name,
        show_default=True,
        type=click.Choice(list(ALGORITHMS)),
        help="Search algorithm: "
        + "; ".join(f"{a.name} {a.help}" for a in ALGORITHMS.values())
        + ".",
    ),
    click.option(
        "-n",
        "--max-trials",
        type=click.IntRange(1),
        help="Configs to propose in all, also after a resume; trial 0 comes on top. "
        f"[default: {DEFAULT.default_trials}; with {_ALL_BY_DEFAULT} as "
        "many as they have]",
    ),
    click.option(
        "--epochs",
        type=click.IntRange(1),
        help="What trial 0 gets, and every trial where the space does not tune epochs; "
        "where it does, the range is 1 to twice this. Under Hyperband the last rung. "
        f"[default: {_EPOCHS_BY_DEFAULT}; with --base that trial's]",
    ),
    click.option(
        "--executions",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Seeds a trial.",
    ),
    *_DATA,
    *_PLACE,
    _IN,
    *_LIMITS,
    click.option(
        "--max-params", type=click.IntRange(1), help="Do not propose larger networks."
    ),
    click.option(
        "--seed",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Everything follows from it.",
    ),
    directory_option,
    click.option("--name", help="The study's name. [default: SPACE-DATASET]"),
    click.option(
        "--overwrite",
        is_flag=True,
        help="Move a study of that name aside and start anew.",
    ),
    click.option(
        "--baseline/--no-baseline",
        default=True,
        help="Train the baseline as trial 0. [default: on]",
    ),
    click.option(
        "--objective",
        default="val_accuracy",
        show_default=True,
        help="What to choose by: val_accuracy, val_loss, or of a network of your own "
        "any metric that it compiles, val_METRIC, with :max or :min where its name "
        "does not say which is better.",
    ),
    click.option(
        "--keep-models",
        type=click.IntRange(0),
        default=3,
        show_default=True,
        help="Trained networks to keep on disk; the others can be trained again.",
    ),
    click.option(
        "--min-epochs",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Hyperband's first rung has at least so many epochs.",
    ),
    click.option(
        "--audit",
        type=click.IntRange(0),
        default=0,
        show_default=True,
        help="Hyperband: train so many of the configs that it dropped to the end, "
        "and say how many should have stayed.",
    ),
    click.option(
        "--patience",
        type=click.IntRange(1),
        help="Stop a training after so many epochs without a lower validation loss, "
        "and keep its best epoch.",
    ),
    click.option(
        "--enqueue",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE.json",
        help='Configs to train first, a list such as [{"filters_1": 48}]; what one '
        "leaves out is as in trial 0.",
    ),
    click.option(
        "--base",
        metavar="STUDY",
        help="Keep what the space leaves alone as in that study's best trial, which "
        "becomes trial 0.",
    ),
    click.option(
        "--deterministic",
        is_flag=True,
        help="One CPU thread a training: histories are the same, bit for bit.",
    ),
    click.option(
        "--pixels",
        type=click.Choice(PIXELS),
        default="unit",
        show_default=True,
        help="What a network of your own is given, as float32: unit for 0 to 1, raw "
        "for 0 to 255.",
    ),
    click.option(
        "--dry-run", is_flag=True, help="Show the plan and what it will take."
    ),
    *_END,
)


def search_options(command: Command) -> Command:
    """Give a command every option of `tune search`, in the order of its help."""
    return _with(command, _SEARCH)


def data_options(command: Command) -> Command:
    """Let a command be told what to train on, and from what to start."""
    own = (
        *_DATA,
        click.option(
            "--epochs",
            type=click.IntRange(1),
            help="What every network gets, unless that is what changes. "
            "[default: 5; with --base that trial's]",
        ),
        click.option(
            "--base",
            metavar="STUDY",
            help="Start from that study's best trial, on its data, rather than from "
            "the baseline.",
        ),
        click.option(
            "--seed", type=click.IntRange(0), help="Everything follows from it."
        ),
        click.option(
            "--deterministic",
            is_flag=True,
            default=None,
            help="One CPU thread a training: histories are the same, bit for bit.",
        ),
        click.option("--name", help="The study's name."),
        click.option(
            "--overwrite",
            is_flag=True,
            help="Move a study of that name aside and start anew.",
        ),
    )
    return _with(command, own)


def how_options(command: Command) -> Command:
    """Let a command be told where and how long to train, and how to show it."""
    return _with(command, (*_PLACE, *_LIMITS, directory_option, *_END))


def seeds_option(default: str = "5") -> Command:
    """Let a command be told how many seeds to train."""
    return click.option(
        "--seeds",
        type=Workers(),
        default=default,
        show_default=True,
        help="Trainings of each; auto looks at 3, 5, 8 and 12 until all is settled.",
    )


def _with(command: Command, options: tuple[Command, ...]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
