"""``convert`` and ``densify``: a model file in, a model file out."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .parameters import (
    Batch,
    ExternalData,
    Force,
    Json,
    MinSparsity,
    Model,
    Quiet,
    Seed,
    Shapes,
    Signature,
    Tolerance,
    check_other_output,
    parse_shapes,
)
from .terminal import print_json, print_line, print_notes, print_tables, show_progress

__all__ = ["convert", "densify"]


class Layers(StrEnum):
    """Which layers to replace."""

    AUTO = "auto"
    ALL = "all"


class BlockRows(StrEnum):
    """Height of the blocks."""

    AUTO = "auto"
    ONE = "1"
    TWO = "2"
    FOUR = "4"


def convert(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="The file to write. [default: MODEL.onnx, or MODEL.sparse.onnx of an ONNX model]",
        ),
    ] = None,
    layers: Annotated[
        Layers, typer.Option(help="Replace what runs faster, or all sparse layers.")
    ] = Layers.AUTO,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose layers by measuring on this machine.")
    ] = False,
    min_sparsity: MinSparsity = 0.5,
    block_rows: Annotated[
        BlockRows, typer.Option(help="Height of the blocks of weights.")
    ] = BlockRows.AUTO,
    opset: Annotated[
        int | None,
        typer.Option(metavar="N", help="ONNX opset of a converted TFLite file. [default: 17]"),
    ] = None,
    inputs_as_nchw: Annotated[
        bool, typer.Option("--inputs-as-nchw", help="Make the image inputs NCHW.")
    ] = False,
    signature: Signature = None,
    keep_weight_inputs: Annotated[
        bool,
        typer.Option(
            "--keep-weight-inputs",
            help="Leave inputs that hold weights what they are, and their layers dense.",
        ),
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the numbers with the original.")
    ] = False,
    tolerance: Tolerance = None,
    batch: Batch = 1,
    seed: Seed = 0,
    shape: Shapes = None,
    external_data: ExternalData = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert a pruned model to ONNX with SparseConv1x1 nodes."""
    from ort_sparse.conversion import convert_and_report
    from ort_sparse.files import write_model
    from ort_sparse.options import ConvertOptions
    from ort_sparse.report.comparison import comparison_table
    from ort_sparse.report.conversion import conversion_data, conversion_notes, conversion_summary

    options = ConvertOptions(
        layers=layers.value,
        tune=tune,
        min_sparsity=min_sparsity,
        block_rows="auto" if block_rows is BlockRows.AUTO else int(block_rows.value),
        opset=opset,
        inputs_as_nchw=inputs_as_nchw,
        signature=signature,
        keep_weight_inputs=keep_weight_inputs,
        verify=not no_verify,
        tolerance=tolerance,
        batch=batch,
        seed=seed,
        shapes=parse_shapes(shape),
    )
    target = output or _default_output(model)
    check_other_output(target, model, force=force, external_data=external_data)
    bytes_before = _file_size(model)
    with show_progress(quiet or as_json) as progress:
        conversion = convert_and_report(model, options, progress=progress)
    size = write_model(target, conversion.model, external_data=external_data)
    sizes = {"bytes_before": bytes_before, "bytes_after": size}
    if as_json:
        print_json(conversion_data(conversion, output=str(target), **sizes))
        return
    if quiet:
        return
    if conversion.comparison:
        print_tables(comparison_table(conversion.comparison))
    print_notes(conversion_notes(conversion, min_sparsity=min_sparsity))
    print_line(conversion_summary(conversion, output=str(target), **sizes))


def densify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A converted .onnx file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write.")
    ],
    external_data: ExternalData = False,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Turn SparseConv1x1 back into standard operators."""
    from ort_sparse.conversion import densify as densify_model
    from ort_sparse.files import write_model
    from ort_sparse.model_notes import mark
    from ort_sparse.report.conversion import densified_summary

    check_other_output(output, model, force=force, external_data=external_data)
    bytes_before = _file_size(model)
    dense = densify_model(model)
    mark(dense)
    size = write_model(output, dense, external_data=external_data)
    if not quiet:
        print_line(
            densified_summary(output=str(output), bytes_before=bytes_before, bytes_after=size)
        )


def _file_size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # whoever reads it says so
        return 0


def _default_output(model: Path) -> Path:
    if model.suffix == ".onnx":
        return model.with_suffix(".sparse.onnx")
    return model.with_suffix(".onnx")
