"""Turns models that compute in float16 into models that compute in float32."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from .constants import constant_array

__all__ = ["WidenFloat16Pass"]


class WidenFloat16Pass(ir.passes.InPlacePass):
    """Lets a float16 model compute in float32, as ONNX Runtime does on most CPUs.

    Every float16 value becomes float32, in subgraphs too; inputs and outputs of the model keep
    their type, by a Cast. Weights are the same numbers, and `StoreFloat16Pass` stores them as
    float16 again. Models with functions of their own are left alone.

    Precondition: types are inferred. Postcondition: only inputs and outputs of the model are
    float16, and the operators that read and write those.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Widen all graphs of the model."""
        if model.functions or not any(_is_float16(v) for v in _computed(model)):
            return ir.passes.PassResult(model, False)
        inputs = [value for value in model.graph.inputs if _is_float16(value)]
        outputs = [v for v in model.graph.outputs if _is_float16(v) and v.producer() is not None]
        for graph in model.graphs():
            for value in graph.initializers.values():
                _widen_constant(value)
            for node in graph:
                _widen_attributes(node)
        for value in _computed(model):
            if _is_float16(value):
                value.type = ir.TensorType(ir.DataType.FLOAT)
        for value in inputs:
            _cast_input(value, model.graph)
        for value in outputs:
            _cast_output(value, model.graph)
        return ir.passes.PassResult(model, True)


def _computed(model: ir.Model) -> Iterator[ir.Value]:
    """Yield the outputs of all nodes, and the inputs of subgraphs."""
    for graph in model.graphs():
        if graph is not model.graph:
            yield from graph.inputs
        for node in graph:
            yield from node.outputs


def _is_float16(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.FLOAT16


def _widen_constant(value: ir.Value) -> None:
    if _is_float16(value) and not value.is_graph_input():
        array = constant_array(value)
        assert array is not None
        value.const_value = ir.tensor(array.astype(np.float32), name=value.name)
        value.type = ir.TensorType(ir.DataType.FLOAT)


def _widen_attributes(node: ir.Node) -> None:
    """Widen tensors that a node holds, and the type that it is told to produce."""
    for name, attribute in list(node.attributes.items()):
        if attribute.type == ir.AttributeType.TENSOR:
            tensor = attribute.as_tensor()
            if tensor.dtype == ir.DataType.FLOAT16:
                wide = ir.tensor(tensor.numpy().astype(np.float32), name=tensor.name)
                node.attributes.add(ir.AttrTensor(name, wide))
        elif name in _TYPE_ATTRIBUTES and attribute.value == ir.DataType.FLOAT16:
            node.attributes.add(ir.AttrInt64(name, int(ir.DataType.FLOAT)))


_TYPE_ATTRIBUTES = ("dtype", "output_datatype", "output_dtype", "to")


def _cast_input(value: ir.Value, graph: ir.Graph) -> None:
    """Put a Cast to float32 behind an input."""
    cast = ir.node("Cast", [value], {"to": int(ir.DataType.FLOAT)}, name=f"{value.name}.cast")
    wide = cast.outputs[0]
    wide.name, wide.shape = f"{value.name}.float32", value.shape
    wide.type = ir.TensorType(ir.DataType.FLOAT)
    for user, index in list(value.uses()):
        if user is not cast:
            user.replace_input_with(index, wide)
    graph.insert_before(graph[0], cast)


def _cast_output(value: ir.Value, graph: ir.Graph) -> None:
    """Put a Cast to float16 before an output, which keeps its name."""
    cast = ir.node("Cast", [value], {"to": int(ir.DataType.FLOAT16)}, name=f"{value.name}.cast")
    result, name = cast.outputs[0], value.name
    graph.append(cast)
    value.name = f"{name}.float32"
    result.name, result.shape = name, value.shape
    result.type = ir.TensorType(ir.DataType.FLOAT16)
    for index, output in enumerate(graph.outputs):
        if output is value:
            graph.outputs[index] = result
