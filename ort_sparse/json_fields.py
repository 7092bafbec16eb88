"""JSON that the native library writes, read and checked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .errors import InvalidArgumentError

__all__ = ["Fields", "parse_fields", "read_text"]

Made = TypeVar("Made")


def read_text(path: str | os.PathLike[str]) -> str:
    """Return what a file says.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, or it is no text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise InvalidArgumentError(f"{path}: cannot be read: {reason}") from error


def parse_fields(text: str, *, name: str, version: int) -> Fields:
    """Return the object that a JSON text is.

    Parameters
    ----------
    text : str
    name : str
        What messages call it.
    version : int
        Which ``format`` it must have.

    Raises
    ------
    InvalidArgumentError
        If it is something else.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{name}: must be JSON, but is not: {error}") from error
    fields = Fields(name, data)
    found = fields.take("format", int)
    if found != version:
        raise InvalidArgumentError(f"{name}: format must be {version}, but is {found}")
    return fields


class Fields:
    """A JSON object whose fields are checked as they are taken."""

    def __init__(self, place: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise InvalidArgumentError(f"{place}: must be a JSON object, but is {data!r:.60}")
        self.place = place
        self._data = data

    def take(self, key: str, *types: type) -> Any:
        """Return a field that has one of these types; numbers include whole ones."""
        if key not in self._data:
            raise InvalidArgumentError(f"{self.place}: must have {key}, but has not")
        value = self._data[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            wanted = " or ".join("null" if t is type(None) else t.__name__ for t in types)
            raise InvalidArgumentError(
                f"{self.place}: {key} must be {wanted}, but is {value!r:.60}"
            )
        return value

    def optional(self, key: str, *types: type) -> Any:
        """Return a field as `take` does, or None where it is not there or null."""
        return self.take(key, *types, type(None)) if key in self._data else None

    def inside(self, key: str) -> Fields:
        """Return a field that is an object itself."""
        return Fields(f"{self.place}: {key}", self.take(key, dict))

    def each(self, key: str, make: Callable[[Fields], Made]) -> tuple[Made, ...]:
        """Return what ``make`` makes of each object of a list."""
        items = self.take(key, list)
        return tuple(
            make(Fields(f"{self.place}: {key}[{i}]", item)) for i, item in enumerate(items)
        )

    def sizes(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        return self._sizes(key, self.take(key, list))

    def shapes(self, key: str) -> tuple[tuple[int, ...], ...]:
        """Return a list of lists of whole numbers."""
        return tuple(self._sizes(key, item) for item in self.take(key, list))

    def _sizes(self, key: str, items: Any) -> tuple[int, ...]:
        if not isinstance(items, list) or not all(type(item) is int for item in items):
            raise InvalidArgumentError(f"{self.place}: {key} must be sizes, but is {items!r:.60}")
        return tuple(items)

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        items = self.take(key, list)
        if not all(isinstance(item, str) for item in items):
            raise InvalidArgumentError(f"{self.place}: {key} must be names, but is {items!r:.60}")
        return tuple(items)
