"""Tables for a terminal, as wide as it is; nothing is cut where there is no width."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_GAP = "  "
_LEAST_NAME, _LEAST_WORDS = 12, 20  # characters that the outer columns keep


def table(
    rows: Sequence[Sequence[str]], width: int | None = None, lines: int | None = None
) -> list[str]:
    """Align rows: the first and the last column left, numbers between them right.

    Args:
        rows: Equally long, the heading first.
        width: Characters of a line. Beyond it the last column goes on in further
            lines, and the middle of a long first cell is left out; None has no end.
        lines: How many a row may take; what does not fit ends in "…".
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = widths[-1]
    if width is not None:
        free = width - sum(widths[1:-1]) - len(_GAP) * (len(widths) - 1)
        names = max(_LEAST_NAME, free - min(words, _LEAST_WORDS))
        widths[0] = min(widths[0], names)
        words = min(words, max(_LEAST_WORDS, free - widths[0]))
    out = []
    for first, *cells, last in rows:
        texts = [_middle_left_out(first, widths[0]).ljust(widths[0])]
        texts += [c.rjust(w) for c, w in zip(cells, widths[1:-1], strict=True)]
        parts = [last]
        if len(last) > words:
            parts = textwrap.wrap(last, words, max_lines=lines, placeholder=" …")
        start = _GAP.join(texts) + _GAP
        out.append(f"{start}{parts[0]}".rstrip())
        out += [f"{' ' * len(start)}{part}" for part in parts[1:]]
    return out


def blocks(rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Align columns of numbers; those that do not fit follow in a block below.

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


def _middle_left_out(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    end = (most - 1) // 2
    return f"{text[: most - 1 - end]}…{text[-end:]}"
