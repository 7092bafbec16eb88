"""Every operator that regions know: the numbers of ONNX Runtime, all of it claimed."""

from __future__ import annotations

import pytest
from region_graphs import check_layer
from region_ops import LAYERS

from ort_sparse.kernels import supported_isas


@pytest.mark.parametrize("isa", supported_isas())
@pytest.mark.parametrize("name", sorted(LAYERS))
def test_layer(name, isa, monkeypatch):
    monkeypatch.setenv("ORT_SPARSE_ISA", isa)
    assert check_layer(name, 4) == {isa}
