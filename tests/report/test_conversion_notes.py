"""What ``convert`` says that a user may not have expected."""

from __future__ import annotations

import onnx

from ort_sparse.conversion import Conversion
from ort_sparse.converters.passes import OtherLayer
from ort_sparse.report.conversion import MOST_REASONS, conversion_notes


def conversion(*reasons: str) -> Conversion:
    layers = [OtherLayer("n", "Conv", (8, 8, 3, 3), 0.8, 2304, reason) for reason in reasons]
    model = onnx.ModelProto()
    return Conversion(model, model, [], layers, None, "this machine", [])


def test_reasons_are_counted_the_most_common_first() -> None:
    rare = [f"reason {index}" for index in range(MOST_REASONS + 2)]
    first, counted, *lines = conversion_notes(
        conversion("is padded", *rare, "is padded"), min_sparsity=0.5
    )
    assert first == "Conv 'n': is padded; nothing became sparse"
    assert f": {len(rare) + 2};" in counted
    assert lines[0] == "  2: is padded"
    assert lines[1] == "  1: reason 0"
    assert len(lines) == MOST_REASONS + 1
    assert lines[-1] == f"  {len(rare) - MOST_REASONS + 1}: other reasons"


def test_no_other_layers() -> None:
    (note,) = conversion_notes(conversion(), min_sparsity=0.5)
    assert note == "no layer has at least 50% zeros; nothing became sparse"
