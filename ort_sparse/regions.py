"""What the execution provider claimed of a model: the report that a session writes, read.

The session configuration entry ``ort_sparse.regions_report`` names the file that session creation
writes. Nothing here knows the native library or ONNX Runtime.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import InvalidArgumentError

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

Made = TypeVar("Made")


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
    """

    id: int
    claimed: bool
    reason: str
    nodes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cost: RegionCost


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
    """What was claimed of a model, by which mode, runtime and instruction set."""

    mode: str
    runtime: str
    isa: str
    graphs: tuple[RegionGraph, ...]

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
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no text"
        raise InvalidArgumentError(f"{path}: cannot be read: {reason}") from error
    return parse_regions(text, name=os.fspath(path))


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
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgumentError(f"{name}: must be JSON, but is not: {error}") from error
    report = _Fields(name, data)
    version = report.take("format", int)
    if version != FORMAT:
        raise InvalidArgumentError(f"{name}: format must be {FORMAT}, but is {version}")
    return RegionsReport(
        mode=report.take("mode", str),
        runtime=report.take("runtime", str),
        isa=report.take("isa", str),
        graphs=report.each("graphs", _graph),
    )


class _Fields:
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

    def each(self, key: str, make: Callable[[_Fields], Made]) -> tuple[Made, ...]:
        """Return what ``make`` makes of each object of a list."""
        items = self.take(key, list)
        return tuple(
            make(_Fields(f"{self.place}: {key}[{i}]", item)) for i, item in enumerate(items)
        )

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        items = self.take(key, list)
        if not all(isinstance(item, str) for item in items):
            raise InvalidArgumentError(f"{self.place}: {key} must be names, but is {items!r:.60}")
        return tuple(items)


def _graph(fields: _Fields) -> RegionGraph:
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


def _node(fields: _Fields) -> RegionNode:
    return RegionNode(
        name=fields.take("name", str),
        op=fields.take("op", str),
        domain=fields.take("domain", str),
        region=fields.take("region", int, type(None)),
        reason=fields.take("reason", str),
        inputs=fields.names("inputs"),
        outputs=fields.names("outputs"),
    )


def _region(fields: _Fields) -> Region:
    cost = _Fields(f"{fields.place}: cost", fields.take("cost", dict))
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
    )
