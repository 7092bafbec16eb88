"""What takes the bytes of a TFLite file."""

from __future__ import annotations

from typing import Any

from ort_sparse.converters.stored import StoredItem

from .model import data_of, operator_name, read_model, tensor_name
from .sparsity import index_bytes

__all__ = ["stored_in_tflite"]

_PASSES_ON = ("DENSIFY", "DEQUANTIZE")


def stored_in_tflite(data: bytes) -> list[StoredItem]:
    """Return the constants of a TFLite file; the rest of it is the graph itself.

    Raises
    ------
    InvalidModelError, UnsupportedModelError
        As `convert_tflite`.
    """
    model = read_model(data)
    items: list[StoredItem] = []
    seen: set[int] = set()
    for subgraph in model.subgraphs:
        readers: dict[int, Any] = {}
        for operator in subgraph.operators:
            for index in operator.inputs:
                readers.setdefault(int(index), operator)
        for index, tensor in enumerate(subgraph.tensors):
            name, content = tensor_name(tensor), data_of(model, tensor)
            if tensor.sparsity is not None:
                items.append(StoredItem("sparse indices", name, index_bytes(tensor.sparsity)))
            if content is not None and tensor.buffer not in seen:
                seen.add(tensor.buffer)
                dense = f"dense {_reader(model, readers, index)}"
                kind = dense if tensor.sparsity is None else "sparse values"
                items.append(StoredItem(kind, name, content.nbytes))
    notes = sum(_buffer_bytes(model, entry.buffer) for entry in model.metadata)
    items.append(StoredItem("notes", "metadata", notes))
    return [item for item in items if item.bytes]


def _reader(model: Any, readers: dict[int, Any], index: int) -> str:
    """Return the name of the first operator that computes with a tensor."""
    while index in readers:
        operator = readers[index]
        name = operator_name(model, operator)
        if name not in _PASSES_ON or len(operator.outputs) == 0:
            return name
        index = int(operator.outputs[0])
    return "constant that nothing reads"


def _buffer_bytes(model: Any, index: int) -> int:
    data = model.buffers[index].data if index < len(model.buffers) else None
    return 0 if data is None else len(data)
