"""Run a session with its terminal and its pages, for every command that trains."""

from __future__ import annotations

from pathlib import Path

import click

from tuner.cli.console import command_line, say
from tuner.cli.pages import Pages
from tuner.cli.progress import Terminal
from tuner.search.session import run_study
from tuner.study.settings import StudySettings


def search(
    settings: StudySettings,
    folder: Path,
    *,
    overwrite: bool,
    pages: Pages,
    verbosity: int,
    started: float | None = None,
) -> None:
    """Run the session, and write its pages also if it fails or is stopped.

    Args:
        settings: What to search.
        folder: The study's folder.
        overwrite: Move an older study of that name aside first.
        pages: Written while the session runs, and once more if it fails.
        verbosity: As for `Terminal`.
        started: When the command began, on the monotonic clock; None for now.
    """
    terminal = Terminal(verbosity, pages.refresh if pages.wanted else None)
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
        is_stored = terminal.has_study and (folder / "study.json").exists()
        if is_stored and (problem := pages.write()):
            say(problem)
        raise
    finally:
        terminal.finish()


def say_where(folder: Path) -> None:
    """Print where a study's pages are."""
    outer = folder.parent
    click.echo(f"Report   {folder / 'report.html'}")
    if (outer / "study.json").exists():
        click.echo(f"Study    {outer / 'report.html'}")
        outer = outer.parent
    click.echo(f"Compare  {outer / 'comparison.html'}")
