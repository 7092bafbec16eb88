"""How far two models are apart."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .listing import Listing
from .units import format_shape

if TYPE_CHECKING:
    from ort_sparse.verification import Comparison

__all__ = ["comparison_data", "comparison_table"]


def comparison_data(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as a JSON-ready dictionary."""
    return {
        "passed": comparison.passed,
        "compared": comparison.description,
        "notes": list(comparison.notes),
        "outputs": [
            {
                **asdict(output),
                "shape": list(output.shape),
                "error": output.error,
                "passed": output.passed,
            }
            for output in comparison.outputs
        ],
    }


def comparison_table(comparison: Comparison) -> Listing:
    """Return a table of outputs and how far they are apart."""
    table = Listing(
        "output",
        "shape",
        "largest\nvalue",
        "difference",
        "relative",
        "",
        title=comparison.description,
        note="it may differ by",
        caption=". ".join(comparison.notes),
    )
    for output in comparison.outputs:
        table.add(
            output.name,
            format_shape(output.shape),
            f"{output.largest:.6g}",
            f"{output.difference:.3g}",
            f"{output.error:.3g}",
            "equal" if output.passed else "DIFFERENT",
            note=output.rule,
        )
    return table
