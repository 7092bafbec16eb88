"""Every network of the zoo, converted and compared with LiteRT's builtin kernels."""

from __future__ import annotations

import onnx
import pytest

pytest.importorskip("tensorflow", reason='needs the extra "tflite"')
pytest.importorskip("ai_edge_litert", reason='needs the extra "tflite"')

from zoo.litert import LiteRT

from ort_sparse import zoo
from ort_sparse.conversion import convert_and_report
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions

TOLERANCE = 2e-5

SIZE_RATIO = 1.1
"""Largest converted file, relative to the sparse TFLite file."""


def resolution(entry: zoo.ZooEntry) -> int:
    """Return a resolution that saves time; the variants of MobileNetV1 differ in nothing else."""
    return entry.resolution if entry.name.startswith("mobilenet_v1_") else 64


def sparse_layers(model: onnx.ModelProto) -> int:
    return sum(node.op_type == OP_TYPE for node in model.graph.node)


@pytest.mark.parametrize("name", zoo.names())
def test_every_sparse_layer_is_converted_and_the_numbers_are_litert_s(name: str) -> None:
    entry = zoo.entry(name)
    data = zoo.build(name, resolution=resolution(entry))
    conversion = convert_and_report(data, ConvertOptions(layers="all"))
    assert sparse_layers(conversion.model) == LiteRT(data).op_counts()["DENSIFY"] > 0
    assert conversion.comparison is not None
    assert conversion.comparison.error <= TOLERANCE
    if entry.published:  # weights, and so files, are as large at every resolution
        assert conversion.model.ByteSize() <= SIZE_RATIO * len(data)
