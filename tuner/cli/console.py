"""What every command prints with: progress on stderr, results on stdout, exit codes."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from search_spaces.errors import ExpectedError

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # 3: the study exists with other settings
ONE_SOURCE = "Give --dataset or --data, not both."


def command_line() -> str:
    """Return the command that resumes what this one started."""
    words = [w for w in sys.argv[1:] if w not in ("--overwrite", "--open")]
    return shlex.join(["tune", *words])


def with_seeds(command: str, seeds: int) -> str:
    """Return a command with its --seeds set to `seeds`."""
    words, others = iter(shlex.split(command)), list[str]()
    for word in words:
        if word == "--seeds":
            next(words, None)
        elif not word.startswith("--seeds="):
            others.append(word)
    return shlex.join([*others, "--seeds", str(seeds)])


@contextmanager
def exit_codes(*, resumes: bool = False) -> Iterator[None]:
    """Turn every expected error into one line and the right exit code.

    Args:
        resumes: Whether the same command resumes after Ctrl-C.
    """

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # how a cluster stops a job
    try:
        yield
    except KeyboardInterrupt:
        advice = f" Finished trials are kept. To resume:\n  {command_line()}"
        say(f"\nStopped.{advice if resumes else ''}")
        sys.exit(INTERRUPTED)
    except ExpectedError as error:
        fail(error.exit_code, str(error))
    except BrokenPipeError:
        raise  # the reader of our output has closed it; click exits quietly
    except OSError as error:
        files = [error.filename, *getattr(error, "__notes__", ())]
        where = next((f" ({file})" for file in files if file), "")
        fail(
            FAILED,
            f"Files could not be read or written: {error.strerror or error}{where}. "
            "Free disk space or fix the permissions, then run the same command again; "
            "finished trials are kept.",
        )


def fail(code: int, text: str) -> NoReturn:
    """Print an error and exit; the text says what must hold and what to do."""
    say(f"Error: {text}")
    sys.exit(code)


def say(text: str) -> None:
    """Print a line of progress or advice on stderr."""
    click.echo(text, err=True)


def width() -> int | None:
    """Return the width of the terminal, or None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: list[str]) -> None:
    """Print a result for people, wrapped on a terminal."""
    wide = width()
    for line in lines:
        if wide and len(line) > wide:
            line = textwrap.fill(  # noqa: PLW2901
                line, wide, break_long_words=False, break_on_hyphens=False
            )
        click.echo(line)


def print_json(data: dict[str, Any]) -> None:
    """Print a result for programs: one object, with the number of its schema."""
    from tuner.study.schema import SCHEMA

    click.echo(json.dumps({"schema": SCHEMA, **data}, indent=1, allow_nan=False))


def check_study_name(name: str | None) -> None:
    """Exit with an error unless the name can name one folder."""
    if name is None:
        return
    is_plain = name.isprintable() and name not in ("", ".", "..")
    is_folder = not any(sign in name for sign in "/\\") and not name.startswith(".")
    if not (is_plain and is_folder and len(name) <= 100):
        fail(
            USAGE,
            "--name must be one folder name: 1 to 100 printable characters, no slash, "
            f"no dot in front, got {name!r}. Use --directory to say where it goes.",
        )
