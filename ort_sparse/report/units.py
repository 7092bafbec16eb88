"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["format_bytes", "format_shape", "kilobytes", "millions"]


def format_bytes(count: float) -> str:
    """Return a size in bytes, kB or MB (powers of 1000)."""
    if count < 1000:
        return f"{count:.0f} B"
    if count < 1e6:
        return f"{count / 1e3:.1f} kB"
    return f"{count / 1e6:.2f} MB"


def kilobytes(count: float) -> str:
    """Return a size in kB without the unit."""
    return f"{count / 1e3:.1f}"


def millions(count: float | None) -> str:
    """Return a number in millions without the unit; a question mark where it is unknown."""
    return "?" if count is None else f"{count / 1e6:.2f}"


def format_shape(shape: Iterable[int]) -> str:
    """Return a shape with crosses between its sizes."""
    return " x ".join(map(str, shape))
