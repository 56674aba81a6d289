"""`python -m reports STUDY_FOLDER`: write every report that shows a study."""

from __future__ import annotations

import os
import sys

import reports

if __name__ == "__main__":
    # As in `tuner.__main__`: do not import modules from the working directory.
    is_installed = f"{sys.path[0]}{os.sep}reports" not in reports.__path__
    if is_installed and not sys.flags.safe_path:
        del sys.path[0]

import json
import signal
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the reports; return 0, or print one line of error and return 1."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m reports STUDY_FOLDER\n")
        return 2
    from reports.pages.study import write_pages

    folder = Path(arguments[0]).resolve()
    if not (folder / "study.json").is_file():
        sys.stderr.write(
            f"STUDY_FOLDER must hold study.json, but {folder} has none. "
            "`tune list` lists the studies.\n"
        )
        return 1
    problem = write_pages(folder)
    if problem:
        sys.stderr.write(problem + "\n")
    return int(bool(problem))


def serve() -> None:
    """Write the reports of each folder read from stdin, until it closes.

    Each line is a folder as a JSON string. The answer is one line of JSON: null, or
    what went wrong.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    from reports.pages.study import write_pages

    for line in sys.stdin:
        problem = write_pages(Path(json.loads(line)))
        sys.stdout.write(json.dumps(problem) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
