"""Single layers and random graphs of them, and the check that they give ONNX Runtime's numbers."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import onnx
from region_check import LEVELS, Sessions, assert_same, sessions
from region_models import OPSETS, Maker, Value
from region_ops import LAYERS, pointwise_sparse

MAX_ELEMENTS = 60_000
"""Of a value: larger ones are not built on."""

COMMON = ("pointwise_sparse", "depthwise", "relu", "clip", "add_same", "sparse_op")
"""Layers that come more often than others."""

NAMES = sorted(LAYERS)


def grow(m: Maker, x: Value, layers: int) -> list[Value]:
    """Add layers, most of them after the last one; return what can be an output."""
    found = [x]
    for _ in range(layers):
        before = found[-1] if m.chance(0.7) else m.rng.choice(found)
        name = m.rng.choice(COMMON if m.chance(0.4) else NAMES)
        value = LAYERS[name](m, before)
        if value is not None and 0 < math.prod(value.shape) <= MAX_ELEMENTS:
            found.append(value)
    return found


def random_model(rng: Random, opset: int) -> tuple[onnx.ModelProto, list[dict[str, tuple]]]:
    """Return a model, and shapes of its inputs: the first ones fit, others may."""
    m = Maker(rng, opset)
    rank = rng.choice([3, 4, 4, 4])
    batch, channels = rng.choice([1, 1, 2, 3]), rng.choice([1, 3, 8, 16, 21])
    spatial = tuple(rng.randint(1, 40) for _ in range(rank - 2))
    last = m.chance(0.2)
    shape = (batch, *spatial, channels) if last else (batch, channels, *spatial)
    is_image = [1 if last else 2, rank - 1 if last else rank]
    free_batch, free_image = m.chance(0.7), m.chance(0.3)
    dims = tuple(
        "n"
        if axis == 0 and free_batch
        else f"d{axis}"
        if is_image[0] <= axis < is_image[1] and free_image
        else size
        for axis, size in enumerate(shape)
    )
    x = m.input(shape, dims)
    if last:
        order = [0, rank - 1, *range(1, rank - 1)]
        x = m.node("Transpose", [x.name], (batch, channels, *spatial), perm=order)
    first = pointwise_sparse(m, x)
    assert first is not None
    found = grow(m, first, rng.randint(1, 14))
    if last and found[-1].rank == rank and m.chance(0.7):
        y = found[-1]
        order = [0, *range(2, rank), 1]
        shape_of_y = (y.shape[0], *y.spatial, y.channels)
        found.append(m.node("Transpose", [y.name], shape_of_y, perm=order))
    outputs = [found[-1], *(value for value in found if m.chance(0.15))]
    shapes = [shape]
    if free_batch:
        shapes += [(n, *shape[1:]) for n in rng.sample(range(9), 2)]
    if free_image:
        shapes.append(
            tuple(
                rng.randint(1, 40) if is_image[0] <= axis < is_image[1] else size
                for axis, size in enumerate(shape)
            )
        )
        shapes.append(shape)
    return m.model(outputs), [{"x0": each} for each in shapes]


def check_random_graph(rng: Random, opset: int, level: str) -> Sessions:
    """Make a graph and compare what it gives; return its sessions."""
    model, shapes = random_model(rng, opset)
    created = sessions(model, level)
    assert created.report.claimed > 0
    arrays = np.random.default_rng(rng.getrandbits(32))
    for number, sizes in enumerate(shapes):
        feeds = {n: arrays.standard_normal(s).astype(np.float32) for n, s in sizes.items()}
        runs = assert_same(created, feeds)
        assert runs or number, "the model does not take the sizes that it was made for"
    return created


def layer_alone(name: str, seed: int) -> tuple[onnx.ModelProto, tuple[int, ...]] | None:
    """Return a model of one layer before a Neg, alone or behind a sparse one, and X's shape."""
    rng = Random(f"{name} {seed}")
    m = Maker(rng, rng.choice(OPSETS))
    rank = rng.choice([2, 3, 4, 4])
    shape = (rng.randint(1, 3), rng.randint(1, 24), *(rng.randint(1, 20) for _ in range(rank - 2)))
    x = m.input(shape, ("n", *shape[1:]))
    if seed % 4 >= 2:  # what follows a layer may become a part of it
        x = pointwise_sparse(m, x) or x
    y = LAYERS[name](m, x)
    if y is None:
        return None
    negated = m.node("Neg", [y.name], y.shape)  # a region that only renames planes is none
    return m.model([negated, y] if m.chance(0.5) else [negated]), shape


def check_layer(name: str, rounds: int) -> set[str]:
    """Make models of one layer, all of which must be claimed; return the instruction sets."""
    arrays = np.random.default_rng(0)
    isas = set()
    for seed in range(20 * rounds):
        made = layer_alone(name, seed)
        if made is None:
            continue
        model, shape = made
        created = sessions(model, level=sorted(LEVELS)[seed % 2])
        assert not created.left
        for batch in (shape[0], 0, 5):
            x = arrays.standard_normal((batch, *shape[1:])).astype(np.float32)
            assert assert_same(created, {"x0": x}) or batch == 0
        isas.add(created.report.isa)
        rounds -= 1
        if rounds == 0:
            return isas
    raise AssertionError(f"{name}: too few models")
