"""From ONNX messages to graphs that passes can rewrite, and back; what cannot be read says why."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
import onnx_ir as ir

from .converters import passes
from .errors import InvalidModelError, UnsupportedModelError
from .onnx_judge import check_with_onnxruntime
from .op import register_schema

__all__ = ["MAX_BYTES", "read_graph", "write_graph"]

MAX_BYTES = 2**31 - 1
"""Size of a model with all its weights, which protobuf limits."""


def read_graph(name: str, model: onnx.ModelProto) -> ir.Model:
    """Return the graph of a model that conforms to ONNX, or that ONNX Runtime takes all the same.

    The latter is repaired: sorted, and given the imports and shapes that it lacks.

    Parameters
    ----------
    name : str
        What messages call the model.
    model : onnx.ModelProto
        With its weights; it stays as it is.

    Raises
    ------
    InvalidModelError
        If ONNX Runtime refuses it.
    UnsupportedModelError
        If it has something that graphs here cannot hold, or that neither ONNX nor ONNX Runtime
        knows.
    """
    if _has_sparse_tensors(model):
        raise UnsupportedModelError(
            f"{name}: weights must be dense tensors with zeros, "
            "but the model has ONNX sparse tensors"
        )
    size = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size > MAX_BYTES:
        raise UnsupportedModelError(
            f"{name}: its weights must take at most {MAX_BYTES} bytes in all, but take {size}"
        )
    conforms = _conforms(model)
    if not conforms:
        _judge(name, model)
    try:
        graph = ir.from_proto(model)
        passes.complete_imports(graph)
        if not conforms:
            passes.RepairPass()(graph)
    except (ir.serde.SerdeError, ir.passes.PassError, ValueError, TypeError) as error:
        if conforms:
            _judge(name, model)
        raise UnsupportedModelError(
            f"{name}: {_what_is_unreadable(model) or _innermost(error)}"
        ) from error
    return graph


def write_graph(name: str, graph: ir.Model) -> onnx.ModelProto:
    """Return the model of a graph, which conforms to ONNX if what it was read from did.

    Raises
    ------
    UnsupportedModelError
        If it exceeds protobuf's limit of 2 GiB, or ONNX Runtime refuses it.
    """
    try:
        model = passes.to_model_proto(graph)
        if not _conforms(model):
            check_with_onnxruntime(model)
    except (ValueError, InvalidModelError, UnsupportedModelError) as error:
        raise UnsupportedModelError(f"{name}: the result cannot be stored: {error}") from error
    return model


def _conforms(model: onnx.ModelProto) -> bool:
    """Tell whether a model keeps ONNX's rules; operators of other domains are not looked at."""
    register_schema()
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError):
        return False
    return True


def _judge(name: str, model: onnx.ModelProto) -> None:
    try:
        check_with_onnxruntime(model)
    except InvalidModelError as error:
        raise InvalidModelError(f"{name}: is no valid ONNX model: {error}") from error
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{name}: {error}") from error


def _has_sparse_tensors(model: onnx.ModelProto) -> bool:
    """Whether the main graph has what onnx_ir would drop or refuse."""
    return bool(model.graph.sparse_initializer) or any(
        attribute.HasField("sparse_tensor")
        for node in model.graph.node
        for attribute in node.attribute
    )


def _what_is_unreadable(model: onnx.ModelProto) -> str | None:
    """Name the input, output or value whose type onnx_ir lacks."""
    graph = model.graph
    for what, values in (
        ("input", graph.input),
        ("output", graph.output),
        ("value", graph.value_info),
    ):
        for value in values:
            if "map_type" in _kinds(value.type):
                return (
                    f"{what} {value.name!r}: must be a tensor or a sequence of tensors, but is or "
                    "holds a map, as ZipMap makes it; convert the model without what follows its "
                    "last layers"
                )
    return None


def _kinds(type_proto: onnx.TypeProto) -> Iterator[str]:
    """Yield the kinds of a type and of the elements of it, from outside to inside."""
    kind = type_proto.WhichOneof("value")
    while kind is not None:
        yield kind
        if kind not in ("sequence_type", "optional_type"):
            return
        type_proto = getattr(type_proto, kind).elem_type
        kind = type_proto.WhichOneof("value")


def _innermost(error: BaseException) -> str:
    """Return the first line of the error that all others come from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
