"""What is listed once in the native library, and named elsewhere too, has the same names there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import oracle
import pytest

from ort_sparse import _native
from ort_sparse.converters import cost_model
from ort_sparse.kernels import microkernels, supported_isas
from ort_sparse.op import ACTIVATIONS, INPUTS, Activation, register_schema

PROJECT = Path(__file__).parents[2]
NATIVE_INPUTS, NATIVE_ACTIVATIONS = _native.operator_facts()


def test_inputs_of_the_operator():
    assert [name for name, _, _ in NATIVE_INPUTS] == list(INPUTS)


def test_inputs_of_the_schema():
    onnx = pytest.importorskip("onnx")
    register_schema()
    schema = onnx.defs.get_schema("SparseConv1x1", 1, "ort_sparse")
    optional = onnx.defs.OpSchema.FormalParameterOption.Optional
    assert [(each.name, each.option == optional) for each in schema.inputs] == [
        (name, is_optional) for name, is_optional, _ in NATIVE_INPUTS
    ]


def test_activations():
    assert list(ACTIVATIONS) == NATIVE_ACTIVATIONS


@pytest.mark.parametrize("activation", NATIVE_ACTIVATIONS)
def test_activation_is_known_everywhere(activation):
    """In the specification, the cost model, and both oracles."""
    assert f"`{activation}`" in (PROJECT / "docs" / "SparseConv1x1.md").read_text()
    assert activation in (*cost_model.CHEAP_ACTIVATIONS, *cost_model.EXTRA_ACTIVATIONS)
    slope = np.ones(1, np.float32) if activation == "prelu" else None
    assert oracle.activate(np.zeros((1, 1, 1)), Activation(activation), slope).shape == (1, 1, 1)
    assert f"ACTIVATION_{activation.upper()}" in (PROJECT / "tests" / "oracle.c").read_text()


def test_instruction_sets_of_the_documents():
    """The README names what users may choose."""
    listed = {row.isa for row in microkernels()}
    assert set(supported_isas()) <= listed
    header = (PROJECT / "cython_kernels" / "base" / "isa.h").read_text()
    everywhere = re.findall(r"^    X\((\w+), ", header, re.MULTILINE)
    assert everywhere[-1] == "portable"
    readme = (PROJECT / "README.md").read_text().replace("-", "").lower()
    assert [name for name in everywhere if name not in readme] == ["portable"]
