"""Layers between planes that are larger than the L2 cache, which are computed depth first."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from region_check import assert_same, sessions
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


def wide_network(seed: int):
    """Return inverted residuals on wide planes behind a stem, some of whose values leave."""
    m = Maker(Random(seed), 17)
    shape = (1, 3, 2 * SIZE[0], 2 * SIZE[1])
    x = m.input(shape, ("n", 3, "h", "w"))
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
