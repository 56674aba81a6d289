"""Errors that a user can mend: their text says how, and needs no traceback."""

from __future__ import annotations

from typing import ClassVar


class ExpectedError(Exception):
    """What was asked for could not be done.

    Attributes:
        exit_code: What the command exits with.
    """

    exit_code: ClassVar[int] = 1


class UsageError(ExpectedError):
    """What was asked for is not something that can be asked for."""

    exit_code = 2
