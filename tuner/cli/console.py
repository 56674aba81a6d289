"""How the command speaks: progress to stderr, results to stdout, exit codes."""

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

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # 3 is another study's: its error says so


def command_line() -> str:
    """Give the command that resumes what this one started."""
    words = [w for w in sys.argv[1:] if w not in ("--overwrite", "--open")]
    return shlex.join(["tune", *words])


def with_seeds(command: str, seeds: int) -> str:
    """Give a command again, with another --seeds."""
    words, kept = iter(shlex.split(command)), list[str]()
    for word in words:
        if word == "--seeds":
            next(words, None)
        elif not word.startswith("--seeds="):
            kept.append(word)
    return shlex.join([*kept, "--seeds", str(seeds)])


@contextmanager
def exit_codes(*, resumes: bool = False) -> Iterator[None]:
    """Turn every expected error into one line and the right exit code.

    Args:
        resumes: Whether the same command goes on after Ctrl-C.
    """

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # a cluster's way to say Ctrl-C
    try:
        yield
    except KeyboardInterrupt:
        text = f"; finished trials are kept. To go on:\n  {command_line()}"
        say(f"\nStopped{text if resumes else '.'}")
        sys.exit(INTERRUPTED)
    except ExpectedError as error:
        fail(error.exit_code, str(error))
    except BrokenPipeError:
        raise  # whoever read our output has enough; click ends quietly
    except OSError as error:
        known = [error.filename, *getattr(error, "__notes__", ())]
        where = next((f" ({file})" for file in known if file), "")
        fail(
            FAILED,
            f"Files could not be read or written: {error.strerror or error}{where}. "
            "Free the disk or mend the permissions and run the same command; what was "
            "finished is kept.",
        )


def fail(code: int, text: str) -> NoReturn:
    """Say what must hold, what arrived and what to do, and exit."""
    say(f"Error: {text}")
    sys.exit(code)


def say(text: str) -> None:
    """Write a line of progress or advice."""
    click.echo(text, err=True)


def width() -> int | None:
    """Give how many characters a line of results may have; None has no end."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: list[str]) -> None:
    """Print a result for people; sentences are wrapped on a terminal."""
    wide = width()
    for line in lines:
        if wide and len(line) > wide:
            line = textwrap.fill(  # noqa: PLW2901
                line, wide, break_long_words=False, break_on_hyphens=False
            )
        click.echo(line)


def print_json(data: dict[str, Any]) -> None:
    """Print a result for programs: one object that names its schema."""
    from tuner.study.records import SCHEMA

    click.echo(json.dumps({"schema": SCHEMA, **data}, indent=1, allow_nan=False))


def check_study_name(given: str | None) -> None:
    """Refuse a study's name that is no plain folder's."""
    if given is None:
        return
    is_plain = given.isprintable() and given not in ("", ".", "..")
    is_folder = not any(sign in given for sign in "/\\") and not given.startswith(".")
    if not (is_plain and is_folder and len(given) <= 100):
        fail(
            USAGE,
            "--name must be one folder's name of 1 to 100 printable characters that "
            f"does not start with a dot, got {given!r}. Use --directory for where it "
            "lies.",
        )
