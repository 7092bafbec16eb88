"""Regions: what was claimed, what it is predicted to take, and why the rest was left."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .listing import Listing, cut_in_the_middle
from .units import kilobytes

if TYPE_CHECKING:
    from ort_sparse.regions import Region, RegionGraph, RegionNode, RegionsReport

__all__ = ["depth_first", "region_data", "region_tables"]

MAX_OPERATORS = 6
"""Operators of a region that a line names, the most frequent first."""


MAX_NAME = 40
"""Cells of a node's name where a line has two of them."""


def region_data(report: RegionsReport) -> dict[str, Any]:
    """Return a report as a JSON-ready dictionary, in the form that a session writes."""
    return asdict(report)


def region_tables(report: RegionsReport) -> list[Listing]:
    """Return tables of each graph: its regions, their chains, and the nodes that are in none."""
    tables = []
    for graph in report.graphs:
        tables.append(_region_table(report, graph))
        if any(region.chains for region in graph.regions):
            tables.append(_chain_table(report, graph))
        if any(node.region is None for node in graph.nodes):
            tables.append(_left_table(graph))
    return tables


def _region_table(report: RegionsReport, graph: RegionGraph) -> Listing:
    claimed = sum(region.nodes for region in graph.regions if region.claimed)
    table = Listing(
        "region",
        "nodes",
        "us as\nregion",
        "us\ndense",
        "us custom\nops",
        "",
        title=(
            f"Regions of {graph.name or 'the graph'}: {claimed} of {len(graph.nodes)} nodes "
            f"claimed ({report.mode}; {report.isa}, onnxruntime {report.runtime})"
        ),
        note="what it has",
        caption=_caption(graph),
        left=("",),
    )
    nodes: dict[int | None, list[RegionNode]] = {}
    for node in graph.nodes:
        nodes.setdefault(node.region, []).append(node)
    for region in graph.regions:
        table.add(
            str(region.id),
            str(region.nodes),
            _microseconds(region.cost.regions),
            _microseconds(region.cost.dense),
            _microseconds(region.cost.custom_ops),
            "claimed" if region.claimed else "left",
            note=_contents(region, nodes[region.id]),
        )
    return table


def _caption(graph: RegionGraph) -> str:
    """Say what the figures are, and of which regions there are no chains to show."""
    said = ["us are predicted, for one run on one thread"] if graph.regions else []
    without: dict[str, list[str]] = {}
    for region in graph.regions:
        if region.claimed and not region.chains:
            without.setdefault(depth_first(region), []).append(str(region.id))
    said += [
        f"region{'s' if len(ids) > 1 else ''} {', '.join(ids)}: {what}"
        for what, ids in without.items()
    ]
    return "; ".join(said)


def depth_first(region: Region) -> str:
    """Say how many layers a claimed region computes depth first."""
    if region.chains is None:
        return "shapes are only known in a run, and so is what runs depth first"
    if not region.chains:
        return "no layers run depth first"
    counts = ", ".join(str(len(chain.ops)) for chain in region.chains)
    return f"chains of {counts} layers run depth first"


def _chain_table(report: RegionsReport, graph: RegionGraph) -> Listing:
    table = Listing(
        "chain",
        "layers",
        "kB of\nrings",
        title="Layers that are computed depth first, a few lines of each at a time",
        note="what it has",
        caption=(
            "rings take the place of planes between layers; they are for one task at a time"
            + (
                ""
                if report.l2_bytes is None
                else f", in {kilobytes(report.l2_bytes)} kB of L2 cache"
            )
        ),
    )
    for region in graph.regions:
        for number, chain in enumerate(region.chains or ()):
            kinds = ", ".join(op.title for op in chain.ops)
            first, last = (cut_in_the_middle(chain.nodes[i], MAX_NAME) for i in (0, -1))
            table.add(
                f"{region.id}.{number}",
                str(len(chain.ops)),
                kilobytes(chain.ring_bytes or 0),
                note=f"{kinds}; from {first} to {last}",
            )
    return table


def _left_table(graph: RegionGraph) -> Listing:
    table = Listing("node", "operator", title="Nodes in no region", note="why", left=("operator",))
    for node in graph.nodes:
        if node.region is None:
            operator = f"{node.domain}.{node.op}" if node.domain else node.op
            table.add(_name(node), operator, note=node.reason)
    return table


def _contents(region: Region, nodes: list[RegionNode]) -> str:
    """Say what a region is made of, and why it was left if it was."""
    counts: dict[str, int] = {}
    for node in nodes:
        counts[node.op] = counts.get(node.op, 0) + 1
    common = sorted(counts.items(), key=lambda item: -item[1])
    named = [f"{count} {op}" for op, count in common[:MAX_OPERATORS]]
    if len(common) > MAX_OPERATORS:
        named.append(f"{sum(count for _, count in common[MAX_OPERATORS:])} others")
    first, last = (cut_in_the_middle(_name(node), MAX_NAME) for node in (nodes[0], nodes[-1]))
    text = f"{', '.join(named)}; from {first} to {last}"
    return text if region.claimed else f"{region.reason}: {text}"


def _name(node: RegionNode) -> str:
    return node.name or next(filter(None, node.outputs), "")


def _microseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
