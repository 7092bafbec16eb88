"""Reading whatever a user calls a model: a path, bytes or a ModelProto; TFLite or ONNX."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message

from .errors import InvalidArgumentError, InvalidModelError

__all__ = ["ModelSource", "Source", "read_source"]

ModelSource = str | os.PathLike[str] | bytes | onnx.ModelProto

_TFLITE_IDENTIFIER = b"TFL3"


@dataclass(frozen=True)
class Source:
    """A model that was read; exactly one of ``tflite`` and ``onnx`` is set."""

    name: str
    """What messages call it: the path, or a word for what was given."""
    tflite: bytes | None = None
    onnx: onnx.ModelProto | None = None


def read_source(source: ModelSource) -> Source:
    """Read a model.

    Files named ``.tflite`` and ``.onnx`` are taken at their word, other files and bytes by the
    identifier that TFLite files carry at byte 4.

    Raises
    ------
    InvalidArgumentError
        If ``source`` is of another type, or there is no such file.
    InvalidModelError
        If it is no model.
    """
    if isinstance(source, onnx.ModelProto):
        _check_text("model", source)
        return Source("model", onnx=source)
    if isinstance(source, bytes):
        if source[4:8] == _TFLITE_IDENTIFIER:
            return Source("model", tflite=source)
        return Source("model", onnx=_parse_onnx("model", source))
    if not isinstance(source, str | os.PathLike):
        raise InvalidArgumentError(
            f"source: must be a path, bytes or onnx.ModelProto, but is {type(source).__name__}"
        )
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidArgumentError(f"{path}: cannot be read: {error.strerror}") from error
    is_tflite = data[4:8] == _TFLITE_IDENTIFIER and path.suffix != ".onnx"
    if is_tflite or path.suffix == ".tflite":
        return Source(str(path), tflite=data)
    model = _parse_onnx(str(path), data)
    try:
        onnx.load_external_data_for_model(model, os.fspath(path.parent))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        first_line = str(error).splitlines()[0]
        raise InvalidModelError(f"{path}: external data: {first_line}") from error
    return Source(str(path), onnx=model)


def _parse_onnx(name: str, data: bytes) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise InvalidModelError(f"{name}: is neither a TFLite file nor an ONNX model") from error
    if not model.HasField("graph") or not model.opset_import:
        raise InvalidModelError(
            f"{name}: is no ONNX model: it must have a graph and an opset, but has none"
        )
    _check_text(name, model)
    return model


def _check_text(name: str, message: Message) -> None:
    """Raise InvalidModelError unless all text is UTF-8; protobuf gives bytes for what is not."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        is_one = isinstance(value, str | bytes | Message)
        for item in (value,) if is_one else value:
            if isinstance(item, bytes):
                raise InvalidModelError(
                    f"{name}: {field.full_name}: must be UTF-8 text, but is {item[:64]!r}"
                )
            if isinstance(item, Message):
                _check_text(name, item)
