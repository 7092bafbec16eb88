"""Seeded damage to model files: of bytes, of TFLite objects and of ONNX messages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, numpy_helper

EXTREMES = (
    *(0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536),
    *(2**24, 2**30, 2**31 - 1, -1, -2, -128, -(2**15), -(2**31)),
)

Damage = Callable[[random.Random, bytearray], object]


def mutate(data: bytes, name: str, number: int) -> bytes:
    """Return mutant ``number`` of a file; equal arguments give equal bytes."""
    rng = random.Random(f"{name} {number}")
    objects = mutate_tflite if data[4:8] == b"TFL3" else mutate_onnx
    if number % 2:
        return objects(data, rng)
    mutant = bytearray(data)
    rng.choice(BYTE_DAMAGE)(rng, mutant)
    return bytes(mutant)


def place(rng: random.Random, data: bytearray) -> int:
    """Return a position, most often near an end, where files keep their structure."""
    if rng.random() < 0.3:
        return rng.randrange(len(data))
    near = rng.randrange(min(len(data), 4096))
    return rng.choice([near, len(data) - 1 - near])


def flip_bits(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 2, 8, 64])):
        data[place(rng, data)] ^= 1 << rng.randrange(8)


def overwrite_run(rng: random.Random, data: bytearray) -> None:
    start, size = place(rng, data), rng.choice([4, 16, 64, 1024])
    size = min(size, len(data) - start)
    data[start : start + size] = (
        rng.randbytes(size) if rng.random() < 0.5 else bytes([rng.choice([0, 1, 127, 255])]) * size
    )


def truncate(rng: random.Random, data: bytearray) -> None:
    del data[place(rng, data) :]


def splice(rng: random.Random, data: bytearray) -> None:
    """Copy a piece over, into, or out of another place."""
    start, size = place(rng, data), rng.choice([1, 4, 32, 512, 8192])
    piece = data[start : start + size]
    target = place(rng, data)
    replaced = rng.choice([0, len(piece)])
    data[target : target + replaced] = rng.choice([piece, b""])


def set_integers(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice([1, 1, 4, 16])):
        width = rng.choice([1, 2, 4, 8])
        start = place(rng, data) // width * width
        value = rng.choice(EXTREMES) % 2 ** (8 * width)
        data[start : start + width] = value.to_bytes(width, "little")[: len(data) - start]


BYTE_DAMAGE: tuple[Damage, ...] = (flip_bits, overwrite_run, truncate, splice, set_integers)


def mutate_tflite(data: bytes, rng: random.Random) -> bytes:
    """Change a few fields of the objects in a file, and write it with every offset sound."""
    from tflite_builder import pack, unpack

    model = unpack(data)
    for _ in range(rng.choice([1, 2, 4, 8])):
        change_object(rng, model)
    try:
        return pack(model)
    except Exception:  # the writer refuses some numbers; then the next ones
        return mutate_tflite(data, rng)


def change_object(rng: random.Random, owner: Any) -> None:
    """Walk from ``owner`` along random fields, and change the number or list at the end."""
    while True:
        fields = {name: value for name, value in vars(owner).items() if value is not None}
        if not fields:
            return
        lists = [name for name in sorted(fields) if isinstance(fields[name], list)]
        name = rng.choice(lists if lists and rng.random() < 0.5 else sorted(fields))
        value = fields[name]
        if isinstance(value, list) and value and hasattr(value[0], "__dict__"):
            if rng.random() < 0.03:
                change_list(rng, value)
                return
            owner = rng.choice(value)
        elif hasattr(value, "__dict__") and not isinstance(value, np.ndarray):
            if rng.random() < 0.05:
                setattr(owner, name, None)
                return
            owner = value
        else:
            setattr(owner, name, changed_value(rng, value))
            return


def change_list(rng: random.Random, items: list[Any]) -> None:
    position = rng.randrange(len(items))
    match rng.randrange(3):
        case 0:
            del items[position]
        case 1:
            items.append(items[position])
        case 2:
            items[position] = rng.choice(items)


def changed_value(rng: random.Random, value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float):
        return rng.choice([0.0, -1.0, 1e38, float("inf"), float("nan")])
    if isinstance(value, int):
        return rng.choice([*EXTREMES, value + 1, value - 1])
    if isinstance(value, bytes):
        return rng.choice([b"", value[:-1], b"\xff\xfe" * 8, b"x" * 70000])
    array = np.array(value).copy()
    if array.size == 0:
        return np.zeros(1, np.int32)
    match rng.randrange(4):
        case 0:
            return array[: rng.randrange(array.size)]
        case 1:
            return np.concatenate([array, array[: rng.choice([1, 4])]])
    with np.errstate(all="ignore"):
        array.flat[rng.randrange(array.size)] = np.array(rng.choice(EXTREMES)).astype(array.dtype)
    return array


def mutate_onnx(data: bytes, rng: random.Random) -> bytes:
    """Change a few nodes or initializers, most often those of SparseConv1x1."""
    model = onnx.ModelProto.FromString(data)
    sparse = [node for node in model.graph.node if node.domain]
    for _ in range(rng.choice([1, 1, 2, 4])):
        node = rng.choice(sparse if sparse and rng.random() < 0.8 else model.graph.node)
        used = [tensor for tensor in model.graph.initializer if tensor.name in node.input]
        match rng.randrange(4):
            case 0 | 1 if used:
                change_tensor(rng, rng.choice(used))
            case 2 if node.attribute:
                change_attribute(rng, rng.choice(node.attribute))
            case _:
                change_node(rng, node, model.graph)
    return model.SerializeToString()


def change_tensor(rng: random.Random, tensor: TensorProto) -> None:
    match rng.randrange(5):
        case 0:
            tensor.data_type = rng.randrange(1, 24)
        case 1 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(EXTREMES)
        case 2:
            tensor.dims.extend([rng.choice([0, 1, 1, 2, -1])])
        case 3 if len(tensor.raw_data) > 1:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data))]
        case _:
            change_elements(rng, tensor)


def change_elements(rng: random.Random, tensor: TensorProto) -> None:
    """Keep the tensor sound, with other numbers in it."""
    try:
        array = numpy_helper.to_array(tensor).copy()
    except Exception:  # it was damaged before
        return
    if array.size == 0:
        return
    if rng.random() < 0.2:
        array = array.astype(rng.choice([np.uint8, np.uint16, np.int32, np.int64, np.float32]))
    with np.errstate(all="ignore"):
        for _ in range(rng.choice([1, 1, 3])):
            new = rng.choice([*EXTREMES, array.flat[rng.randrange(array.size)]])
            array.flat[rng.randrange(array.size)] = np.array(new).astype(array.dtype)
    if rng.random() < 0.2:
        array = array[: rng.randrange(len(array) + 1)] if array.ndim else array
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def change_attribute(rng: random.Random, attribute: AttributeProto) -> None:
    new = rng.choice(
        [
            rng.choice(EXTREMES),
            rng.choice([2**63 - 1, -(2**63), 2**32 + 1]),
            [rng.choice(EXTREMES) for _ in range(rng.randrange(6))],
            rng.choice([float("nan"), float("inf"), -1.0, 1e38]),
            rng.choice(["prelu", "clip", "none", "silu", "x" * 1000, ""]),
        ]
    )
    kind = AttributeProto.INTS if isinstance(new, list) else None
    attribute.CopyFrom(onnx.helper.make_attribute(attribute.name, new, attr_type=kind))


def change_node(rng: random.Random, node: onnx.NodeProto, graph: onnx.GraphProto) -> None:
    names = [tensor.name for tensor in graph.initializer] + [
        name for n in graph.node for name in n.output
    ]
    match rng.randrange(5):
        case 0 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(["", *names])
        case 1 if node.input:
            del node.input[rng.randrange(len(node.input))]
        case 2:
            node.input.append(rng.choice(names))
        case 3 if node.attribute:
            del node.attribute[rng.randrange(len(node.attribute))]
        case _:
            node.attribute.add(
                name=rng.choice(["strides", "block_rows", "activation_min", "activation_alpha"]),
                type=AttributeProto.INT,
                i=rng.choice(EXTREMES),
            )
