"""Format tables for a terminal of some width, or of unlimited width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_GAP = "  "
_MIN_FIRST, _MIN_LAST = 12, 20  # minimum widths of the outer columns


def table(
    rows: Sequence[Sequence[str]], width: int | None = None, lines: int | None = None
) -> list[str]:
    """Align rows: the first and last columns to the left, the others to the right.

    Args:
        rows: Rows of equal length, the heading first.
        width: Characters per line, or None for no limit. The last column wraps, and
            a long first cell loses its middle.
        lines: The most lines that a row can take; longer text ends in "…".
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last_width = widths[-1]
    if width is not None:
        free = width - sum(widths[1:-1]) - len(_GAP) * (len(widths) - 1)
        first_width = max(_MIN_FIRST, free - min(last_width, _MIN_LAST))
        widths[0] = min(widths[0], first_width)
        last_width = min(last_width, max(_MIN_LAST, free - widths[0]))
    out = []
    for first, *cells, last in rows:
        texts = [_without_middle(first, widths[0]).ljust(widths[0])]
        texts += [c.rjust(w) for c, w in zip(cells, widths[1:-1], strict=True)]
        parts = [last]
        if len(last) > last_width:
            parts = textwrap.wrap(last, last_width, max_lines=lines, placeholder=" …")
        start = _GAP.join(texts) + _GAP
        out.append(f"{start}{parts[0]}".rstrip())
        out += [f"{' ' * len(start)}{part}" for part in parts[1:]]
    return out


def blocks(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Align columns of numbers; columns that do not fit form a block below.

    Each block begins with the first column.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    groups: list[list[int]] = [[]]
    room = 0
    for i in range(1, len(widths)):
        room -= widths[i] + len(_GAP)
        if room < 0 or not groups[-1]:
            if groups[-1]:
                groups.append([])
            room = (width or sum(widths) * 4) - widths[0] - widths[i] - len(_GAP)
        groups[-1].append(i)
    out: list[str] = []
    for group in groups:
        out += [""] if out else []
        out += [
            _GAP.join(
                [row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in group)]
            )
            for row in rows
        ]
    return out


def _without_middle(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[-end:]}"
