"""Sparse tensors: decoding, and refusal of those that contradict themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ort_sparse.converters.tflite import run, sparse_tensors_of
from ort_sparse.converters.tflite.sparsity import decode_sparse
from ort_sparse.errors import InvalidModelError, UnsupportedModelError

pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from tflite_builder import FileBuilder, densify_file, encode

LIMIT = 2**20


@st.composite
def cases(draw: st.DrawFn, *, litert: bool = False) -> tuple[NDArray[Any], dict[str, Any]]:
    """Draw an array with zeros and a way to encode it; with ``litert`` one that LiteRT knows."""
    rank = draw(st.integers(1, 4))
    outer = draw(st.lists(st.integers(1, 4), min_size=rank, max_size=rank))
    axes = st.lists(st.integers(0, rank - 1), max_size=2, unique=litert)
    block_map = sorted(draw(axes)) if litert else draw(axes)
    block_sizes = [draw(st.integers(1, 3)) for _ in block_map]
    shape = list(outer)
    for axis, size in zip(block_map, block_sizes, strict=True):
        shape[axis] *= size
    levels = rank + len(block_map)
    if litert:
        order = [*draw(st.permutations(range(rank))), *range(rank, levels)]
    else:
        order = draw(st.permutations(range(levels)))
    free = [level for level in range(levels) if order[level] < rank]
    sparse_levels = [level for level in free if draw(st.booleans())]
    dtype = draw(st.sampled_from(["float32", "float16", "int8"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.integers(-100, 100, shape)
    array = (values * (rng.random(shape) < draw(st.sampled_from([0, 0.1, 0.5, 1])))).astype(dtype)
    kinds = st.lists(
        st.sampled_from(["int32", "uint16", "uint8"]), min_size=levels, max_size=levels
    )
    return array, {
        "order": order,
        "block_map": block_map,
        "block_sizes": block_sizes,
        "sparse_levels": sparse_levels,
        "segment_types": draw(st.just("int32") if np.prod(shape) > 255 else kinds),
        "index_types": draw(kinds),
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_decodes_what_was_encoded(case: tuple[NDArray[Any], dict[str, Any]]) -> None:
    array, options = case
    values, sparsity = encode(array, **options)
    decoded = decode_sparse(values, array.shape, sparsity, name="t", max_bytes=LIMIT)
    assert decoded.dtype == array.dtype
    np.testing.assert_array_equal(decoded, array)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(litert=True))
def test_decodes_like_litert(case: tuple[NDArray[Any], dict[str, Any]]) -> None:
    array, options = case
    expected = run(densify_file(array, **options), {})["dense"]
    values, sparsity = encode(array, **options)
    decoded = decode_sparse(values, array.shape, sparsity, name="t", max_bytes=LIMIT)
    np.testing.assert_array_equal(decoded, expected)


@pytest.mark.parametrize(
    ("file", "count", "zeros"),
    [("pose_detection", 38, 0.75), ("face_detection_full_range_sparse", 46, 0.70)],
)
def test_real_models(shared_models: Path, file: str, count: int, zeros: float) -> None:
    tensors = sparse_tensors_of((shared_models / f"{file}.tflite").read_bytes())
    assert len(tensors) == count
    cells = sum(int(np.prod(tensor.shape)) for tensor in tensors)
    assert sum(tensor.zeros for tensor in tensors) / cells == pytest.approx(zeros, abs=0.005)
    assert all(tensor.dtype == np.float16 for tensor in tensors)
    assert all(0 < tensor.stored_bytes < 2 * np.prod(tensor.shape) for tensor in tensors)


def blocked() -> tuple[NDArray[Any], Any, tuple[int, ...]]:
    """A 4 x 6 matrix with blocks of 1 x 2: levels 0 DENSE 4, 1 CSR 3, 2 DENSE 2."""
    array = np.zeros((4, 6), np.float32)
    array[0, 2:6] = [1, 2, 3, 4]
    array[2, 0:2] = [5, 6]
    array[3, 4:6] = [7, 8]
    values, sparsity = encode(array, block_map=[1], block_sizes=[2], sparse_levels=[1])
    return values, sparsity, array.shape


def change(level: int, **fields: Any) -> Callable[[Any], None]:
    def apply(sparsity: Any) -> None:
        for name, value in fields.items():
            setattr(sparsity.dimMetadata[level], name, value)

    return apply


def replace(**fields: Any) -> Callable[[Any], None]:
    def apply(sparsity: Any) -> None:
        for name, value in fields.items():
            setattr(sparsity, name, value)

    return apply


def vector(*numbers: int) -> Any:
    return schema.Int32VectorT(values=np.array(numbers, np.int32))


def ints(*numbers: int) -> NDArray[np.int32]:
    return np.array(numbers, np.int32)


# The untouched tensor has segments 0 2 2 3 4 and indices 1 2 0 2 in level 1.
MALFORMED = [
    (replace(traversalOrder=None), "traversal_order must be there, but found none"),
    (replace(dimMetadata=None), "dim_metadata must be there, but found none"),
    (replace(blockMap=None), "entries (rank 2 and 0 blocks), but found 3 and 3"),
    (replace(traversalOrder=ints(0, 1)), "must have 3 entries"),
    (replace(traversalOrder=ints(0, 1, 1)), "permutation of 0..2, but found [0, 1, 1]"),
    (replace(traversalOrder=ints(0, 1, 3)), "permutation of 0..2, but found [0, 1, 3]"),
    (replace(traversalOrder=ints(0, -1, 2)), "permutation of 0..2, but found [0, -1, 2]"),
    (replace(blockMap=ints(2)), "block_map must lie in 0..1, but found [2]"),
    (replace(blockMap=ints(-1)), "block_map must lie in 0..1, but found [-1]"),
    (replace(blockMap=ints(*[1] * 33)), "block_map must have at most 32 entries, but found 33"),
    (change(2, denseSize=0), "must be positive and divide dimension 1, which is 6, but found 0"),
    (change(2, denseSize=-2), "must be positive and divide dimension 1, which is 6, but found -2"),
    (change(2, denseSize=4), "must be positive and divide dimension 1, which is 6, but found 4"),
    (change(2, denseSize=12), "must be positive and divide dimension 1, which is 6, but found 12"),
    (change(2, format=1), "level 2 is inside a block and must be DENSE, but found format 1"),
    (change(1, format=7), "level 1 must be DENSE or SPARSE_CSR, but found format 7"),
    (change(0, denseSize=5), "level 0 is DENSE and must have size 4, but found 5"),
    (change(0, denseSize=-4), "level 0 is DENSE and must have size 4, but found -4"),
    (change(1, arraySegments=None), "segments of level 1 must be there, but found none"),
    (change(1, arrayIndices=None), "indices of level 1 must be there, but found none"),
    (change(1, arraySegments=schema.Int32VectorT()), "segments of level 1 must be there"),
    (change(1, arraySegments=vector()), "segments of level 1 must not be empty"),
    (change(1, arraySegments=vector(1, 2, 2, 3, 4)), "must start with 0, but found 1"),
    (change(1, arraySegments=vector(0, 2, 1, 3, 4)), "must not decrease, but found a step of -1"),
    (change(1, arraySegments=vector(0, -2, 2, 3, 4)), "must not decrease, but found a step of -2"),
    (change(1, arraySegments=vector(0, 2, 2, 3, 5)), "number of indices, 4, but found 5"),
    (change(1, arraySegments=vector(0, 2, 2, 3, 3)), "number of indices, 4, but found 3"),
    (change(1, arraySegments=vector(0, 2, 3, 4)), "must have 5 segments, but found 4"),
    (change(1, arrayIndices=vector(-1, 2, 0, 2)), "must lie in 0..2, but found -1..2"),
    (change(1, arrayIndices=vector(1, 3, 0, 2)), "must lie in 0..2, but found 0..3"),
    (change(1, arrayIndices=vector(2, 2, 0, 2)), "strictly increasing within a segment"),
    (change(1, arrayIndices=vector(2, 1, 0, 2)), "but found entry 1 out of order"),
]


@pytest.mark.parametrize(("mutate", "message"), MALFORMED)
def test_refuses_contradictions(mutate: Callable[[Any], None], message: str) -> None:
    values, sparsity, shape = blocked()
    decode_sparse(values, shape, sparsity, name="weights", max_bytes=LIMIT)
    mutate(sparsity)
    with pytest.raises(InvalidModelError, match=r"^sparse tensor 'weights': ") as caught:
        decode_sparse(values, shape, sparsity, name="weights", max_bytes=LIMIT)
    assert message in str(caught.value)


@pytest.mark.parametrize("count", [0, 7, 9])
def test_refuses_wrong_number_of_values(count: int) -> None:
    _, sparsity, shape = blocked()
    with pytest.raises(InvalidModelError, match=f"must hold 8 values, but found {count}$"):
        decode_sparse(np.ones(count, np.float32), shape, sparsity, name="w", max_bytes=LIMIT)


@pytest.mark.parametrize("shape", [(), (0, 6), (4, -6)])
def test_refuses_shapes_without_cells(shape: tuple[int, ...]) -> None:
    values, sparsity, _ = blocked()
    with pytest.raises(InvalidModelError, match=re.escape(f"found shape {shape}")):
        decode_sparse(values, shape, sparsity, name="w", max_bytes=LIMIT)


def test_refuses_a_dense_form_out_of_proportion_before_allocating() -> None:
    huge = 2**31 - 1
    sparsity = schema.SparsityParametersT(
        traversalOrder=ints(0, 1),
        dimMetadata=[
            schema.DimensionMetadataT(
                format=1, arraySegments=vector(0, 1), arrayIndices=vector(huge - 1)
            ),
            schema.DimensionMetadataT(
                format=1, arraySegments=vector(0, 1), arrayIndices=vector(huge - 1)
            ),
        ],
    )
    with pytest.raises(UnsupportedModelError, match=f"dense form of {huge * huge} bytes exceeds"):
        decode_sparse(np.ones(1, np.int8), (huge, huge), sparsity, name="w", max_bytes=LIMIT)


def test_refuses_many_nodes_before_allocating() -> None:
    sparsity = schema.SparsityParametersT(
        traversalOrder=ints(0, 1),
        dimMetadata=[schema.DimensionMetadataT(denseSize=2**30) for _ in range(2)],
    )
    with pytest.raises(InvalidModelError, match=f"must hold {2**60} values, but found 1"):
        decode_sparse(np.ones(1, np.int8), (2**30, 2**30), sparsity, name="w", max_bytes=2**62)


def test_refuses_other_types() -> None:
    file = FileBuilder()
    source = file.sparse("weights", np.eye(3, dtype=np.int32))
    target = file.tensor("dense", (3, 3), "int32")
    file.operator("DENSIFY", [source], [target])
    message = r"'weights': its type must be .* but is INT32"
    with pytest.raises(UnsupportedModelError, match=message):
        sparse_tensors_of(file.finish([], [target]))


def test_refuses_part_of_a_value() -> None:
    file = FileBuilder()
    values, sparsity = encode(np.eye(3, dtype=np.float32))
    data = values.view(np.uint8)[:-1]
    file.tensor("weights", (3, 3), data=data, sparsity=sparsity)
    with pytest.raises(InvalidModelError, match="whole values of 4 bytes, but found 11 bytes"):
        sparse_tensors_of(file.finish([], []))


def test_the_limit_holds_for_all_tensors_of_a_file_together() -> None:
    file = FileBuilder()
    for number in range(5):
        _, sparsity = encode(np.zeros((4, 1), np.int8), sparse_levels=[0])
        sparsity.dimMetadata[1].denseSize = 2**22
        file.tensor(f"t{number}", (4, 2**22), "int8", sparsity=sparsity)
    with pytest.raises(UnsupportedModelError, match=f"'t4': .* {2**24} bytes exceeds the 0 bytes"):
        sparse_tensors_of(file.finish([], []))
