"""The networks of the zoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .listing import Listing

if TYPE_CHECKING:
    from ort_sparse.zoo import ZooEntry

__all__ = ["zoo_data", "zoo_table"]


def zoo_data(entries: Sequence[ZooEntry]) -> list[dict[str, Any]]:
    """Return the networks as JSON-ready dictionaries."""
    return [
        {
            "name": entry.name,
            "family": entry.family,
            "sparsity": entry.sparsity,
            "published": entry.published and asdict(entry.published),
        }
        for entry in entries
    ]


def zoo_table(entries: Sequence[ZooEntry]) -> Listing:
    """Return a table of the networks; names are whole, so that they can be copied."""
    table = Listing(
        "name",
        "family",
        "zeros",
        "published\ntop-1",
        note="blocks",
        caption="zoo fetch takes those with a published top-1, zoo build takes all",
        left=("family",),
    )
    for entry in entries:
        top1 = f"{entry.published.top1:.1f} %" if entry.published else ""
        note = "" if entry.pattern == "unstructured" else entry.pattern
        table.add(entry.name, entry.family, f"{entry.sparsity:.0%}", top1, note=note)
    return table
