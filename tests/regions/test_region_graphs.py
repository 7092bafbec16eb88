"""Random graphs of layers: what regions compute is what ONNX Runtime computes."""

from __future__ import annotations

import os
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from region_check import LEVELS
from region_graphs import check_random_graph
from region_models import OPSETS

from ort_sparse.kernels import supported_isas


@pytest.mark.parametrize("isa", supported_isas())
@settings(max_examples=12, deadline=None)
@given(rng=st.randoms(), opset=st.sampled_from(OPSETS), level=st.sampled_from(sorted(LEVELS)))
def test_random_graphs(isa, rng, opset, level):
    with mock.patch.dict(os.environ, ORT_SPARSE_ISA=isa):
        assert check_random_graph(rng, opset, level).report.isa == isa
