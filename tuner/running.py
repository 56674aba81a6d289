"""Run a session with its terminal and its pages; what every searching command does."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from search_spaces.errors import ExpectedError
from tuner.console import command_line, say
from tuner.files import DIRECTORY
from tuner.live_page import LivePage
from tuner.progress import Terminal
from tuner.session import run_study
from tuner.settings import StudySettings


def search(
    settings: StudySettings,
    folder: Path,
    *,
    overwrite: bool,
    pages: bool,
    verbosity: int,
    started: float | None = None,
) -> None:
    """Run the session, and leave its pages whole however it ends.

    Args:
        settings: What to search.
        folder: The study's.
        overwrite: Move an older study of that name aside first.
        pages: Whether to write them, while it runs and at its end.
        verbosity: As `Terminal` takes it.
        started: When the command began, on the monotonic clock; None for now.
    """
    page = LivePage(folder)
    terminal = Terminal(verbosity, on_trial_end=page.refresh if pages else None)
    try:
        run_study(
            settings,
            folder,
            command_line(),
            terminal,
            overwrite=overwrite,
            started=started,
        )
    except BaseException:
        terminal.finish()
        if pages and terminal.has_study and (problem := write_pages(folder)):
            say(problem)
        raise
    finally:
        terminal.finish()
        page.stop()


def write_pages(folder: Path) -> str | None:
    """Write a study's page and those that show it too, or say why not."""
    from reports.page import write_comparison, write_report

    outer = folder.parent
    try:
        write_report(folder)
        if (outer / "study.json").exists():
            write_report(outer)
            outer = outer.parent
        write_comparison(outer)
    except (ExpectedError, OSError) as error:
        where = "" if outer == DIRECTORY else f" --directory {shlex.quote(str(outer))}"
        again = f"tune report{where}"
        return f"The pages could not be written: {error}. Try again with: {again}"
    return None


def say_where(folder: Path) -> None:
    """Print where a study's pages are."""
    outer = folder.parent
    click.echo(f"Report   {folder / 'report.html'}")
    if (outer / "study.json").exists():
        click.echo(f"Study    {outer / 'report.html'}")
        outer = outer.parent
    click.echo(f"Compare  {outer / 'comparison.html'}")
