"""Layers between planes that are larger than the L2 cache, which are computed depth first."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from region_check import assert_same, plan_of_run, sessions
from region_models import Maker, Value

from ort_sparse.kernels import supported_isas

CHANNELS, SIZE = 96, (96, 72)
"""Behind the stem: planes of 2.6 MB, and of a quarter of that after a stride of 2."""


def conv(m: Maker, x: Value, rows: int, *, kernel: int, stride: int = 1, groups: int = 1) -> Value:
    sparse = kernel == 1
    weights = m.constant(m.weights(rows, x.channels // groups, kernel, kernel, sparse=sparse))
    begin, end = sorted(m.rng.choices(range(kernel), k=2))
    size = [(n + begin + end - kernel) // stride + 1 for n in x.spatial]
    return m.node(
        "Conv",
        [x.name, weights, m.constant(m.floats(rows))],
        (x.shape[0], rows, *size),
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[begin, begin, end, end],
        group=groups,
    )


def activated(m: Maker, x: Value) -> Value:
    match m.rng.choice(["none", "relu", "silu", "leaky"]):
        case "relu":
            return m.node("Relu", [x.name], x.shape)
        case "leaky":
            return m.node("LeakyRelu", [x.name], x.shape, alpha=0.1)
        case "silu":
            gate = m.node("Sigmoid", [x.name], x.shape)
            return m.node("Mul", [x.name, gate.name], x.shape)
    return x


def wide_network(seed: int, *, fixed: bool = False):
    """Return inverted residuals on wide planes behind a stem, some of whose values leave."""
    m = Maker(Random(seed), 17)
    shape = (1, 3, 2 * SIZE[0], 2 * SIZE[1])
    x = m.input(shape, shape if fixed else ("n", 3, "h", "w"))
    found = [activated(m, conv(m, x, CHANNELS, kernel=3, stride=2))]
    for _ in range(3):
        x = found[-1]
        y = activated(m, conv(m, x, x.channels, kernel=1))
        stride, kernel = m.rng.choice([1, 1, 2]), m.rng.choice([3, 5])
        y = conv(m, y, y.channels, kernel=kernel, stride=stride, groups=y.channels)
        y = activated(m, y)
        if m.chance(0.7):
            y = conv(m, y, x.channels, kernel=1)
        if y.shape == x.shape:
            y = m.node("Add", [x.name, y.name], x.shape)
        found.append(activated(m, y))
    return m.model([found[-1], *(value for value in found[:-1] if m.chance(0.2))]), shape


def chains_of(report):
    """Return the chains of the only region, None if its shapes are unknown."""
    (graph,) = report.graphs
    (region,) = graph.regions
    return region.chains


@pytest.mark.parametrize("seed", range(4))
def test_wide_networks_have_chains(seed):
    report = sessions(wide_network(seed, fixed=True)[0]).report
    chains = chains_of(report)
    assert chains
    for chain in chains:
        assert (chain.kind, len(chain.ops) > 1) == ("chain", True)
        assert 0 < chain.ring_bytes < report.l2_bytes
        assert "depthwise convolution" in [op.kind for op in chain.ops]
    every = [name for step in report.graphs[0].regions[0].steps for name in step.nodes]
    assert sorted(every) == sorted(node.name for node in report.graphs[0].nodes)


def test_chains_are_those_that_run(tmp_path):
    model, shape = wide_network(0, fixed=True)
    chains = chains_of(sessions(model).report)
    plan = plan_of_run(model, {"x0": np.zeros(shape, np.float32)}, tmp_path / "profile.json")
    ran = [step for step, _ in plan.steps if step.kind == "chain"]
    assert tuple(ran) == chains


def test_unknown_shapes_have_no_chains_yet():
    assert chains_of(sessions(wide_network(0)[0]).report) is None


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("seed", range(4))
def test_wide_networks(seed, isa, monkeypatch):
    monkeypatch.setenv("ORT_SPARSE_ISA", isa)
    model, shape = wide_network(seed)
    created = sessions(model)
    assert not created.left
    arrays = np.random.default_rng(seed)
    for batch, height, width in ((1, 0, 0), (2, 3, 5), (3, -101, -7), (0, 0, 0)):
        sizes = (batch, 3, shape[2] + height, shape[3] + width)
        x = arrays.standard_normal(sizes).astype(np.float32)
        assert assert_same(created, {"x0": x}) or batch == 0
