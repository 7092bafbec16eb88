"""Many layers and random graphs, more than `make test` has time for."""

from __future__ import annotations

import os
from random import Random
from unittest import mock

import pytest
from region_check import LEVELS
from region_graphs import check_layer, check_random_graph
from region_models import OPSETS
from region_ops import LAYERS

from ort_sparse.kernels import supported_isas

GRAPHS, AT_ONCE = 200, 20


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layers(name):
    for isa in supported_isas():
        with mock.patch.dict(os.environ, ORT_SPARSE_ISA=isa):
            assert check_layer(name, 8) == {isa}


@pytest.mark.parametrize("first", range(0, GRAPHS, AT_ONCE))
@pytest.mark.parametrize("isa", supported_isas())
def test_graphs(isa, first, monkeypatch):
    monkeypatch.setenv("ORT_SPARSE_ISA", isa)
    for seed in range(first, first + AT_ONCE):
        rng = Random(seed)
        opset, level = rng.choice(OPSETS), rng.choice(sorted(LEVELS))
        assert check_random_graph(rng, opset, level).report.isa == isa, seed
