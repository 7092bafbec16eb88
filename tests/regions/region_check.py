"""Running a model with regions and by ONNX Runtime alone: the same numbers?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

import ort_sparse
from ort_sparse.claims import session_with_report
from ort_sparse.conversion import densify
from ort_sparse.op import DOMAIN
from ort_sparse.regions import RegionNode, RegionsReport
from ort_sparse.regions_profile import read_profile
from ort_sparse.verification.agreement import (
    TOLERANCE,
    Absolute,
    RelativeToLargest,
    Rounding,
    Runs,
    absolute_difference,
    judge,
)
from ort_sparse.verification.inputs import moved

Arrays = dict[str, NDArray[Any]]

OF_ONE = Absolute(1e-6, "the rounding of numbers of size 1 to 8, which these models compute with")

LEVELS = {
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "none": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
"""How far ONNX Runtime changes the graph: what regions are asked for is then another one."""


@dataclass(frozen=True)
class Sessions:
    """A model as ONNX Runtime runs it alone, and with all regions, on one and two threads."""

    dense_by_threads: tuple[onnxruntime.InferenceSession, ...]
    with_regions: tuple[onnxruntime.InferenceSession, ...]
    report: RegionsReport
    reduces: bool
    """Whether there is a ReduceMean, of which ONNX Runtime gives other shapes without elements."""

    @property
    def dense(self) -> onnxruntime.InferenceSession:
        return self.dense_by_threads[0]

    @property
    def left(self) -> list[RegionNode]:
        """Nodes that are in no claimed region."""
        return [
            node
            for graph in self.report.graphs
            for node in graph.nodes
            if node.region is None or not graph.regions[node.region].claimed
        ]


def options(threads: int = 1, level: str = "all") -> onnxruntime.SessionOptions:
    created = onnxruntime.SessionOptions()
    created.log_severity_level = 4
    created.intra_op_num_threads = threads
    created.graph_optimization_level = LEVELS[level]
    return created


def dense_sessions(model: onnx.ModelProto, level: str) -> tuple[onnxruntime.InferenceSession, ...]:
    """Return sessions of the model's dense form, on one and two threads, without the library."""
    if any(node.domain == DOMAIN for node in model.graph.node):
        model = densify(model)
    data = model.SerializeToString()
    providers = ["CPUExecutionProvider"]
    return tuple(
        onnxruntime.InferenceSession(data, options(threads, level), providers=providers)
        for threads in (1, 2)
    )


def sessions(model: onnx.ModelProto, level: str = "all", mode: str = "all") -> Sessions:
    found = [session_with_report(model, options(n, level), regions=mode) for n in (1, 2)]
    assert found[0][1].graphs == found[1][1].graphs
    return Sessions(
        dense_sessions(model, level),
        tuple(session for session, _ in found),
        found[0][1],
        any(node.op_type == "ReduceMean" for node in model.graph.node),
    )


def same_bits(a: list[NDArray[Any]], b: list[NDArray[Any]]) -> bool:
    return all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))


def assert_same(created: Sessions, feeds: Mapping[str, NDArray[Any]]) -> bool:
    """Compare all outputs; return False where ONNX Runtime alone does not take the inputs."""
    names = [output.name for output in created.dense.get_outputs()]

    def run_dense(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        return created.dense.run(names, dict(arrays))

    try:
        expected = run_dense(feeds)
    except Exception:  # it refuses some sizes
        return False
    one, two = (session.run(names, dict(feeds)) for session in created.with_regions)
    if not same_bits(one, two):
        assert created.left, "one and two threads give other bits"
        # Then nodes that were left may be the reason: ONNX Runtime's own sums depend on threads.
        alone = [session.run(names, dict(feeds)) for session in created.dense_by_threads]
        assert not same_bits(*alone), "one and two threads give other bits"
    rounded: list[list[NDArray[Any]]] = []

    def changes(position: int) -> list[NDArray[Any]]:
        if not rounded:
            rounded.extend(run_dense(arrays) for arrays in moved(dict(feeds), count=4, seed=0))
        wanted = expected[position]
        return [np.max([absolute_difference(wanted, run[position]) for run in rounded], axis=0)]

    for position, name in enumerate(names):
        if created.reduces and expected[position].size == one[position].size == 0:
            continue
        runs = Runs([expected[position]], [one[position]], lambda p=position: changes(p))
        found = judge(name, runs, [RelativeToLargest(TOLERANCE), OF_ONE, Rounding()])
        assert found.passed, f"{name} {found.shape}: {found.difference} of {found.largest}"
    return True


def plan_of_run(model, feeds, path):
    """Return the profile's only plan of the only region after one run, written to ``path``."""
    created = options()
    created.add_session_config_entry("ort_sparse.regions_profile", str(path))
    session = ort_sparse.session(model, created, regions="all")
    session.run(None, feeds)
    del session  # which writes it
    (region,) = read_profile(path).regions
    (plan,) = region.plans
    return plan
