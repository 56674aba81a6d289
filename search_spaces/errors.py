"""Errors that a user can mend: their text says how, and needs no traceback."""

from __future__ import annotations

import re
from typing import ClassVar

_BOLD = re.compile(r"\x1b\[[\d;]*m")
_WHERE = re.compile(r"Exception encountered when calling .*")  # and then what, in Keras


class ExpectedError(Exception):
    """What was asked for could not be done.

    Attributes:
        exit_code: What the command exits with.
    """

    exit_code: ClassVar[int] = 1


class UsageError(ExpectedError):
    """What was asked for is not something that can be asked for."""

    exit_code = 2


def cause(error: BaseException) -> str:
    """Give what an error says, without what Keras writes before it about where."""
    lines = [line.strip() for line in _BOLD.sub("", str(error)).splitlines()]
    said = [line for line in lines if line and not _WHERE.fullmatch(line)]
    if len(said) < len([line for line in lines if line]):
        said = said[:1]  # the arguments follow
    return "\n".join(said)
