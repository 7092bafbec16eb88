"""Where the bytes of a model file are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .listing import Listing
from .units import format_bytes

if TYPE_CHECKING:
    from ort_sparse.converters.stored import StoredItem

__all__ = ["size_data", "size_tables"]

LARGEST = 10
"""How many of the largest items of a file are listed."""


def size_data(items: Sequence[StoredItem], total: int) -> dict[str, Any]:
    """Return where the bytes of a file are, as a JSON-ready dictionary.

    Parameters
    ----------
    items : sequence of StoredItem
    total : int
        Bytes of the file; what is in none of the items is the graph.
    """
    kinds: dict[str, list[int]] = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item.bytes)
    kinds["graph"] = [total - sum(item.bytes for item in items)]
    summary = [
        {"kind": kind, "count": len(sizes), "bytes": sum(sizes)} for kind, sizes in kinds.items()
    ]
    return {
        "bytes": total,
        "kinds": sorted(summary, key=lambda row: row["bytes"], reverse=True),
        "largest": [
            asdict(item)
            for item in sorted(items, key=lambda item: item.bytes, reverse=True)[:LARGEST]
        ],
    }


def size_tables(items: Sequence[StoredItem], total: int) -> list[Listing]:
    """Return tables of where the bytes of a file are: by kind, and the largest items."""
    data = size_data(items, total)
    kinds = Listing("what", "count", "size", "share", title=f"{format_bytes(total)} in all")
    largest = Listing("largest", "what", "size", "share", left=("what",))
    for row in data["kinds"]:
        size = row["bytes"]
        kinds.add(row["kind"], str(row["count"]), format_bytes(size), f"{size / total:.1%}")
    for row in data["largest"]:
        size = row["bytes"]
        largest.add(row["name"], row["kind"], format_bytes(size), f"{size / total:.1%}")
    return [kinds, largest]
