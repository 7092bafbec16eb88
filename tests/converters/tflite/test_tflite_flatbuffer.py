"""Reading TFLite files: damage of every kind is refused with one kind of error."""

from __future__ import annotations

import random
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ort_sparse.converters.tflite import flatbuffer
from ort_sparse.converters.tflite.densify import densify, prepare_for_tf2onnx
from ort_sparse.converters.tflite.flatbuffer import verify_flatbuffer
from ort_sparse.converters.tflite.layout import LAYOUT, Vector, fields_of
from ort_sparse.converters.tflite.model import data_of, pack_model, read_model, tensor_name
from ort_sparse.errors import InvalidModelError, OrtSparseError, UnsupportedModelError

pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
from ai_edge_litert import schema_py_generated as schema
from tflite_builder import FileBuilder, pack, unpack


def small_file() -> FileBuilder:
    """A sparse fully connected layer with every kind of object round it."""
    file = FileBuilder()
    weights = np.zeros((4, 8), np.float16)
    weights[1, 3], weights[2, 5] = 1, 2
    x = file.tensor("x", (1, 8), shape_signature=(-1, 8))
    source = file.sparse("weights", weights, segment_types="uint8", index_types="uint16")
    half = file.tensor("half", weights.shape, "float16")
    full = file.tensor("full", weights.shape)
    bias = file.constant("bias", np.ones(4, np.float32))
    y = file.tensor("y", (1, 4), shape_signature=(-1, 4))
    file.operator("DENSIFY", [source], [half], schema.DensifyOptionsT())
    file.operator("DEQUANTIZE", [half], [full], schema.DequantizeOptionsT())
    file.operator("FULLY_CONNECTED", [x, full, bias], [y], schema.FullyConnectedOptionsT())
    file.signature({"image": x}, {"scores": y})
    file.subgraph.tensors[x].quantization = schema.QuantizationParametersT(
        details=schema.CustomQuantizationT(custom=np.ones(3, np.uint8)), detailsType=1
    )
    file.model.metadata = [schema.MetadataT(name=b"about", buffer=0)]
    file.finish([x], [y])
    return file


SMALL = pack(small_file().model)


def convert_up_to_tf2onnx(data: bytes) -> bytes:
    model = read_model(data)
    densify(model, len(data))
    result: bytes = prepare_for_tf2onnx(model)
    return result


def test_reads_a_sound_file() -> None:
    model = read_model(SMALL)
    assert [tensor_name(tensor) for tensor in model.subgraphs[0].tensors] == [
        "x",
        "weights",
        "half",
        "full",
        "bias",
        "y",
    ]
    convert_up_to_tf2onnx(SMALL)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"TFL3", "is no TFLite model: its bytes 4 to 7 must be b'TFL3', but are b''"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), r"but are b'\\r\\n\\x1a\\n'"),
        (b"\x00\x00\x00\x00TFL3", "model has an offset of 0"),
        (b"\x08\x00\x00\x00TFL3", "model is cut short: it needs bytes 8 to 11, but .* has 8"),
        (b"\xff\xff\xff\xffTFL3", "model is cut short"),
        (b"\x08\0\0\0TFL3" + struct.pack("<i", 100), "has its vtable at -92, before the file"),
        (b"\x08\0\0\0TFL3" + struct.pack("<i", -100), "cut short: it needs bytes 108 to 111"),
        (b"\x0c\0\0\0TFL3\x02\0\4\0\4\0\0\0", "has a vtable of 2 bytes for 4 bytes"),
        (b"\x0c\0\0\0TFL3\x04\0\2\0\4\0\0\0", "has a vtable of 4 bytes for 2 bytes"),
        (b"\x0c\0\0\0TFL3\x04\0\4\0\4\0\0\0", "it has no subgraph"),
    ],
)
def test_refuses_what_is_no_model(data: bytes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=message):
        read_model(data)


def test_refuses_a_string_without_end() -> None:
    position = SMALL.index(b"\4\0\0\0bias\0") + 8
    data = SMALL[:position] + b"x" + SMALL[position + 1 :]
    message = r"tensors\[4\].name is a string without a terminating zero"
    with pytest.raises(InvalidModelError, match=message):
        read_model(data)


