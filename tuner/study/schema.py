"""The schema of what a study stores: its version, its errors, and common checks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from search_spaces.errors import ExpectedError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SCHEMA = 1

T = TypeVar("T", bound="DataclassInstance")


class RecordError(ExpectedError):
    """A record, on disk or about to be written, is invalid."""


class UnknownSchemaError(RecordError):
    """A record has the schema of another version."""


def without_schema(data: Mapping[str, Any]) -> dict[str, Any]:
    """Check the schema of parsed JSON, and return the other fields.

    Raises:
        UnknownSchemaError: It has another schema, or none.
    """
    schema = data.get("schema")
    if schema != SCHEMA:
        raise UnknownSchemaError(
            f"schema must be {SCHEMA} for this version of tune, got {schema!r}. "
            "Read the study with the version of tune that wrote it."
        )
    return {key: value for key, value in data.items() if key != "schema"}


def build(kind: type[T], data: Mapping[str, Any]) -> T:
    """Make a record from its fields.

    Raises:
        RecordError: A field is missing, unknown or wrong.
    """
    fields = dataclasses.fields(kind)
    unknown = sorted(set(data) - {field.name for field in fields})
    missing = [f.name for f in fields if _is_required(f) and f.name not in data]
    problems = [f"{name} is missing" for name in missing]
    problems += [f"{name} is unknown" for name in unknown]
    if problems:
        raise RecordError(
            f"{kind.__name__} is incomplete or invalid: {', '.join(problems)}."
        )
    try:
        return kind(**data)
    except (AttributeError, TypeError) as error:
        raise RecordError(
            f"{kind.__name__} is incomplete or invalid: {error}."
        ) from error


def _is_required(field: dataclasses.Field[Any]) -> bool:
    nothing = dataclasses.MISSING
    return field.default is nothing and field.default_factory is nothing


def check_member(name: str, value: str, members: tuple[str, ...], where: str) -> None:
    """Raise RecordError if a value is none of the members."""
    if value not in members:
        raise RecordError(
            f"{name} must be one of {', '.join(members)}, got {value!r} in {where}."
        )


def check_finite(value: Any, where: str) -> None:
    """Raise RecordError if a number, however deep, is not finite."""
    match value:
        case float() if not math.isfinite(value):
            raise RecordError(f"{where} must be a finite number, got {value}.")
        case dict():
            for key, item in value.items():
                check_finite(item, f"{where}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                check_finite(item, f"{where}[{index}]")
