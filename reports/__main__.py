"""`python -m reports STUDY_FOLDER`: write every page that shows a study.

`--serve` writes them for each folder that comes on stdin, a JSON string a line, and
answers with null or what is wrong.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write the pages; return 0, or 1 after one line that says what is wrong."""
    if arguments == ["--serve"]:
        return serve()
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


def serve() -> int:
    """Answer until stdin ends, as it does with the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that one decides on Ctrl-C
    from reports.pages.study import write_pages

    for line in sys.stdin:
        problem = write_pages(Path(json.loads(line)))
        sys.stdout.write(json.dumps(problem) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
