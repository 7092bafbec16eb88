"""Every network of the zoo, converted and compared with LiteRT's builtin kernels.

Both forms run with regions as well, and are compared with dense ONNX Runtime.
"""

from __future__ import annotations

import onnx
import pytest

pytest.importorskip("tensorflow", reason='needs the extra "tflite"')
pytest.importorskip("ai_edge_litert", reason='needs the extra "tflite"')

from regions.region_check import assert_same, sessions
from zoo.litert import LiteRT

from ort_sparse import zoo
from ort_sparse.conversion import convert_and_report
from ort_sparse.op import OP_TYPE
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import inputs_of, random_inputs

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
    for model in (conversion.dense, conversion.model):
        with_regions = sessions(model)
        assert with_regions.report.claimed > 0
        assert assert_same(with_regions, random_inputs(inputs_of(model)))
