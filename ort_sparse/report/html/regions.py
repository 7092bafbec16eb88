"""The regions of a model as a picture of its graph: a line a node, beside it the values' ways.

Values run down the page in lanes, as branches do in histories of versions. A node stands in a lane;
lines lead to it from the values that it reads. Nodes that follow each other in one region are a
segment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ort_sparse.regions import Region, RegionGraph, RegionNode
from ort_sparse.report.regions import depth_first

from .tables import Column, Row, Table, number, text

__all__ = ["Drawing", "Line", "Segment", "draw_graph", "region_table"]

LANE, HEIGHT = 14, 26
"""Width of a lane and height of a node's line, in pixels of the page."""

MOST_LANES = 12
"""Lanes that are drawn; values farther to the right are left out."""

MOST_OPEN = 150
"""Nodes of a graph whose regions are shown unfolded."""


@dataclass(frozen=True)
class Line:
    """A node and the lines beside it.

    Parameters
    ----------
    node : RegionNode
    x : int or None
        Where the node stands; None if its lane is not drawn.
    paths : sequence of str
        SVG paths of the values that pass, arrive and leave.
    """

    node: RegionNode
    x: int | None
    paths: Sequence[str]


@dataclass(frozen=True)
class Segment:
    """Nodes that follow each other and are in one region, or in none.

    Parameters
    ----------
    region : Region or None
    lines : sequence of Line
    passing : sequence of int
        Where values run beside its heading.
    is_continued : bool
        Whether an earlier segment is of the same region.
    is_open : bool
    """

    region: Region | None
    lines: Sequence[Line]
    passing: Sequence[int]
    is_continued: bool
    is_open: bool

    @property
    def reasons(self) -> list[str]:
        """Why its nodes are in no region, each reason once."""
        return list(dict.fromkeys(line.node.reason for line in self.lines if line.node.reason))


@dataclass(frozen=True)
class Drawing:
    """A graph as segments, and how wide the picture beside them is, in pixels."""

    graph: RegionGraph
    segments: Sequence[Segment]
    width: int
    height: int = HEIGHT
    lanes_left_out: int = 0


def region_table(graph: RegionGraph, mode: str) -> Table:
    """Return a table of regions: what they cost in each way to run them, and why.

    Parameters
    ----------
    graph : RegionGraph
    mode : str
        Of the report: what is claimed where nothing speaks against it.
    """
    claimed = {
        "auto": "predicted to be the fastest way",
        "all": "ort_sparse.regions = all claims what it can",
    }
    table = Table(
        "regions",
        [
            Column("region"),
            Column("nodes", kind="number"),
            Column("as region, us", kind="number"),
            Column("dense, us", kind="number"),
            Column("custom ops, us", kind="number"),
            Column("reads", kind="name"),
            Column("gives", kind="name"),
            Column("why", kind="text"),
        ],
    )
    for region in graph.regions:
        state = "claimed" if region.claimed else "left"
        table.rows.append(
            Row(
                [
                    text(f"{region.id}, {state}"),
                    number(region.nodes),
                    number(region.cost.regions, ".1f"),
                    number(region.cost.dense, ".1f"),
                    number(region.cost.custom_ops, ".1f"),
                    text(", ".join(region.inputs)),
                    text(", ".join(region.outputs)),
                    text(region.reason or f"{claimed.get(mode, '')}; {depth_first(region)}"),
                ],
                state=state,
            )
        )
    return table


def draw_graph(graph: RegionGraph) -> Drawing:
    """Lay out the nodes of a graph, which are in the order in which they run."""
    lines = list(_lines(graph))
    regions = {region.id: region for region in graph.regions}
    most = max((count for _, _, count in lines), default=1)
    segments: list[Segment] = []
    seen: set[int | None] = {None}
    start = 0
    for end in range(1, len(lines) + 1):
        region = lines[start][0].node.region
        if end < len(lines) and lines[end][0].node.region == region:
            continue
        segments.append(
            Segment(
                region=None if region is None else regions[region],
                lines=[line for line, _, _ in lines[start:end]],
                passing=lines[start][1],
                is_continued=region is not None and region in seen,
                is_open=region is None or len(lines) <= MOST_OPEN,
            )
        )
        seen.add(region)
        start = end
    return Drawing(
        graph,
        segments,
        width=LANE * (min(most, MOST_LANES) + 1),
        lanes_left_out=max(0, most - MOST_LANES),
    )


def _lines(graph: RegionGraph) -> Iterator[tuple[Line, list[int], int]]:
    """Yield the line of each node, where values come in from above, and the lanes in use."""
    last_use = {
        value: place for place, node in enumerate(graph.nodes) for value in node.inputs if value
    }
    lanes: list[str | None] = []  # the value in each lane, named by its node's first output
    names: dict[str, int] = {}  # lane of each value that is alive
    for place, node in enumerate(graph.nodes):
        read = [names[value] for value in dict.fromkeys(node.inputs) if value in names]
        above = [lane for lane, value in enumerate(lanes) if value is not None]
        for value in dict.fromkeys(node.inputs):
            if value in names and last_use[value] == place:
                _leave(value, names, lanes)
        still = [lane for lane, value in enumerate(lanes) if value is not None]
        lane = next((lane for lane in sorted(read) if lane not in still), None)
        if lane is None:
            lane = next((i for i, value in enumerate(lanes) if value is None), len(lanes))
        alive = [value for value in node.outputs if last_use.get(value, -1) > place]
        if lane == len(lanes):
            lanes.append(None)
        if alive:
            lanes[lane] = alive[0]
            names |= dict.fromkeys(alive, lane)
        count = len(lanes)
        paths = [f"M{_x(i)} 0V{HEIGHT}" for i in still if i < MOST_LANES]
        if lane < MOST_LANES:
            paths += [_arrival(i, lane) for i in dict.fromkeys(read) if i < MOST_LANES]
            if alive:
                paths.append(f"M{_x(lane)} {HEIGHT // 2}V{HEIGHT}")
        passing = [_x(i) for i in above if i < MOST_LANES]
        yield Line(node, _x(lane) if lane < MOST_LANES else None, paths), passing, count
        while lanes and lanes[-1] is None:
            lanes.pop()


def _leave(value: str, names: dict[str, int], lanes: list[str | None]) -> None:
    """Free the lane of a value that nobody reads any more, unless another of its node is read."""
    lane = names.pop(value)
    others = [name for name, taken in names.items() if taken == lane]
    lanes[lane] = others[0] if others else None


def _arrival(start: int, end: int) -> str:
    middle = HEIGHT // 2
    if start == end:
        return f"M{_x(start)} 0V{middle}"
    return f"M{_x(start)} 0C{_x(start)} {middle} {_x(end)} 0 {_x(end)} {middle}"


def _x(lane: int) -> int:
    return LANE * (lane + 1)
