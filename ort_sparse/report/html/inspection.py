"""The page of a model: what it is, its layers, their zeros, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ort_sparse.bcsr import BlockCSR
from ort_sparse.op import read_layers
from ort_sparse.options import ConvertOptions
from ort_sparse.report.sizes import size_data
from ort_sparse.report.units import format_bytes, format_shape

from . import charts, facts, pictures
from .page import Origin, render
from .regions import Drawing, draw_graph, region_table
from .tables import Cell, Column, Row, Table, number, text

if TYPE_CHECKING:
    from ort_sparse.conversion import Conversion
    from ort_sparse.converters.passes import LayerReport, OtherLayer
    from ort_sparse.converters.stored import StoredItem
    from ort_sparse.regions import RegionsReport
    from ort_sparse.source import Source

__all__ = ["inspection_page"]


@dataclass(frozen=True)
class LayerPictures:
    """The zeros of a layer, for looking at."""

    layer: LayerReport
    anchor: str
    matrix: BlockCSR
    overview: pictures.Image
    detail: pictures.Image
    lengths: pictures.Lengths


def inspection_page(
    origin: Origin,
    source: Source,
    conversion: Conversion,
    stored: tuple[Sequence[StoredItem], int],
    *,
    min_sparsity: float,
    regions: RegionsReport | None = None,
) -> bytes:
    """Return the page of a model.

    Parameters
    ----------
    origin : Origin
    source : Source
        The model as it was read.
    conversion : Conversion
        What conversion with this ``min_sparsity`` would make of it.
    stored : (sequence of StoredItem, int)
        What takes the bytes of the file, and how many it has.
    min_sparsity : float
    regions : RegionsReport, optional
        What the execution provider claims of it.
    """
    matrices = _matrices(conversion, min_sparsity)
    anchors = {
        i: f"layer-{i}" for i, layer in enumerate(conversion.layers, 1) if layer.name in matrices
    }
    return render(
        "inspection.html",
        origin,
        facts=facts.file_facts(origin, source, conversion, stored[1]),
        tensors=facts.tensors(conversion.dense),
        operators=facts.operators(conversion.dense),
        metadata=facts.metadata(source),
        descriptions=facts.descriptions(source),
        summary=_summary(conversion.layers),
        charts=_charts(conversion.layers),
        machine=conversion.machine,
        layers=_layer_table(conversion.layers, anchors),
        others=_other_table(conversion.other_layers),
        pictures=[
            LayerPictures(
                layer,
                anchors[i],
                matrices[layer.name],
                pictures.overview(matrices[layer.name]),
                pictures.detail(matrices[layer.name]),
                pictures.row_lengths(matrices[layer.name]),
            )
            for i, layer in enumerate(conversion.layers, 1)
            if i in anchors
        ],
        min_sparsity=min_sparsity,
        kinds=_kind_table(stored),
        largest=_largest_table(stored),
        regions=regions,
        graphs=[] if regions is None else _graphs(regions),
    )


def _graphs(regions: RegionsReport) -> list[tuple[Drawing, Table]]:
    return [(draw_graph(graph), region_table(graph, regions.mode)) for graph in regions.graphs]


def _matrices(conversion: Conversion, min_sparsity: float) -> dict[str, BlockCSR]:
    """Return the weights of layers with enough zeros, also of those that are better left dense."""
    from ort_sparse.conversion import convert_and_report

    model = conversion.model
    if any(layer.zeros >= min_sparsity and not layer.is_sparse for layer in conversion.layers):
        options = ConvertOptions(layers="all", min_sparsity=min_sparsity, verify=False)
        model = convert_and_report(conversion.dense, options).model
    return {name: layer.weights for name, layer in read_layers(model).items()}


def _summary(layers: Sequence[LayerReport]) -> list[tuple[str, str, str]]:
    """Return the sums over all layers: of what, before and after."""
    sparse = sum(layer.is_sparse for layer in layers)
    macs = [(x.macs_before, x.macs_after) for x in layers if x.macs_before and x.macs_after]
    times = [pair for x in layers if None not in (pair := _times(x))]
    result = [
        (
            "sparse layers",
            str(sum(x.is_sparse and not x.replaced for x in layers)),
            f"{sparse} of {len(layers)}",
        ),
        (
            "weights of these layers",
            format_bytes(sum(layer.bytes_before for layer in layers)),
            format_bytes(sum(layer.bytes_after for layer in layers)),
        ),
    ]
    if macs:
        before, after = (sum(values) / 1e6 for values in zip(*macs, strict=True))
        result.append(("multiply-accumulates", f"{before:.1f} M", f"{after:.1f} M"))
    if times:
        before, after = (sum(v for v in values if v) / 1e3 for values in zip(*times, strict=True))
        result.append(("their predicted time", f"{before:.2f} ms", f"{after:.2f} ms"))
    return result


def _times(layer: LayerReport) -> tuple[float | None, float | None]:
    """Return the microseconds of a layer dense, and as it is afterwards."""
    after = layer.sparse_microseconds if layer.is_sparse else layer.dense_microseconds
    return layer.dense_microseconds, after


def _charts(layers: Sequence[LayerReport]) -> list[tuple[str, Any]]:
    """Return a chart of each quantity that is known of some layer, and its title."""
    times = [_times(layer) for layer in layers]
    quantities: list[tuple[str, str, charts.Values, charts.Values]] = [
        ("Time", "us", [t[0] for t in times], [t[1] for t in times]),
        (
            "Multiply-accumulates",
            "millions",
            [x.macs_before and x.macs_before / 1e6 for x in layers],
            [x.macs_after and x.macs_after / 1e6 for x in layers],
        ),
        (
            "Bytes of weights",
            "kB",
            [x.bytes_before / 1e3 for x in layers],
            [x.bytes_after / 1e3 for x in layers],
        ),
    ]
    return [
        (title, charts.layer_bars(before, after, name=title, unit=unit))
        for title, unit, before, after in quantities
        if any(before)
    ]


def _layer_table(layers: Sequence[LayerReport], anchors: dict[int, str]) -> Table:
    table = Table(
        "layers",
        [
            Column("no.", kind="number"),
            Column("layer", kind="name"),
            Column("operator"),
            Column("form"),
            Column("outputs x inputs", kind="number"),
            Column("zeros", kind="number"),
            Column("block rows", kind="number"),
            Column("kB before", kind="number"),
            Column("kB after", kind="number"),
            Column("M MACs before", kind="number"),
            Column("M MACs after", kind="number"),
            Column("us dense", kind="number"),
            Column("us sparse", kind="number"),
            Column("why", kind="text"),
        ],
    )
    for i, layer in enumerate(layers, 1):
        form = "sparse" if layer.is_sparse else "dense"
        rows, columns = layer.shape
        table.rows.append(
            Row(
                [
                    number(i),
                    text(layer.name),
                    text(layer.kind),
                    text(form),
                    Cell(format_shape(layer.shape), rows * columns),
                    number(layer.zeros, ".1%"),
                    number(layer.block_rows) if layer.block_rows else Cell("dense"),
                    number(layer.bytes_before, ".1f", scale=1e3),
                    number(layer.bytes_after, ".1f", scale=1e3),
                    number(layer.macs_before, ".2f", scale=1e6),
                    number(layer.macs_after, ".2f", scale=1e6),
                    number(layer.dense_microseconds, ".1f"),
                    number(layer.sparse_microseconds, ".1f"),
                    text(layer.reason),
                ],
                state=form,
                target=anchors.get(i, ""),
            )
        )
    return table


def _other_table(layers: Sequence[OtherLayer]) -> Table:
    table = Table(
        "other layers",
        [
            Column("layer", kind="name"),
            Column("operator"),
            Column("weights"),
            Column("zeros", kind="number"),
            Column("kB", kind="number"),
            Column("why", kind="text"),
        ],
    )
    for layer in layers:
        table.rows.append(
            Row(
                [
                    text(layer.name),
                    text(layer.kind),
                    text(format_shape(layer.shape) or "?"),
                    number(layer.zeros, ".1%"),
                    number(layer.bytes or None, ".1f", scale=1e3),
                    text(layer.reason),
                ],
                state=layer.kind,
            )
        )
    return table


def _kind_table(stored: tuple[Sequence[StoredItem], int]) -> Table:
    data = size_data(*stored)
    columns = [Column("what"), *(Column(name, kind="number") for name in ("count", "kB", "share"))]
    rows = [
        Row([text(row["kind"]), number(row["count"]), *_bytes(row["bytes"], data["bytes"])])
        for row in data["kinds"]
    ]
    return Table("kinds", columns, rows)


def _largest_table(stored: tuple[Sequence[StoredItem], int]) -> Table:
    data = size_data(*stored)
    columns = [
        Column("name", kind="name"),
        Column("what"),
        *(Column(n, kind="number") for n in ("kB", "share")),
    ]
    rows = [
        Row([text(row["name"]), text(row["kind"]), *_bytes(row["bytes"], data["bytes"])])
        for row in data["largest"]
    ]
    return Table("largest items", columns, rows)


def _bytes(size: int, total: int) -> tuple[Cell, Cell]:
    return number(size, ".1f", scale=1e3), number(size / total, ".1%")
