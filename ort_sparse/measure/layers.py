"""Times of single layers inside their network, dense and sparse, by ONNX Runtime's profiler.

In the network a layer meets the caches as its neighbours leave them, and its dense form runs in
the layout and with the fusions that ONNX Runtime chooses there. A layer on its own would meet
neither: a lone Conv would be charged for two changes of layout that its network may not need.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ort_sparse.dependencies import import_onnxruntime
from ort_sparse.op import DOMAIN, INPUTS, SparseConv1x1, read_layers
from ort_sparse.runtime import session

from .latency import Engine, Feeds, interleave

__all__ = [
    "LayerTime",
    "LayerTimes",
    "NodeTime",
    "profile",
    "time_layers",
    "total_microseconds",
]

REORDERS = ("ReorderInput", "ReorderOutput")
"""Operators that ONNX Runtime adds where neighbours want different layouts."""

_KERNEL = "_kernel_time"


@dataclass(frozen=True)
class NodeTime:
    """A node of the graph that ONNX Runtime ran, after its optimizations."""

    name: str
    op_type: str
    output_shape: tuple[int, ...]
    microseconds: float


@dataclass(frozen=True)
class LayerTime:
    """A SparseConv1x1 node, and the same layer in dense form.

    Parameters
    ----------
    name : str
    shape : (int, int)
        Output channels and input channels.
    pixels : int
        Output positions of the whole batch.
    zeros : float
        Share of zeros in the weights.
    nonzeros : int
    block_rows : int
    activation : str
    residual : bool
    microseconds : float
        Mean of the middle half of the runs.
    dense_microseconds : float or None
        The same for the nodes that the dense model has in its place; None where they cannot be
        told apart. Changes of layout are not among them.
    """

    name: str
    shape: tuple[int, int]
    pixels: int
    zeros: float
    nonzeros: int
    block_rows: int
    activation: str
    residual: bool
    microseconds: float
    dense_microseconds: float | None

    @property
    def gflops(self) -> float:
        """Billions of multiplications and additions on nonzeros per second."""
        return 2e-3 * self.nonzeros * self.pixels / self.microseconds

    @property
    def ratio(self) -> float | None:
        """How many times faster the sparse form is."""
        return self.dense_microseconds and self.dense_microseconds / self.microseconds


@dataclass(frozen=True)
class LayerTimes:
    """The layers of a network, and what else its sessions spend time on.

    Parameters
    ----------
    layers : tuple of LayerTime
    reorders, others : dict of {"dense", "sparse"} to list of NodeTime
        Changes of layout, and all other nodes that are none of the layers.
    """

    layers: tuple[LayerTime, ...]
    reorders: dict[str, list[NodeTime]]
    others: dict[str, list[NodeTime]]


def profile(
    models: Mapping[str, onnx.ModelProto], feeds: Feeds, *, threads: int, runs: int
) -> dict[str, list[NodeTime]]:
    """Time every node of some models that take the same inputs, interleaved.

    What the profiler itself adds, one or two microseconds, is measured with a node that does
    nothing, and subtracted.

    Returns
    -------
    dict of str to list of NodeTime
        The nodes of each model, in the order in which they ran.
    """
    with tempfile.TemporaryDirectory() as folder:
        sessions = {
            name: _profiled_session(model, Path(folder, str(i)), threads)
            for i, (name, model) in enumerate(models.items())
        }
        idle = _profiled_session(_idle_model(), Path(folder, "idle"), threads)
        engines: dict[str, Engine] = {
            name: partial(runner.run, None, dict(feeds)) for name, runner in sessions.items()
        }
        engines["idle"] = partial(idle.run, None, {"x": np.zeros((1, 8), np.float32)})
        interleave(engines, runs=runs)
        (overhead,) = _read_profile(idle.end_profiling())
        times = {name: _read_profile(runner.end_profiling()) for name, runner in sessions.items()}
    return {name: _without(overhead.microseconds, nodes) for name, nodes in times.items()}


def time_layers(
    dense: onnx.ModelProto,
    sparse: onnx.ModelProto,
    feeds: Feeds,
    *,
    threads: int,
    runs: int,
) -> LayerTimes:
    """Time the SparseConv1x1 nodes of a model and what its dense form has in their place."""
    dense, sparse = _with_node_names(dense), _with_node_names(sparse)
    times = profile({"dense": dense, "sparse": sparse}, feeds, threads=threads, runs=runs)
    nodes = {node.name: node for node in sparse.graph.node if node.domain == DOMAIN}
    owners = _dense_owners(dense, nodes.values())
    dense_times: dict[str, float] = {}
    rest: dict[str, list[NodeTime]] = {"dense": [], "sparse": []}
    for time in times["dense"]:
        layer = None if time.op_type in REORDERS else _owner(time.name, owners)
        if layer is None:
            rest["dense"].append(time)
        else:
            dense_times[layer] = dense_times.get(layer, 0.0) + time.microseconds
    ops = read_layers(sparse)
    layers = []
    for time in times["sparse"]:
        if time.name in nodes:
            layers.append(_layer_time(nodes[time.name], ops[time.name], time, dense_times))
        else:
            rest["sparse"].append(time)
    return LayerTimes(
        layers=tuple(layers),
        reorders={k: [t for t in v if t.op_type in REORDERS] for k, v in rest.items()},
        others={k: [t for t in v if t.op_type not in REORDERS] for k, v in rest.items()},
    )


def total_microseconds(nodes: Iterable[NodeTime]) -> float:
    """Return what these nodes take together."""
    return sum(node.microseconds for node in nodes)


def _profiled_session(model: onnx.ModelProto, prefix: Path, threads: int) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_profiling = True
    options.profile_file_prefix = str(prefix)
    return session(model, options, regions="off")


def _idle_model() -> onnx.ModelProto:
    """Return a model of one node that only renames its input."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "shape"], ["y"], name="idle")],
        "idle",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (8, 1))],
        [numpy_helper.from_array(np.array([8, 1]), "shape")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _read_profile(path: str) -> list[NodeTime]:
    durations: dict[str, list[float]] = {}
    events: dict[str, dict[str, Any]] = {}
    for event in json.loads(Path(path).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith(_KERNEL):
            key = event["args"]["node_index"]
            durations.setdefault(key, []).append(event["dur"])
            events[key] = event
    return [
        NodeTime(
            name=events[key]["name"].removesuffix(_KERNEL),
            op_type=events[key]["args"]["op_name"],
            output_shape=_first_shape(events[key]["args"].get("output_type_shape", ())),
            microseconds=_middle_mean(taken),
        )
        for key, taken in durations.items()
    ]


def _first_shape(shapes: Sequence[Mapping[str, Sequence[int]]]) -> tuple[int, ...]:
    return tuple(size for shape in shapes[:1] for sizes in shape.values() for size in sizes)


def _middle_mean(values: Sequence[float]) -> float:
    """Return the mean of the middle half; of whole microseconds it is finer than the median."""
    ordered, quarter = sorted(values), len(values) // 4
    return float(np.mean(ordered[quarter : len(ordered) - quarter]))


def _without(overhead: float, nodes: Iterable[NodeTime]) -> list[NodeTime]:
    """Subtract the profiler's overhead; what lasts less than it shows counts as 0.1 us."""
    return [
        NodeTime(n.name, n.op_type, n.output_shape, max(0.1, n.microseconds - overhead))
        for n in nodes
    ]


def _with_node_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which each node has a name of its own."""
    named = onnx.ModelProto()
    named.CopyFrom(model)
    seen: set[str] = set()
    for number, node in enumerate(named.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.name or node.op_type}#{number}"
        seen.add(node.name)
    return named


def _dense_owners(
    dense: onnx.ModelProto, sparse_nodes: Iterable[onnx.NodeProto]
) -> dict[str, str | None]:
    """Return, for each node and value name of the dense model, the sparse node that covers it.

    A sparse node covers what lies between its inputs and its output, which have the same names in
    both models.
    """
    producers = {value: node for node in dense.graph.node for value in node.output}
    owners: dict[str, str | None] = dict.fromkeys(producers)
    owners |= dict.fromkeys(node.name for node in dense.graph.node)
    values = producers.keys() | {value.name for value in dense.graph.input}
    for sparse_node in sparse_nodes:
        ends = {name for name in _activations(sparse_node) if name}
        pending = [sparse_node.output[0]]
        if not ends <= values or pending[0] not in producers:
            continue
        while pending:
            value = pending.pop()
            if value in producers and value not in ends:
                node = producers[value]
                owners[node.name] = owners[value] = sparse_node.name
                pending += node.input
    return owners


def _activations(node: onnx.NodeProto) -> list[str]:
    """Return the inputs of a SparseConv1x1 node that are no constants."""
    residual = INPUTS.index("residual")
    return [node.input[0], *node.input[residual : residual + 1]]


def _owner(profiled: str, owners: Mapping[str, str | None]) -> str | None:
    """Find the layer of a profiled node.

    ONNX Runtime names a node that it fused or moved to another layout after one of the nodes or
    values it came from, with a suffix.
    """
    profiled = profiled.removeprefix("fused ")
    origins = (profiled[:end] for end in range(len(profiled), 0, -1))
    return next((owners[origin] for origin in origins if origin in owners), None)


def _layer_time(
    node: onnx.NodeProto, op: SparseConv1x1, time: NodeTime, dense_times: Mapping[str, float]
) -> LayerTime:
    shape = time.output_shape
    return LayerTime(
        name=node.name,
        shape=op.weights.shape,
        pixels=int(np.prod(shape)) // op.weights.shape[0],
        zeros=1 - op.weights.density,
        nonzeros=op.weights.nnz,
        block_rows=op.weights.block_rows,
        activation=op.activation.name,
        residual=any(_activations(node)[1:]),
        microseconds=time.microseconds,
        dense_microseconds=dense_times.get(node.name),
    )
