"""Small TFLite files for tests, made without the code under test except for the final packing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

TYPES = {"float32": 0, "float16": 1, "int32": 2, "bool": 6, "int8": 9}
INDEX_VECTORS = {
    "int32": (1, schema.Int32VectorT),
    "uint16": (2, schema.Uint16VectorT),
    "uint8": (3, schema.Uint8VectorT),
}


class FileBuilder:
    """A model built tensor by tensor."""

    def __init__(self) -> None:
        self.subgraph = schema.SubGraphT(tensors=[], operators=[], name=b"main")
        self.model = schema.ModelT(
            version=3,
            operatorCodes=[],
            subgraphs=[self.subgraph],
            buffers=[schema.BufferT()],
            signatureDefs=[],
        )

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        data: NDArray[Any] | None = None,
        sparsity: Any = None,
        shape_signature: Sequence[int] | None = None,
    ) -> int:
        """Add a tensor, a constant if it has data, and return its index."""
        tensor = schema.TensorT(
            name=name.encode(), shape=np.array(shape, np.int32), type=TYPES[dtype]
        )
        tensor.sparsity = sparsity
        if shape_signature is not None:
            tensor.shapeSignature = np.array(shape_signature, np.int32)
        if data is not None:
            flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
            self.model.buffers.append(schema.BufferT(data=flat))
            tensor.buffer = len(self.model.buffers) - 1
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def constant(self, name: str, array: NDArray[Any]) -> int:
        """Add a dense constant."""
        return self.tensor(name, array.shape, array.dtype.name, data=array)

    def sparse(self, name: str, array: NDArray[Any], **options: Any) -> int:
        """Add a sparse constant; options are those of `encode`."""
        values, sparsity = encode(array, **options)
        return self.tensor(name, array.shape, array.dtype.name, data=values, sparsity=sparsity)

    def operator(
        self,
        name: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        custom_code: str | None = None,
    ) -> None:
        """Add an operator, with an operator code of its own."""
        code = getattr(schema.BuiltinOperator, name)
        self.model.operatorCodes.append(
            schema.OperatorCodeT(
                deprecatedBuiltinCode=min(code, 127),
                builtinCode=code,
                customCode=custom_code and custom_code.encode(),
            )
        )
        operator = schema.OperatorT(
            opcodeIndex=len(self.model.operatorCodes) - 1,
            inputs=np.array(inputs, np.int32),
            outputs=np.array(outputs, np.int32),
        )
        if options is not None:
            operator.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self.subgraph.operators.append(operator)

    def add_subgraph(self) -> None:
        """Add a subgraph, to which all that is added later belongs."""
        name = f"subgraph_{len(self.model.subgraphs)}".encode()
        self.subgraph = schema.SubGraphT(tensors=[], operators=[], name=name)
        self.model.subgraphs.append(self.subgraph)

    def signature(
        self,
        inputs: dict[str, int],
        outputs: dict[str, int],
        *,
        key: str = "serving_default",
        subgraph: int = 0,
    ) -> None:
        """Name inputs and outputs as users see them."""

        def entries(names: dict[str, int]) -> list[Any]:
            return [schema.TensorMapT(name=k.encode(), tensorIndex=v) for k, v in names.items()]

        self.model.signatureDefs.append(
            schema.SignatureDefT(
                inputs=entries(inputs),
                outputs=entries(outputs),
                signatureKey=key.encode(),
                subgraphIndex=subgraph,
            )
        )

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Return the file."""
        self.subgraph.inputs = np.array(inputs, np.int32)
        self.subgraph.outputs = np.array(outputs, np.int32)
        return pack(self.model)


def pack(model: Any) -> bytes:
    """Write a model with the plain generated code."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def unpack(data: bytes) -> Any:
    """Read a model with the plain generated code."""
    return schema.ModelT.InitFromPackedBuf(data)


def densify_file(array: NDArray[Any], **options: Any) -> bytes:
    """Return a file whose output is DENSIFY of a sparse constant, added to nothing."""
    file = FileBuilder()
    source = file.sparse("weights", array, **options)
    target = file.tensor("dense", array.shape, array.dtype.name)
    file.operator("DENSIFY", [source], [target], schema.DensifyOptionsT())
    return file.finish([], [target])


def encode(
    dense: NDArray[Any],
    *,
    order: Sequence[int] | None = None,
    block_map: Sequence[int] = (),
    block_sizes: Sequence[int] = (),
    sparse_levels: Sequence[int] | None = None,
    segment_types: Sequence[str] | str = "int32",
    index_types: Sequence[str] | str = "int32",
) -> tuple[NDArray[Any], Any]:
    """Encode cell by cell: return the values and the sparsity parameters.

    By default levels follow the dimensions, and only the last one is SPARSE_CSR.
    """
    rank = dense.ndim
    levels = rank + len(block_map)
    order = list(range(levels)) if order is None else list(order)
    sparse_levels = [rank - 1] if sparse_levels is None else sparse_levels
    sizes = list(dense.shape) + list(block_sizes)
    for axis, size in zip(block_map, block_sizes, strict=True):
        sizes[axis] //= size
    level_sizes = [sizes[dimension] for dimension in order]

    def cell(coordinates: Sequence[int]) -> Any:
        index = [0] * rank
        for dimension, coordinate in zip(order, coordinates, strict=True):
            if dimension < rank:
                index[dimension] = coordinate
        for dimension, coordinate in zip(order, coordinates, strict=True):
            if dimension >= rank:
                axis = block_map[dimension - rank]
                index[axis] = index[axis] * block_sizes[dimension - rank] + coordinate
        return dense[tuple(index)]

    segments: list[list[int]] = [[0] for _ in order]
    indices: list[list[int]] = [[] for _ in order]
    values: list[Any] = []

    def visit(prefix: list[int]) -> None:
        level = len(prefix)
        if level == levels:
            values.append(cell(prefix))
            return
        for i in range(level_sizes[level]):
            rest = [range(n) for n in level_sizes[level + 1 :]]
            if level in sparse_levels:
                if not any(cell([*prefix, i, *tail]) != 0 for tail in itertools.product(*rest)):
                    continue
                indices[level].append(i)
            visit([*prefix, i])
        segments[level].append(len(indices[level]))

    visit([])

    def vector(kind: str, numbers: list[int]) -> tuple[int, Any]:
        number, cls = INDEX_VECTORS[kind]
        return number, cls(values=np.array(numbers, kind))

    metadata = []
    for level in range(levels):
        entry = schema.DimensionMetadataT(format=0, denseSize=level_sizes[level])
        if level in sparse_levels:
            kinds = [
                kind if isinstance(kind, str) else kind[level]
                for kind in (segment_types, index_types)
            ]
            entry = schema.DimensionMetadataT(format=1)
            entry.arraySegmentsType, entry.arraySegments = vector(kinds[0], segments[level])
            entry.arrayIndicesType, entry.arrayIndices = vector(kinds[1], indices[level])
        metadata.append(entry)
    sparsity = schema.SparsityParametersT(
        traversalOrder=np.array(order, np.int32), dimMetadata=metadata
    )
    if block_map:
        sparsity.blockMap = np.array(block_map, np.int32)
    return np.array(values, dense.dtype), sparsity
