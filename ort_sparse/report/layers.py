"""Layers: which are or could be sparse, and which have zeros but stay dense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .listing import Listing
from .sizes import size_data
from .units import format_bytes, format_shape, kilobytes, millions

if TYPE_CHECKING:
    from ort_sparse.conversion import Conversion
    from ort_sparse.converters.passes import LayerReport, OtherLayer
    from ort_sparse.converters.stored import StoredItem

__all__ = ["inspection_data", "layer_data", "layer_table", "other_layer_table"]


def layer_data(layers: Sequence[LayerReport] | Sequence[OtherLayer]) -> list[dict[str, Any]]:
    """Return the layers as JSON-ready dictionaries."""
    return [asdict(layer) for layer in layers]


def inspection_data(
    conversion: Conversion, stored: tuple[Sequence[StoredItem], int]
) -> dict[str, Any]:
    """Return what ``inspect`` found, as a JSON-ready dictionary."""
    return {
        "layers": layer_data(conversion.layers),
        "times_of": conversion.machine,
        "other_layers": layer_data(conversion.other_layers),
        "size": size_data(*stored),
    }


def layer_table(layers: Sequence[LayerReport], *, machine: str) -> Listing:
    """Return a table of layers: shape, zeros, block, bytes and MACs before and after.

    Parameters
    ----------
    layers : sequence of LayerReport
    machine : str
        Whose times the reasons name.
    """
    timed = any(layer.dense_microseconds is not None for layer in layers)
    table = Listing(
        "layer",
        "shape",
        "zeros",
        "block",
        "kB\nbefore",
        "kB\nafter",
        "M MACs\nbefore",
        "M MACs\nafter",
        title="1x1 and fully connected layers",
        note="why",
        caption=f"times in us are those of {machine}" if timed else "",
    )
    for layer in layers:
        table.add(
            layer.name,
            format_shape(layer.shape),
            f"{layer.zeros:.1%}",
            str(layer.block_rows) if layer.block_rows else "dense",
            kilobytes(layer.bytes_before),
            kilobytes(layer.bytes_after),
            millions(layer.macs_before),
            millions(layer.macs_after),
            note=f"{layer.kind}: {layer.reason}",
        )
    known = [layer for layer in layers if layer.macs_before is not None]
    sparse = sum(layer.block_rows is not None for layer in layers)
    table.add_total(
        f"{len(layers)} layers, {sparse} sparse",
        "",
        "",
        "",
        kilobytes(sum(layer.bytes_before for layer in layers)),
        kilobytes(sum(layer.bytes_after for layer in layers)),
        millions(sum(layer.macs_before or 0 for layer in known)),
        millions(sum(layer.macs_after or 0 for layer in known)),
    )
    return table


def other_layer_table(layers: Sequence[OtherLayer]) -> Listing:
    """Return a table of layers that have many zeros and no sparse form."""
    table = Listing(
        "layer",
        "kind",
        "weights",
        "zeros",
        "size",
        title="Layers that stay dense",
        note="why",
        left=("kind",),
    )
    for layer in layers:
        table.add(
            layer.name,
            layer.kind,
            format_shape(layer.shape) or "?",
            "?" if layer.zeros is None else f"{layer.zeros:.1%}",
            format_bytes(layer.bytes) if layer.bytes else "?",
            note=layer.reason,
        )
    return table