def test_refuses_a_vector_that_is_cut_short() -> None:
    position = SMALL.index(b"\4\0\0\0bias\0")
    data = SMALL[:position] + b"\xff\xff\xff\x7f" + SMALL[position + 4 :]
    with pytest.raises(InvalidModelError, match=r"tensors\[4\].name is cut short: it needs bytes"):
        read_model(data)


def test_every_truncation_is_refused() -> None:
    for length in range(len(SMALL) - 3):
        with pytest.raises(InvalidModelError):
            read_model(SMALL[:length])


def test_every_changed_byte_is_refused_or_harmless() -> None:
    rng = random.Random(0)
    for position in range(len(SMALL)):
        data = bytearray(SMALL)
        data[position] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        try:
            convert_up_to_tf2onnx(bytes(data))
        except OrtSparseError:
            continue


@pytest.mark.parametrize(
    "file", ["face_detection_full_range_sparse.tflite", "selfie_segmentation.tflite"]
)
def test_mutants_of_real_files_are_refused_or_harmless(shared_models: Path, file: str) -> None:
    data = (shared_models / file).read_bytes()
    rng = random.Random(1)
    for _ in range(60):
        mutant = bytearray(data[: rng.choice([len(data), rng.randrange(len(data))])])
        for _ in range(rng.choice([1, 4, 40])):
            mutant[rng.randrange(len(mutant))] = rng.choice([0, 1, 0x80, 0xFF])
        try:
            convert_up_to_tf2onnx(bytes(mutant))
        except OrtSparseError:
            continue


def shared_vectors(count: int, size: int) -> bytes:
    """A file where ``count`` buffers are one and the same table."""
    buffer = pack(schema.ModelT(buffers=[schema.BufferT(data=np.zeros(size, np.uint8))] * 1))
    root = struct.unpack_from("<I", buffer)[0]
    model = schema.Model.GetRootAsModel(buffer)
    table = model.Buffers(0)._tab.Pos
    out = bytearray(buffer)
    vector = len(out)
    out += struct.pack("<I", count)
    for index in range(count):
        # Offsets are unsigned, so the shared table has to lie behind the vector.
        out += struct.pack("<I", count * 4 - 4 * index)
    moved = len(out)
    tail = buffer[table:]
    out += tail
    vtable = table - struct.unpack_from("<i", buffer, table)[0]
    struct.pack_into("<i", out, moved, moved - vtable)
    field = root + model._tab.Offset(12)
    struct.pack_into("<I", out, field, vector - field)
    return bytes(out)


def test_sharing_is_limited() -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidModelError, match=r"model.buffers\[\d+\].* shared so much"):
        verify_flatbuffer(shared_vectors(count=20_000, size=100_000))
    assert time.perf_counter() - start < 5


def test_number_of_tables_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffer, "MAX_TABLES", 10)
    with pytest.raises(InvalidModelError, match="is table 11, but a file may have 10"):
        verify_flatbuffer(SMALL)


Mutation = Callable[[FileBuilder], object]


def set_in(path: str, value: Any) -> Mutation:
    """Return a mutation that sets an attribute or item of the model."""

    def apply(file: FileBuilder) -> None:
        target: Any = file.model
        *parents, last = re.findall(r"\w+", path)
        for name in parents:
            target = target[int(name)] if name.isdigit() else getattr(target, name)
        if last.isdigit():
            target[int(last)] = value
        else:
            setattr(target, last, value)

    return apply


