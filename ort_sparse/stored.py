"""Where the bytes of a model file are."""

from __future__ import annotations

from .converters.stored import StoredItem, stored_in_onnx
from .source import Source

__all__ = ["stored_items"]


def stored_items(source: Source) -> tuple[list[StoredItem], int]:
    """Return what takes the bytes of a model, and its size with its external data."""
    if source.tflite is not None:
        from .converters.tflite import stored_in_tflite

        return stored_in_tflite(source.tflite), len(source.tflite)
    assert source.onnx is not None
    return stored_in_onnx(source.onnx), source.onnx.ByteSize()
