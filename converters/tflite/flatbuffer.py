"""A structural check of TFLite files, before anything follows an offset in them.

FlatBuffers has no verifier for Python. The format is described in the FlatBuffers internals
document (flatbuffers.dev); all numbers are little-endian.
"""

from __future__ import annotations

import struct
from typing import Any

from ort_sparse.errors import InvalidModelError

from ._dependencies import tflite_schema
from .layout import NUMBER_SIZES, Field, Vector, fields_of

__all__ = ["MAX_REUSE", "MAX_TABLES", "verify_flatbuffer"]

IDENTIFIER = b"TFL3"

MAX_REUSE = 4
"""How many times the size of the file all objects may have together. Without sharing they have
at most the file's size; the limit keeps shared objects from costing more than the file is worth."""

MAX_TABLES = 250_000
"""Number of tables that a file may reach: about 10 seconds of reading."""

_UINT16 = struct.Struct("<H")
_INT32 = struct.Struct("<i")
_UINT32 = struct.Struct("<I")

# Where an object was found: (path of its parent, name of the field, index in a vector).
_Path = tuple[Any, str, int | None] | None


def verify_flatbuffer(data: bytes) -> None:
    """Check every offset, vtable, vector, string and size of a TFLite file that readers follow.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    InvalidModelError
        If ``data`` is empty, no TFLite file, or damaged; the message names the place.
    MissingDependencyError
        If ai_edge_litert is not installed.
    """
    if not data:
        raise InvalidModelError("the file is empty")
    if data[4:8] != IDENTIFIER:
        raise InvalidModelError(
            "the file is no TFLite model: its bytes 4 to 7 must be "
            f"{IDENTIFIER!r}, but are {bytes(data[4:8])!r}"
        )
    verifier = _Verifier(data)
    verifier.check_table(verifier.follow_offset(0, None), "Model", None)


class _Verifier:
    """Walks the tables of one file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._bytes_left = MAX_REUSE * len(data)
        self._tables_left = MAX_TABLES
        self._schema = tflite_schema()
        self._union_members: dict[str, dict[int, str]] = {}

    def check_table(self, position: int, table: str, path: _Path) -> None:
        """Check the table at ``position`` and all that it reaches."""
        vtable, vtable_size, table_size = self._read_vtable(position, path)
        fields = fields_of(table)
        if not fields:
            self._check_plain_fields(vtable, vtable_size, table_size, path)
        union_type = 0
        for slot, field in enumerate(fields):
            offset = 0
            entry = 4 + 2 * slot
            if entry < vtable_size:
                offset = _UINT16.unpack_from(self._data, vtable + entry)[0]
            if offset == 0:
                union_type = 0
                continue
            field_path = (path, field.name, None)
            plain = NUMBER_SIZES.get(field.kind) if isinstance(field.kind, str) else None
            if offset < 4 or offset + (plain or 4) > table_size:
                self._fail(field_path, f"lies at {offset} of a table of {table_size} bytes")
            if plain is None:
                self._check_reference(position + offset, field, union_type, field_path)
            union_type = self._data[position + offset] if plain == 1 else 0

    def _read_vtable(self, position: int, path: _Path) -> tuple[int, int, int]:
        """Return position and size of the vtable, and size of the table."""
        self._require_room(position, 4, path)
        vtable = position - _INT32.unpack_from(self._data, position)[0]
        if vtable < 0:
            self._fail(path, f"has its vtable at {vtable}, before the file begins")
        self._require_room(vtable, 4, path)
        vtable_size = _UINT16.unpack_from(self._data, vtable)[0]
        table_size = _UINT16.unpack_from(self._data, vtable + 2)[0]
        if vtable_size < 4 or vtable_size % 2 or table_size < 4:
            self._fail(path, f"has a vtable of {vtable_size} bytes for {table_size} bytes")
        self._require_room(vtable, vtable_size, path)
        self._spend(position, table_size, path)
        self._tables_left -= 1
        if self._tables_left < 0:
            self._fail(path, f"is table {MAX_TABLES + 1}, but a file may have {MAX_TABLES}")
        return vtable, vtable_size, table_size

    def _check_plain_fields(
        self, vtable: int, vtable_size: int, table_size: int, path: _Path
    ) -> None:
        for entry in range(vtable + 4, vtable + vtable_size, 2):
            offset = _UINT16.unpack_from(self._data, entry)[0]
            if offset and not 4 <= offset < table_size:
                self._fail(path, f"has a field at {offset} of a table of {table_size} bytes")

    def _check_reference(self, position: int, field: Field, union_type: int, path: _Path) -> None:
        """Check what the offset at ``position`` leads to."""
        target = self.follow_offset(position, path)
        if isinstance(field.kind, Vector):
            self._check_vector(target, field.kind.item, path)
        elif field.kind == "string":
            self._check_string(target, path)
        elif field.is_union:
            member = self._members_of(field.kind).get(union_type)
            if member is not None:
                self.check_table(target, member, path)
        else:
            self.check_table(target, field.kind, path)

    def _check_vector(self, position: int, item: str, path: _Path) -> None:
        size = NUMBER_SIZES.get(item, 4)
        self._require_room(position, 4, path)
        length = _UINT32.unpack_from(self._data, position)[0]
        self._spend(position, 4 + length * size, path)
        if item in NUMBER_SIZES:
            return
        parent, name, _ = path or (None, "", None)
        for index in range(length):
            item_path = (parent, name, index)
            target = self.follow_offset(position + 4 + 4 * index, item_path)
            self.check_table(target, item, item_path)

    def _check_string(self, position: int, path: _Path) -> None:
        self._require_room(position, 4, path)
        length = _UINT32.unpack_from(self._data, position)[0]
        self._spend(position, 4 + length + 1, path)
        if self._data[position + 4 + length] != 0:
            self._fail(path, "is a string without a terminating zero")

    def follow_offset(self, position: int, path: _Path) -> int:
        """Return the position that the offset stored at ``position`` leads to."""
        self._require_room(position, 4, path)
        offset = _UINT32.unpack_from(self._data, position)[0]
        if offset == 0:
            self._fail(path, "has an offset of 0")
        return position + int(offset)

    def _spend(self, position: int, size: int, path: _Path) -> None:
        """Check that the file holds these bytes, and take them off what may be visited."""
        self._require_room(position, size, path)
        self._bytes_left -= size
        if self._bytes_left < 0:
            self._fail(path, f"is shared so much that objects exceed {MAX_REUSE} times the file")

    def _require_room(self, position: int, size: int, path: _Path) -> None:
        if position + size > len(self._data):
            self._fail(
                path,
                f"is cut short: it needs bytes {position} to {position + size - 1}, "
                f"but the file has {len(self._data)}",
            )

    def _members_of(self, union: str) -> dict[int, str]:
        if union not in self._union_members:
            values = vars(getattr(self._schema, union))
            self._union_members[union] = {
                value: name
                for name, value in values.items()
                if isinstance(value, int) and value != 0
            }
        return self._union_members[union]

    def _fail(self, path: _Path, problem: str) -> None:
        names = []
        while path is not None:
            parent, name, index = path
            names.append(name if index is None else f"{name}[{index}]")
            path = parent
        place = ".".join(["model", *reversed(names)])
        raise InvalidModelError(f"damaged TFLite file: {place} {problem}")
