"""Errors that a user can fix: the text says how, so no traceback is shown."""

from __future__ import annotations

import re
from typing import ClassVar

_BOLD = re.compile(r"\x1b\[[\d;]*m")
_WHERE = re.compile(r"Exception encountered when calling .*")  # and then what, in Keras


class ExpectedError(Exception):
    """The command could not do what the user asked for.

    Attributes:
        exit_code: What the command exits with.
    """

    exit_code: ClassVar[int] = 1


class UsageError(ExpectedError):
    """The user asked for something that does not exist or makes no sense."""

    exit_code = 2


def cause(error: BaseException) -> str:
    """Return an error's text without the lines that Keras adds about the place."""
    lines = [line.strip() for line in _BOLD.sub("", str(error)).splitlines()]
    lines = [line for line in lines if line]
    reasons = [line for line in lines if not _WHERE.fullmatch(line)]
    if len(reasons) < len(lines):
        reasons = reasons[:1]  # Keras lists the layer's arguments after it
    return "\n".join(reasons)
