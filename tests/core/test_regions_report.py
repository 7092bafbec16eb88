"""Reading the report of what the execution provider claimed."""

from __future__ import annotations

import copy
import json

import pytest

from ort_sparse.errors import InvalidArgumentError
from ort_sparse.regions import RegionCost, parse_regions, read_regions

REPORT = {
    "format": 1,
    "mode": "auto",
    "runtime": "1.23.1",
    "isa": "avx2",
    "graphs": [
        {
            "name": "g",
            "nodes": [
                {
                    "name": "stem",
                    "op": "Conv",
                    "domain": "",
                    "region": None,
                    "reason": "group 3",
                    "inputs": ["x", "w", ""],
                    "outputs": ["a"],
                },
                {
                    "name": "layer",
                    "op": "SparseConv1x1",
                    "domain": "ort_sparse",
                    "region": 0,
                    "reason": "",
                    "inputs": ["a"],
                    "outputs": ["b"],
                },
            ],
            "regions": [
                {
                    "id": 0,
                    "claimed": True,
                    "reason": "",
                    "nodes": 1,
                    "inputs": ["a"],
                    "outputs": ["b"],
                    "cost": {"regions": 10, "dense": 20.5, "custom_ops": None},
                }
            ],
        }
    ],
}


def test_everything_is_read(tmp_path):
    path = tmp_path / "regions.json"
    path.write_text(json.dumps(REPORT))
    report = read_regions(path)
    assert (report.mode, report.runtime, report.isa) == ("auto", "1.23.1", "avx2")
    (graph,) = report.graphs
    assert [node.region for node in graph.nodes] == [None, 0]
    assert graph.nodes[0].reason == "group 3"
    assert graph.nodes[0].inputs == ("x", "w", "")
    assert graph.regions[0].cost == RegionCost(10, 20.5, None)
    assert report.claimed == 1
    # As versions wrote it that did not say what a run does.
    assert (report.l2_bytes, graph.regions[0].steps, graph.regions[0].chains) == (None, None, None)


STEP = {
    "kind": "chain",
    "tasks": 8,
    "ring_bytes": 4096,
    "ops": [
        {
            "kind": "pooling",
            "nodes": ["a", "b"],
            "input": [1, 8, 4, 4],
            "output": [1, 8, 2, 2],
            "kernel": [2, 3],
            "weights": 0,
            "stored": 0,
            "multiply_adds": 7,
        }
    ],
}


def test_steps_are_read():
    report = copy.deepcopy(REPORT)
    report["l2_bytes"] = 1024
    report["graphs"][0]["regions"][0]["steps"] = [STEP, STEP | {"ring_bytes": None}]
    read = parse_regions(json.dumps(report))
    (region,) = read.graphs[0].regions
    first, second = region.steps
    assert (read.l2_bytes, region.chains) == (1024, (first,))
    assert (first.nodes, first.multiply_adds, first.ops[0].title) == (("a", "b"), 7, "pooling 2x3")
    assert (first.ops[0].input, first.ops[0].output) == ((1, 8, 4, 4), (1, 8, 2, 2))
    assert (second.tasks, second.ring_bytes) == (8, None)


def changed(place, value):
    """Return the report with another value at a path of keys; without it where there is none."""
    report = copy.deepcopy(REPORT)
    target = report
    for key in place[:-1]:
        target = target[key]
    if value is None:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return json.dumps(report)


NODE = ("graphs", 0, "nodes", 1)
REGION = ("graphs", 0, "regions", 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON, but is not"),
        ("[" * 100_000, "must be JSON, but is not"),
        ("[]", "must be a JSON object, but is"),
        (changed(("format",), 2), "format must be 1, but is 2"),
        (changed(("mode",), None), "must have mode, but has not"),
        (changed(("isa",), 7), "isa must be str, but is 7"),
        (changed(("graphs",), {}), "graphs must be list"),
        (
            changed((*NODE, "region"), 4),
            "node 'layer' must be in a region of the list, but is in 4",
        ),
        (changed((*NODE, "region"), True), r"nodes\[1\]: region must be int or null, but is True"),
        (changed((*NODE, "inputs"), [1]), r"nodes\[1\]: inputs must be names"),
        (changed((*REGION, "claimed"), 1), r"regions\[0\]: claimed must be bool, but is 1"),
        (changed((*REGION, "cost"), []), r"regions\[0\]: cost must be dict"),
        (changed(("l2_bytes",), "1 MB"), "l2_bytes must be int or null, but is '1 MB'"),
        (changed((*REGION, "steps"), {}), r"regions\[0\]: steps must be list or null"),
        (changed((*REGION, "steps"), [STEP | {"ops": [{}]}]), r"steps\[0\]: ops\[0\]: must have"),
        (changed((*REGION, "cost", "dense"), "x"), r"cost: dense must be int or float or null"),
    ],
)
def test_another_form_is_refused(text, message):
    with pytest.raises(InvalidArgumentError, match=message):
        parse_regions(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"none\.json: cannot be read: No such file"):
        read_regions(tmp_path / "none.json")