TENSOR = "subgraphs[0].tensors"
OPERATOR = "subgraphs[0].operators"
CONTRADICTIONS = [
    (set_in("subgraphs", None), "it has no subgraph"),
    (set_in(f"{TENSOR}[4].buffer", 99), "buffer of tensor 'bias' must lie in 0..2, but is 99"),
    (set_in(f"{TENSOR}[4].shape", np.array([-4], np.int32)), "but its shape is (-4,)"),
    (
        set_in(f"{TENSOR}[4].shape", np.array([2**30] * 4, np.int32)),
        f"needs {4 * 2**120} bytes, but its buffer has 16",
    ),
    (
        set_in(f"{TENSOR}[4].shape", np.array([5], np.int32)),
        "needs 20 bytes, but its buffer has 16",
    ),
    (
        set_in(f"{TENSOR}[4].shape", np.full(100_000, 2**31 - 1, np.int32)),
        "tensor 'bias': its rank must be at most 32, but is 100000",
    ),
    (set_in(f"{TENSOR}[4].shape", np.array([2, -2], np.int32)), "but its shape is (2, -2)"),
    (set_in(f"{TENSOR}[4].buffer", 0), "'bias': operator FULLY_CONNECTED reads it, but it has no"),
    (set_in(f"{TENSOR}[0].shapeSignature", np.array([-2, 8], np.int32)), "does not fit its shape"),
    (set_in(f"{TENSOR}[0].shapeSignature", np.array([-1], np.int32)), "does not fit its shape"),
    (set_in("subgraphs[0].inputs[0]", 6), "input of subgraph 0 must lie in 0..5, but is 6"),
    (set_in("subgraphs[0].outputs[0]", -1), "output of subgraph 0 must lie in 0..5, but is -1"),
    (set_in("subgraphs[0].inputs[0]", 4), "input 'bias': must not be a constant"),
    (set_in(f"{OPERATOR}[2].opcodeIndex", 3), "operator code must lie in 0..2, but is 3"),
    (set_in(f"{OPERATOR}[2].inputs[0]", 6), "operator 2 of subgraph 0: input must lie in -1..5"),
    (set_in(f"{OPERATOR}[2].outputs[0]", -2), "operator 2 of subgraph 0: output must lie in"),
    (set_in(f"{OPERATOR}[1].outputs[0]", 4), "'bias': operator DEQUANTIZE computes it, but it is"),
    (set_in(f"{OPERATOR}[2].outputs[0]", 3), "'full': operator FULLY_CONNECTED computes it, but"),
    (set_in(f"{OPERATOR}[1].inputs[0]", 5), "'y': operator DEQUANTIZE reads it, but it has no"),
    (set_in("signatureDefs[0].subgraphIndex", 1), "signature 'serving_default': subgraph must"),
    (set_in("signatureDefs[0].inputs[0].tensorIndex", 9), "'serving_default': tensor must lie"),
    (set_in(f"{OPERATOR}[0].inputs", np.array([4], np.int32)), "'bias': DENSIFY reads it, so it"),
    (set_in(f"{OPERATOR}[0].inputs", np.array([-1], np.int32)), "DENSIFY: must have one input"),
    (set_in(f"{OPERATOR}[0].inputs", None), "DENSIFY: must have one input and one output"),
    (set_in(f"{TENSOR}[2].type", 0), "'half': must be FLOAT16 of shape (4, 8) as what DENSIFY"),
    (set_in(f"{TENSOR}[1].buffer", 0), "'weights': the buffer must hold 2 values, but found 0"),
    (set_in(f"{TENSOR}[1].sparsity.dimMetadata", None), "dim_metadata must be there"),
    (set_in(f"{OPERATOR}[2].inputs", np.array([0], np.int32)), "must have an input and weights"),
]


@pytest.mark.parametrize(("mutate", "message"), CONTRADICTIONS)
def test_refuses_contradictions(mutate: Mutation, message: str) -> None:
    file = small_file()
    mutate(file)
    with pytest.raises(InvalidModelError) as caught:
        convert_up_to_tf2onnx(pack(file.model))
    assert message in str(caught.value)


def test_refuses_data_in_another_file() -> None:
    file = small_file()
    file.subgraph.tensors[4].externalBuffer = 1
    with pytest.raises(UnsupportedModelError, match="'bias': its data lies in another file"):
        read_model(pack(file.model))


def test_buffers_by_offset() -> None:
    file = small_file()
    bias = file.subgraph.tensors[4]
    content = np.arange(4, dtype=np.float32)
    offset = len(SMALL) + 4096
    file.model.buffers[bias.buffer] = schema.BufferT(offset=offset, size=16)
    data = pack(file.model).ljust(offset, b"\0") + content.tobytes()

    again = unpack(pack_model(read_model(data)))
    buffer = again.buffers[bias.buffer]
    assert (buffer.offset, buffer.size) == (0, 0)
    np.testing.assert_array_equal(buffer.data.view(np.float32), content)
    with pytest.raises(
        InvalidModelError, match=f"has 16 bytes at {offset}, but .* {len(data) - 1}"
    ):
        read_model(data[:-1])


