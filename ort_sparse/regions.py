"""What the execution provider claimed of a model: the report that a session writes, read.

The session configuration entry ``ort_sparse.regions_report`` names the file that session creation
writes. Nothing here knows the native library or ONNX Runtime.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from .errors import InvalidArgumentError
from .json_fields import Fields, parse_fields, read_text
from .region_steps import Step, read_step

__all__ = [
    "FORMAT",
    "Region",
    "RegionCost",
    "RegionGraph",
    "RegionNode",
    "RegionsReport",
    "parse_regions",
    "read_regions",
]

FORMAT = 1
"""Version of the report's form that is understood."""


@dataclass(frozen=True)
class RegionCost:
    """Predicted microseconds of a region's nodes in each way to run them; None where unknown."""

    regions: float | None
    dense: float | None
    custom_ops: float | None


@dataclass(frozen=True)
class Region:
    """Nodes that belong together, claimed by the provider or left to ONNX Runtime.

    Parameters
    ----------
    id : int
    claimed : bool
    reason : str
        Why it was left; it may be empty where it was claimed.
    nodes : int
        How many it has.
    inputs, outputs : tuple of str
        Names of the values at its borders.
    cost : RegionCost
    steps : tuple of Step or None
        What a run does; None where it was left, or the shapes are only known in a run.
    """

    id: int
    claimed: bool
    reason: str
    nodes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cost: RegionCost
    steps: tuple[Step, ...] | None = None

    @property
    def chains(self) -> tuple[Step, ...] | None:
        """Steps that compute several layers depth first."""
        return (
            None
            if self.steps is None
            else tuple(step for step in self.steps if step.ring_bytes is not None)
        )


@dataclass(frozen=True)
class RegionNode:
    """A node of the graph as the provider saw it.

    Parameters
    ----------
    name, op, domain : str
    region : int or None
        Which region it is in; None where it is in none.
    reason : str
        Why it is in none; empty otherwise.
    inputs, outputs : tuple of str
        Names of its values; an optional input that is left out is an empty name.
    """

    name: str
    op: str
    domain: str
    region: int | None
    reason: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class RegionGraph:
    """A graph, the model's own or a subgraph, with its nodes in the order in which they run."""

    name: str
    nodes: tuple[RegionNode, ...]
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class RegionsReport:
    """What was claimed of a model, by which mode, runtime and instruction set.

    Parameters
    ----------
    mode, runtime, isa : str
    graphs : tuple of RegionGraph
    l2_bytes : int or None
        A core's L2 cache, which the rings of chains shall stay in.
    """

    mode: str
    runtime: str
    isa: str
    graphs: tuple[RegionGraph, ...]
    l2_bytes: int | None = None

    @property
    def claimed(self) -> int:
        """Number of regions that run in the provider."""
        return sum(region.claimed for graph in self.graphs for region in graph.regions)

    @property
    def claimed_nodes(self) -> int:
        """Number of nodes of those regions."""
        return sum(r.nodes for graph in self.graphs for r in graph.regions if r.claimed)


def read_regions(path: str | os.PathLike[str]) -> RegionsReport:
    """Read the report that a session wrote.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, or it is no report of this form.
    """
    return parse_regions(read_text(path), name=os.fspath(path))


def parse_regions(text: str, *, name: str = "the report on regions") -> RegionsReport:
    """Return what the JSON text of a report says.

    Parameters
    ----------
    text : str
    name : str
        What messages call it.

    Raises
    ------
    InvalidArgumentError
        If it is no report of this form.
    """
    report = parse_fields(text, name=name, version=FORMAT)
    return RegionsReport(
        mode=report.take("mode", str),
        runtime=report.take("runtime", str),
        isa=report.take("isa", str),
        graphs=report.each("graphs", _graph),
        l2_bytes=report.optional("l2_bytes", int),
    )


def _graph(fields: Fields) -> RegionGraph:
    graph = RegionGraph(
        name=fields.take("name", str),
        nodes=fields.each("nodes", _node),
        regions=fields.each("regions", _region),
    )
    known = {region.id for region in graph.regions}
    for node in graph.nodes:
        if node.region is not None and node.region not in known:
            raise InvalidArgumentError(
                f"{fields.place}: node {node.name!r:.60} must be in a region of the list, "
                f"but is in {node.region}"
            )
    return graph


def _node(fields: Fields) -> RegionNode:
    return RegionNode(
        name=fields.take("name", str),
        op=fields.take("op", str),
        domain=fields.take("domain", str),
        region=fields.take("region", int, type(None)),
        reason=fields.take("reason", str),
        inputs=fields.names("inputs"),
        outputs=fields.names("outputs"),
    )


def _region(fields: Fields) -> Region:
    cost = fields.inside("cost")
    number = (int, float, type(None))
    return Region(
        id=fields.take("id", int),
        claimed=fields.take("claimed", bool),
        reason=fields.take("reason", str),
        nodes=fields.take("nodes", int),
        inputs=fields.names("inputs"),
        outputs=fields.names("outputs"),
        cost=RegionCost(
            regions=cost.take("regions", *number),
            dense=cost.take("dense", *number),
            custom_ops=cost.take("custom_ops", *number),
        ),
        steps=None if fields.optional("steps", list) is None else fields.each("steps", read_step),
    )
