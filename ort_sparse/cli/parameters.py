"""Arguments and options that several commands take, and what they check."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ort_sparse.errors import InvalidArgumentError

__all__ = ["ExternalData", "Json", "MinSparsity", "Model", "Signature", "check_other_output"]

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.")]
ExternalData = Annotated[
    bool, typer.Option("--external-data", help="Store weights beside the file, in FILE.data.")
]
Signature = Annotated[
    str | None, typer.Option(metavar="NAME", help="Signature of a TFLite file that has several.")
]
MinSparsity = Annotated[
    float, typer.Option(min=0, max=1, help="Share of zeros from which on a layer is sparse.")
]


def check_other_output(output: Path, model: str) -> None:
    """Refuse an output that cannot be written, or is the model, before work is done for it."""
    from ort_sparse.files import check_output

    if os.path.realpath(output) == os.path.realpath(model):
        raise InvalidArgumentError(f"{output}: the output must be another file than the model")
    check_output(output)