def test_many_buffers_at_one_offset_are_refused() -> None:
    file = small_file()
    file.model.buffers += [schema.BufferT(offset=2, size=1000) for _ in range(100)]
    data = pack(file.model)
    with pytest.raises(InvalidModelError, match="its buffers hold 100000 bytes, more than 4 times"):
        read_model(data)


def fully_connected(shape: tuple[int, ...], options: Any) -> bytes:
    file = FileBuilder()
    x = file.tensor("x", shape)
    weights = file.constant("weights", np.ones((4, 8), np.float32))
    y = file.tensor("y", (1, 4))
    file.operator("FULLY_CONNECTED", [x, weights], [y], options)
    return file.finish([x], [y])


def test_options_of_another_operator_count_as_none() -> None:
    options = schema.EmbeddingLookupSparseOptionsT()
    model = unpack(convert_up_to_tf2onnx(fully_connected((1, 2, 8), options)))
    names = [model.operatorCodes[o.opcodeIndex].builtinCode for o in model.subgraphs[0].operators]
    assert names == [schema.BuiltinOperator.RESHAPE, schema.BuiltinOperator.FULLY_CONNECTED]


def test_a_flattened_input_of_too_many_rows_is_refused() -> None:
    data = fully_connected((2**16, 2**16, 8), schema.FullyConnectedOptionsT())
    with pytest.raises(UnsupportedModelError, match="'x': FULLY_CONNECTED flattens it to 42949672"):
        convert_up_to_tf2onnx(data)


def test_constants_that_share_a_buffer_are_limited() -> None:
    file = FileBuilder()
    x, y = file.tensor("x", (1,)), file.tensor("y", (1,))
    constants = [file.constant("c", np.zeros(2**20, np.float32))]
    constants += [file.tensor("c", (2**20,)) for _ in range(200)]
    for index in constants:
        file.subgraph.tensors[index].buffer = 1
    file.operator("RELU", [x], [y])
    message = f"the constants of all tensors take {201 * 2**22} bytes, more than the"
    with pytest.raises(UnsupportedModelError, match=message):
        convert_up_to_tf2onnx(file.finish([x], [y, *constants]))


def test_packed_buffers_are_aligned() -> None:
    data = pack_model(read_model(SMALL))
    model = unpack(data)
    start = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    for tensor in model.subgraphs[0].tensors:
        found = data_of(model, tensor)
        if found is not None:
            assert (found.__array_interface__["data"][0] - start) % 16 == 0


class _Recorder:
    """Stands in for a flatbuffers builder and notes which field a generated function writes."""

    def __init__(self) -> None:
        self.call: tuple[str, int] = ("", 0)

    def __getattr__(self, name: str) -> Callable[..., None]:
        def record(slot: int, *_: object) -> None:
            self.call = (name, slot)

        return record


def test_layout_agrees_with_the_generated_schema() -> None:
    tables = [name[:-5] for name in vars(schema) if name.endswith("Start")]
    sizes = {"Bool": "bool", "Int8": "byte", "Uint8": "ubyte", "Int32": "int", "Uint32": "uint"}
    sizes |= {"Int64": "long", "Uint64": "ulong", "Float32": "float"}
    checked = 0
    for name, function in vars(schema).items():
        table = max((t for t in tables if name.startswith(f"{t}Add")), key=len, default=None)
        if table is None or not callable(function) or isinstance(function, type):
            continue
        recorder = _Recorder()
        function(recorder, 0)
        call, slot = recorder.call
        kind = call.removeprefix("Prepend").removesuffix("Slot")
        if table not in LAYOUT:
            assert kind != "UOffsetTRelative", f"{table} holds offsets and is not in LAYOUT"
            continue
        field = fields_of(table)[slot]
        assert field.name.replace("_", "") == name.removeprefix(f"{table}Add").lower()
        if kind == "UOffsetTRelative":
            assert isinstance(field.kind, Vector) or field.kind not in sizes.values()
        else:
            assert field.kind == sizes[kind]
        checked += 1
    assert checked > 130
