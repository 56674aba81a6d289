"""`python -m reports STUDY_FOLDER`: write its page and the one across studies."""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Write both pages; return 0, or 1 after one line that says what is wrong."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m reports STUDY_FOLDER\n")
        return 2
    from reports.page import write_comparison, write_report
    from tuner.records import RecordError

    folder = Path(arguments[0]).resolve()
    try:
        write_report(folder)
        write_comparison(folder.parent)
    except FileNotFoundError:
        sys.stderr.write(
            f"A study folder must hold study.json, and {folder} does not. "
            "`tune list` names the studies.\n"
        )
        return 1
    except (RecordError, OSError, ValueError) as error:
        sys.stderr.write(
            f"The report was not written: {' '.join(str(error).split())}\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
