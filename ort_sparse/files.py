"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InvalidArgumentError, OrtSparseError

if TYPE_CHECKING:
    import onnx

__all__ = ["check_output", "write_atomically", "write_model"]

MAX_MODEL_BYTES = 2**31 - 1
"""Of a file that can be an ONNX model, by the limit of protobuf."""

MIN_EXTERNAL_BYTES = 1024
"""Size from which on a constant is stored outside; smaller ones may be needed as a model loads."""

ALIGNMENT = 64
"""Of constants in a file of their own, in bytes: what the widest vector instructions like."""


def check_output(
    path: Path, *, force: bool = False, external_data: bool = False, source: Path | None = None
) -> None:
    """Refuse a place that cannot or should not be written before work is done for it.

    Parameters
    ----------
    path : pathlib.Path
    force : bool
        Whether a file that ort_sparse did not write may be overwritten. It is known by an
        ONNX model's metadata; files in other formats never count as written by ort_sparse.
    external_data : bool
        Whether `write_model` is to write a file of weights beside it.
    source : pathlib.Path, optional
        The model that is converted. What is the same model may be overwritten too: conversion
        returns a model as it was where nothing in it becomes sparse.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist or cannot be written, something that is no ordinary file
        has that name, or a file is there that may not be overwritten.
    """
    target = _target(path)
    if not target.parent.is_dir():
        raise InvalidArgumentError(f"{path}: cannot be written: No such file or directory")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InvalidArgumentError(f"{path}: cannot be written: Permission denied")
    if force:
        return
    data = _data_path(path)
    kept = [] if not target.exists() or _is_replaceable(target, source) else [path]
    if external_data and _target(data).exists() and not _has_weights_in(target, data.name):
        kept.append(data)
    for found in kept:
        raise InvalidArgumentError(
            f"{found}: is there already, and must not be overwritten without --force, "
            "because ort_sparse did not write it"
        )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside its place, then rename it.

    A symbolic link stays one; the file that it leads to is written.

    Raises
    ------
    InvalidArgumentError
        If the folder does not exist or cannot be written, the disk is full, or something that is
        no ordinary file has that name; nothing is left behind, and an older file stays.
    """
    target = _target(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=".ort_sparse_", dir=target.parent)
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        os.unlink(temporary)
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from error
    except BaseException:
        os.unlink(temporary)
        raise


def write_model(path: Path, model: onnx.ModelProto, *, external_data: bool = False) -> int:
    """Write an ONNX model and return the bytes it takes.

    Parameters
    ----------
    path : pathlib.Path
    model : onnx.ModelProto
        A model that holds its weights.
    external_data : bool
        Whether constants from `MIN_EXTERNAL_BYTES` on are to lie in a file beside it, named like
        it with ``.data`` behind. ONNX Runtime maps such a file into memory.

    Raises
    ------
    InvalidArgumentError
        As `write_atomically`.
    """
    if not external_data:
        content = model.SerializeToString()
        write_atomically(path, content)
        return len(content)
    data_path = _data_path(path)
    model, data = _split(model, data_path.name)
    content = model.SerializeToString()
    write_atomically(data_path, data)
    write_atomically(path, content)
    return len(content) + len(data)


def _data_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.data")


def _is_replaceable(path: Path, source: Path | None) -> bool:
    """Whether a file is a model that we wrote, or no other model than ``source``."""
    from .model_notes import is_marked
    from .source import read_source

    try:
        if path.stat().st_size > MAX_MODEL_BYTES:
            return False
        model = read_source(path).onnx
        if model is None or is_marked(model):
            return model is not None
        return source is not None and read_source(source).onnx == model
    except (OSError, OrtSparseError):
        return False


def _has_weights_in(path: Path, location: str) -> bool:
    """Whether a file is a model that we wrote, with weights in the file named ``location``."""
    import onnx
    from google.protobuf.message import DecodeError

    from .model_notes import is_marked

    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except (OSError, DecodeError):
        return False
    entries = (entry for tensor in model.graph.initializer for entry in tensor.external_data)
    return is_marked(model) and any(entry.value == location for entry in entries)


def _split(model: onnx.ModelProto, location: str) -> tuple[onnx.ModelProto, bytes]:
    """Return a copy of a model without its larger constants, and the file that has them."""
    from onnx.external_data_helper import set_external_data

    data = bytearray()
    result = type(model)()
    result.CopyFrom(model)
    for tensor in result.graph.initializer:
        if len(tensor.raw_data) < MIN_EXTERNAL_BYTES:
            continue
        data.extend(bytes(-len(data) % ALIGNMENT))
        set_external_data(tensor, location, len(data), len(tensor.raw_data))
        data.extend(tensor.raw_data)
        tensor.ClearField("raw_data")
    return result, bytes(data)


def _target(path: Path) -> Path:
    """Return the file that ``path`` leads to; renaming over a device or pipe would remove it."""
    target = Path(os.path.realpath(path))
    is_loop = target.is_symlink()
    if is_loop or (target.exists() and not target.is_file()):
        raise InvalidArgumentError(f"{path}: cannot be written: is no ordinary file")
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
