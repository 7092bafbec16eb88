"""Arguments and options that several commands take, and what they check."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ort_sparse.errors import InvalidArgumentError

__all__ = [
    "Batch",
    "ExternalData",
    "Json",
    "MinSparsity",
    "Model",
    "Seed",
    "Shapes",
    "Signature",
    "Tolerance",
    "check_other_output",
    "parse_shapes",
]

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
Tolerance = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Allowed difference, relative to an output's largest value. [default: 2e-5, or what "
        "rounding explains]",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the random inputs.")]
Batch = Annotated[int, typer.Option(min=1, help="Size of a dynamic batch.")]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="INPUT=SIZES",
        help="Shape of an input with dynamic sizes, as x=1,77; again for each such input.",
    ),
]


def parse_shapes(values: list[str] | None) -> dict[str, tuple[int, ...]]:
    """Return the shapes that ``--shape INPUT=SIZES`` gives, by name of the input."""
    shapes: dict[str, tuple[int, ...]] = {}
    for value in values or ():
        name, _, sizes = value.rpartition("=")
        try:
            shapes[name] = tuple(int(size) for size in sizes.split(",")) if sizes else ()
        except ValueError:
            name = ""
        if not name:
            raise InvalidArgumentError(f"--shape: must be like INPUT=1,77, but is {value!r}")
    return shapes


def check_other_output(output: Path, model: str) -> None:
    """Refuse an output that cannot be written, or is the model, before work is done for it."""
    from ort_sparse.files import check_output

    if os.path.realpath(output) == os.path.realpath(model):
        raise InvalidArgumentError(f"{output}: the output must be another file than the model")
    check_output(output)
