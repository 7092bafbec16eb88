"""What ``convert`` did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .comparison import comparison_data
from .layers import layer_data
from .units import format_bytes

if TYPE_CHECKING:
    from ort_sparse.conversion import Conversion

__all__ = ["conversion_data", "conversion_notes", "conversion_summary", "signature_notes"]


MOST_REASONS = 4
"""How many reasons for dense layers ``convert`` tells."""


def conversion_data(
    conversion: Conversion, *, output: str, bytes_before: int, bytes_after: int
) -> dict[str, Any]:
    """Return a conversion as a JSON-ready dictionary."""
    comparison = conversion.comparison
    return {
        "output": output,
        "bytes_before": bytes_before,
        "bytes_after": bytes_after,
        "signature": conversion.signature and asdict(conversion.signature),
        "sparse_layers": conversion.replaced + conversion.already_sparse,
        "already_sparse_layers": conversion.already_sparse,
        "constant_inputs": conversion.constant_inputs,
        "layers": layer_data(conversion.layers),
        "times_of": conversion.machine,
        "other_layers": layer_data(conversion.other_layers),
        "comparison": comparison_data(comparison) if comparison else None,
    }


def conversion_notes(conversion: Conversion, *, min_sparsity: float) -> Iterator[str]:
    """Return what a user may not have expected, a line each."""
    yield from signature_notes(conversion)
    if conversion.constant_inputs:
        yield (
            f"inputs with a default that are constants now: {len(conversion.constant_inputs)}; "
            "--keep-weight-inputs leaves them inputs, and their layers dense"
        )
    if not conversion.replaced:
        reason = f"{_why_dense(conversion, min_sparsity)}; nothing became sparse"
        if already := conversion.already_sparse:
            reason = f"{already} of {len(conversion.layers)} layers are sparse already; {reason}"
        yield reason
    if conversion.other_layers:
        yield (
            "layers that stay dense though they have as many zeros, or nobody knows how many: "
            f"{len(conversion.other_layers)}; ort-sparse inspect lists them"
        )
        yield from _most_common_reasons(conversion)


def _most_common_reasons(conversion: Conversion) -> Iterator[str]:
    reasons = Counter(layer.reason for layer in conversion.other_layers).most_common()
    for reason, count in reasons[:MOST_REASONS]:
        yield f"  {count}: {reason}"
    if others := sum(count for _, count in reasons[MOST_REASONS:]):
        yield f"  {others}: other reasons"


def signature_notes(conversion: Conversion) -> Iterator[str]:
    """Return which signatures of a TFLite file were left out, a line or none."""
    choice = conversion.signature
    if choice is not None and choice.left_out:
        yield (
            f"signature {choice.name!r} was converted; left out: "
            f"{', '.join(map(repr, choice.left_out))} (--signature NAME converts another)"
        )


def conversion_summary(
    conversion: Conversion, *, output: str, bytes_before: int, bytes_after: int
) -> str:
    """Return in one line what was written."""
    already = conversion.already_sparse
    return (
        f"{output}: {format_bytes(bytes_after)} (from {format_bytes(bytes_before)}), "
        f"{conversion.replaced + already} of {len(conversion.layers)} layers are SparseConv1x1"
        + (f", {already} of them since before" if already else "")
    )


def densified_summary(*, output: str, bytes_before: int, bytes_after: int) -> str:
    """Return in one line what ``densify`` wrote."""
    return (
        f"{output}: {format_bytes(bytes_after)} (from {format_bytes(bytes_before)}), "
        "standard operators only"
    )


def _why_dense(conversion: Conversion, min_sparsity: float) -> str:
    if any(layer.zeros >= min_sparsity for layer in conversion.layers if not layer.is_sparse):
        return "dense layers make this model faster than sparse ones"
    if conversion.already_sparse:
        return f"no other layer has at least {min_sparsity:.0%} zeros"
    if conversion.other_layers:
        first = conversion.other_layers[0]
        return f"{first.kind} {first.name!r}: {first.reason}"
    return f"no layer has at least {min_sparsity:.0%} zeros"
