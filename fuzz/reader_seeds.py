"""Seeds and dictionary of the fuzzers of the TFLite reader: small files with sparse tensors."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "converters" / "tflite"))
from tflite_builder import FileBuilder, densify_file, schema

NUMBERS = (0, 1, 2**8, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def write_seeds(folder: Path) -> None:
    """Write one file for each way of storing a sparse tensor, and one with every other object."""
    weights = np.zeros((4, 8), np.float32)
    weights[1, 3] = weights[2, 4] = weights[2, 5] = 1
    files = {
        "rows": densify_file(weights),
        "columns": densify_file(weights, order=[1, 0], sparse_levels=[1]),
        "blocks": densify_file(weights, block_map=[1], block_sizes=[4], sparse_levels=[1]),
        "small_indices": densify_file(weights, segment_types="uint8", index_types="uint16"),
        "float16": densify_file(weights.astype(np.float16), sparse_levels=[0, 1]),
        "network": _network(weights.astype(np.float16)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def write_dictionary(path: Path) -> None:
    """Write the identifier of TFLite files and numbers beside limits as libFuzzer's dictionary."""
    tokens = [b"TFL3", *(number.to_bytes(4, "little") for number in NUMBERS)]
    lines = ("".join(f"\\x{byte:02x}" for byte in token) for token in tokens)
    path.write_text("".join(f'"{line}"\n' for line in lines))


def _network(weights: np.ndarray) -> bytes:
    """Return a fully connected layer, with a signature, quantization and metadata."""
    file = FileBuilder()
    x = file.tensor("x", (1, 8), shape_signature=(-1, 8))
    source = file.sparse("weights", weights)
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
    return file.finish([x], [y])
