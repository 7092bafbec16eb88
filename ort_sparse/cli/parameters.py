"""Arguments and options that several commands take, and what they check."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ort_sparse.errors import InvalidArgumentError

__all__ = [
    "Batch",
    "Batches",
    "ExternalData",
    "Force",
    "Html",
    "Json",
    "MinSparsity",
    "Model",
    "Quiet",
    "RegionMode",
    "Seed",
    "Shapes",
    "Signature",
    "Threads",
    "Tolerance",
    "check_other_output",
    "check_page_output",
    "complete_network",
    "counts",
    "parse_shapes",
]


def _share(value: float) -> float:
    from ort_sparse.converters.checks import check_min_sparsity

    try:
        check_min_sparsity(value)
    except InvalidArgumentError as error:
        raise typer.BadParameter(str(error).removeprefix("min_sparsity: ")) from error
    return value


def _check_counts(values: list[str]) -> list[str]:
    counts(values)
    return values


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print nothing but what was asked for, and errors.")
]


class RegionMode(StrEnum):
    """Values of ``--regions``."""

    AUTO = "auto"
    ALL = "all"
    OFF = "off"


Force = Annotated[
    bool, typer.Option("--force", help="Overwrite a file that ort_sparse did not write.")
]
Html = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write a page to look at into this file, too (.html)."),
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.")]
ExternalData = Annotated[
    bool, typer.Option("--external-data", help="Store weights beside the file, in FILE.data.")
]
Signature = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Signature of a TFLite file. [default: the only one, or serving_default]",
    ),
]
MinSparsity = Annotated[
    float,
    typer.Option(
        metavar="SHARE", callback=_share, help="Share of zeros, 0 to 1, that makes a layer sparse."
    ),
]
Threads = Annotated[
    list[str],
    typer.Option(metavar="N[,N...]", callback=_check_counts, help="Threads, one measurement each."),
]
Tolerance = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="X",
        help="Allowed difference, relative to an output's largest value. [default: 2e-5, or what "
        "rounding explains]",
    ),
]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random inputs.")]
Batch = Annotated[int, typer.Option(min=1, metavar="N", help="Size of a dynamic batch.")]
Batches = Annotated[
    list[str],
    typer.Option(
        metavar="N[,N...]",
        callback=_check_counts,
        help="Sizes of a dynamic batch, one measurement each.",
    ),
]
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


def counts(values: Iterable[str]) -> list[int]:
    """Return the counts of an option like ``--threads 1,2``, which may be given several times."""
    found = [count.strip() for value in values for count in value.split(",")]
    for count in found:
        if not (count.isascii() and count.isdigit() and int(count) >= 1):
            raise typer.BadParameter(
                f"must be whole numbers of at least 1 with commas between them, but has {count!r}"
            )
    return [int(count) for count in found]


def check_other_output(
    output: Path, model: Path, *, force: bool, external_data: bool = False
) -> None:
    """Refuse an output that cannot be written, or is the model, before work is done for it."""
    from ort_sparse.files import check_output

    if os.path.realpath(output) == os.path.realpath(model):
        raise InvalidArgumentError(f"{output}: the output must be another file than the model")
    check_output(output, force=force, external_data=external_data, source=model)


def check_page_output(output: Path, model: Path, *, force: bool) -> None:
    """Refuse a page that cannot be made or written before work is done for it."""
    from ort_sparse.report.html.page import check_page

    check_page(output)
    check_other_output(output, model, force=force)


def complete_network(incomplete: str) -> list[str]:
    """Return the networks of the zoo whose names begin like this, for shells."""
    from ort_sparse import zoo

    return [name for name in zoo.names() if name.startswith(incomplete)]
