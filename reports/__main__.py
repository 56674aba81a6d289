"""`python -m reports STUDY_FOLDER`: write every page that shows a study."""

from __future__ import annotations

import os
import sys

import reports

if __name__ == "__main__":
    # As in `tuner.__main__`: no file of the working folder stands for a module.
    is_installed = f"{sys.path[0]}{os.sep}reports" not in reports.__path__
    if is_installed and not sys.flags.safe_path:
        del sys.path[0]

import json
import signal
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the pages; return 0, or 1 after one line that says what is wrong."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m reports STUDY_FOLDER\n")
        return 2
    from reports.pages.study import write_pages

    folder = Path(arguments[0]).resolve()
    if not (folder / "study.json").is_file():
        sys.stderr.write(
            f"A study folder must hold study.json, and {folder} does not. "
            "`tune list` names the studies.\n"
        )
        return 1
    problem = write_pages(folder)
    if problem:
        sys.stderr.write(problem + "\n")
    return int(bool(problem))


def serve() -> None:
    """Write the pages for each folder that comes on stdin, until it ends.

    A folder is a JSON string a line; the answer is null or what is wrong.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that one decides on Ctrl-C
    from reports.pages.study import write_pages

    for line in sys.stdin:
        problem = write_pages(Path(json.loads(line)))
        sys.stdout.write(json.dumps(problem) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
