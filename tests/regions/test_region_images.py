"""Batches whose planes exceed the L2 cache: their images run one by one, where they can."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from region_check import assert_same, plan_of_run, sessions
from region_models import Maker
from test_region_chains import wide_network

IMAGES = 8
SHAPE = (IMAGES, IMAGES, 192, 160)
"""As many channels as images, so that one may be taken for the other; 1 MB an image."""


def test_images_run_one_by_one(tmp_path):
    model, shape = wide_network(0)
    x = np.random.default_rng(0).standard_normal((3, *shape[1:])).astype(np.float32)
    plan = plan_of_run(model, {"x0": x}, tmp_path / "profile.json")
    assert plan.runs == 3
    assert {step.ops[0].input[0] for step, _ in plan.steps} == {1}


@pytest.mark.parametrize("added", ["rank 3", "rank 3, constant", "for every image"])
def test_what_is_added_need_not_be_of_images(added, tmp_path):
    m = Maker(Random(1), 17)
    x = m.input(SHAPE, SHAPE)
    arrays = np.random.default_rng(1)
    feeds = {"x0": arrays.standard_normal(SHAPE).astype(np.float32)}
    weights = m.constant(m.weights(IMAGES, IMAGES, 1, 1, sparse=True))
    y = m.node("Conv", [x.name, weights], SHAPE)
    if added == "rank 3":  # axis 0 counts channels of all images
        second = m.input(SHAPE[1:], SHAPE[1:]).name
        feeds[second] = arrays.standard_normal(SHAPE[1:]).astype(np.float32)
    else:
        size = SHAPE[1:] if added == "rank 3, constant" else (IMAGES, 1, 1, 1)
        second = m.constant(arrays.standard_normal(size).astype(np.float32))
    model = m.model([m.node("Add", [y.name, second], SHAPE)])
    created = sessions(model)
    assert not created.left
    assert assert_same(created, feeds)
    split = added == "rank 3, constant"
    assert plan_of_run(model, feeds, tmp_path / "profile.json").runs == (IMAGES if split else 1)


def test_small_images_run_together(tmp_path):
    """Of a matrix product, each row would read all weights anew."""
    m = Maker(Random(2), 17)
    rows, columns = 4096, 256
    x = m.input((rows, columns), (rows, columns))
    weights = m.constant(m.weights(columns, columns, sparse=True))
    model = m.model([m.node("Gemm", [x.name, weights], (rows, columns), transB=1)])
    feeds = {"x0": np.random.default_rng(2).standard_normal((rows, columns)).astype(np.float32)}
    assert assert_same(sessions(model), feeds)
    assert plan_of_run(model, feeds, tmp_path / "profile.json").runs == 1
