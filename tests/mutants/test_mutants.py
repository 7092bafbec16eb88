"""A short, seeded run of the mutants; `make mutants` is the long one."""

from __future__ import annotations

import numpy as np
import pytest
from models import sparse_model
from mutants.runner import run_mutants
from oracle import random_op

from ort_sparse.op import Activation

pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from tflite_builder import FileBuilder


def sparse_convolution() -> bytes:
    """A TFLite file: sparse float16 weights, DENSIFY, DEQUANTIZE, a 1x1 convolution."""
    rng = np.random.default_rng(0)
    weights = np.where(rng.random((16, 1, 1, 12)) < 0.2, rng.standard_normal((16, 1, 1, 12)), 0)
    file = FileBuilder()
    x, y = file.tensor("x", (1, 6, 6, 12)), file.tensor("y", (1, 6, 6, 16))
    source = file.sparse("sparse", weights.astype(np.float16))
    half = file.tensor("half", weights.shape, "float16")
    full = file.tensor("full", weights.shape)
    bias = file.constant("bias", rng.standard_normal(16).astype(np.float32))
    file.operator("DENSIFY", [source], [half], schema.DensifyOptionsT())
    file.operator("DEQUANTIZE", [half], [full], schema.DequantizeOptionsT())
    options = schema.Conv2DOptionsT(strideW=1, strideH=1, fusedActivationFunction=1)
    file.operator("CONV_2D", [x, full, bias], [y], options)
    return file.finish([x], [y])


def sparse_node() -> bytes:
    """An ONNX file with one SparseConv1x1 node that has every input but slope."""
    op = random_op(np.random.default_rng(0), block_rows=2, activation=Activation("clip", 0, 6))
    model = sparse_model(op, ["n", 24, 6, 6], ["n", 16, 6, 6], residual=True)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize("make", [sparse_convolution, sparse_node])
def test_mutants_are_refused_or_run(make) -> None:
    summary = run_mutants(make.__name__, make(), 100)
    assert summary.failures == []
    assert summary.mutants == 100
    assert summary.outcomes["ran"] >= 10
    assert sum(summary.outcomes.values()) - summary.outcomes["ran"] >= 10
