"""Models, reports on regions and pages for the tests of pages."""

from __future__ import annotations

import json

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ort_sparse.conversion import convert_and_report
from ort_sparse.measure.latency import summarise
from ort_sparse.measure.layers import LayerTime, LayerTimes
from ort_sparse.measure.network import Benchmark
from ort_sparse.options import ConvertOptions
from ort_sparse.regions import parse_regions
from ort_sparse.report.html.benchmark import benchmark_page
from ort_sparse.report.html.inspection import inspection_page
from ort_sparse.report.html.page import Origin
from ort_sparse.source import read_source
from ort_sparse.stored import stored_items

HOSTILE = (
    "<script>window.owned = 1</script>",
    "<img src=x onerror='window.owned = 2'>",
    '"><svg onload="window.owned = 3">',
    "</style><script>window.owned = 4</script>",
    "</title></script><!-- ]]> {{ 7 * 7 }} {% raw %} $x^2$",
    "' onmouseover='window.owned = 5' x='",
    "javascript:window.owned = 6",
    "\u202egpj.exe \x1b[2J\x00\r\n&lt;b&gt;&#60;",
    "n" * 5000,
)
"""Names that would do something if they were more than text, or hide what they are."""


def chain(layers, *, channels=32, zeros=0.8, names=(), fixed=False):
    """Return a model of 1x1 convolutions, each with a Relu; names are taken in turn."""
    rng = np.random.default_rng(0)
    nodes, weights, x = [], [], "x"
    for i in range(layers):
        name = f"{names[i % len(names)]}{i}" if names else f"block{i // 3}/conv{i}"
        block = (1, 2, 4)[i % 3]
        full = rng.random((channels // block, channels)) >= zeros
        matrix = full.repeat(block, 0) * rng.standard_normal((channels, channels))
        array = matrix.astype(np.float32).reshape(channels, channels, 1, 1)
        weights.append(numpy_helper.from_array(array, f"{name}.w"))
        nodes.append(helper.make_node("Conv", [x, f"{name}.w"], [f"{name}.c"], name=name))
        nodes.append(helper.make_node("Relu", [f"{name}.c"], [f"{name}.y"], name=f"{name}.relu"))
        x = f"{name}.y"
    shape = [1 if fixed else "n", channels, 14, 14]
    graph = helper.make_graph(
        nodes,
        names[0] if names else "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, shape)],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names:
        model.doc_string = "\n".join(names)
        model.producer_name = names[0]
        for name in names:
            model.metadata_props.add(key=name, value=name)
    return model


def inspect_page(path, model, *, regions=None):
    """Save a model and return its page."""
    onnx.save(model, path)
    source = read_source(path)
    conversion = convert_and_report(source.onnx, ConvertOptions(verify=False))
    origin = Origin(path, f"ort-sparse inspect {path.name}")
    return inspection_page(
        origin, source, conversion, stored_items(source), min_sparsity=0.5, regions=regions
    )


def regions_report(names=()):
    """Return a report on a network with a shortcut and two regions, one of them not claimed."""
    spell = [*names, *"abcdefghij"][:10]

    def node(i, op, inputs, region=None, reason=""):
        return {
            "name": spell[i],
            "op": op,
            "domain": "",
            "region": region,
            "reason": reason,
            "inputs": [spell[j] + ".y" if j >= 0 else "x" for j in inputs],
            "outputs": [spell[i] + ".y"],
        }

    def op(i, kind):
        shape = [1, 32, 112, 112]
        counts = {"weights": 9, "stored": 9, "multiply_adds": 9}
        return {
            "kind": kind,
            "nodes": [spell[i]],
            "input": shape,
            "output": shape,
            "kernel": None,
            **counts,
        }

    def region(i, claimed, reason, nodes, cost, steps=None):
        return {
            "id": i,
            "claimed": claimed,
            "reason": reason,
            "nodes": nodes,
            "inputs": [spell[0]],
            "outputs": [spell[1]],
            "cost": dict(zip(("regions", "dense", "custom_ops"), cost, strict=True)),
            "steps": steps,
        }

    why = names[0] if names else "predicted 9.0 us as region, 8.0 us dense"
    nodes = [
        node(0, "Conv", [-1], reason=why if names else "stride 3 of a 7x7 kernel"),
        node(1, "Conv", [0], 0),
        node(2, "Relu", [1], 0),
        node(3, "Conv", [2], 0),
        node(4, "Add", [3, 0], 0),
        node(5, "LayerNormalization", [4], reason=why if names else "no such operator"),
        node(6, "Conv", [5], 1),
        node(7, "Relu", [6], 1),
        node(8, "Softmax", [7], reason=why if names else "its input is no plane"),
    ]
    rolled = [op(1, "pointwise"), op(3, "depthwise convolution")]
    steps = [
        {"kind": "chain", "tasks": 16, "ring_bytes": 4096, "ops": rolled},
        {"kind": "rows", "tasks": 1, "ring_bytes": None, "ops": [op(4, "binary")]},
    ]
    regions = [
        region(0, True, "", 4, (120.5, 310.25, 180.0), steps),
        region(1, False, why, 2, (9.0, 8.0, None)),
    ]
    graph = {"name": spell[9], "nodes": nodes, "regions": regions}
    data = {"format": 1, "mode": "auto", "runtime": "1.23.1", "isa": "avx2", "graphs": [graph]}
    return parse_regions(json.dumps(data))


def bench_page(path, *, names=("layer",)):
    """Return the page of invented measurements: 1 and 2 threads, batch 1 and 4."""
    rng = np.random.default_rng(0)
    results = []
    for batch in (1, 4):
        for threads in (1, 2):
            scale = batch / threads
            times = {
                engine: (scale * (median + rng.exponential(0.2, 80))).tolist()
                for engine, median in (("dense", 5.0), ("sparse", 2.0))
            }
            layers = tuple(
                LayerTime(name, (64, 32), 784, 0.9, 205, 1, "clip", False, 10.0 + i, 31.0 - i)
                for i, name in enumerate(names)
            )
            nothing = {"dense": [], "sparse": []}
            results.append(
                Benchmark(
                    threads=threads,
                    batch=batch,
                    isa="avx2",
                    fma_peak=100.0,
                    dense=summarise(times["dense"]),
                    sparse=summarise(times["sparse"]),
                    error=1e-6,
                    times=times,
                    layers=LayerTimes(layers, nothing, nothing) if threads == 1 else None,
                )
            )
    return benchmark_page(Origin(path, f"ort-sparse bench {path.name}"), results)
