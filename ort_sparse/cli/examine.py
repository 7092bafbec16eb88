"""``inspect`` and ``verify``: what a model has, and whether two give the same numbers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .parameters import (
    Batch,
    Force,
    Html,
    Json,
    MinSparsity,
    Model,
    Quiet,
    RegionMode,
    Seed,
    Shapes,
    Signature,
    Tolerance,
    check_page_output,
    parse_shapes,
)
from .terminal import command_line, print_json, print_notes, print_tables, show_progress

__all__ = ["inspect", "verify"]


class Claim(StrEnum):
    """Which regions to show."""

    AUTO = "auto"
    ALL = "all"


def inspect(
    model: Model,
    min_sparsity: MinSparsity = 0.5,
    signature: Signature = None,
    regions: Annotated[
        bool, typer.Option("--regions", help="Show what runs as regions here as well, and why.")
    ] = False,
    claim: Annotated[
        Claim, typer.Option(help="Which regions: those that are faster, or all that can be.")
    ] = Claim.AUTO,
    html: Html = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show the layers, sparse or not, where the bytes are, and the regions."""
    from ort_sparse.claims import check_runtime, examine_regions
    from ort_sparse.conversion import convert_and_report
    from ort_sparse.options import ConvertOptions
    from ort_sparse.report.conversion import signature_notes
    from ort_sparse.report.layers import inspection_data, layer_table, other_layer_table
    from ort_sparse.report.regions import region_data, region_tables
    from ort_sparse.report.sizes import size_tables
    from ort_sparse.source import read_source
    from ort_sparse.stored import stored_items

    if html is not None:
        check_page_output(html, model, force=force)
    if regions:
        check_runtime()
    found = None
    with show_progress(quiet or as_json) as progress:
        options = ConvertOptions(min_sparsity=min_sparsity, signature=signature, verify=False)
        conversion = convert_and_report(model, options, progress=progress)
        source = read_source(model)
        stored = stored_items(source)
        if regions:
            progress("asking for regions")
            runs = conversion.model if source.onnx is None else source.onnx
            found = examine_regions(runs, mode=claim.value)
        if html is not None:
            from ort_sparse.files import write_atomically
            from ort_sparse.report.html.inspection import inspection_page
            from ort_sparse.report.html.page import Origin

            progress("drawing")
            origin = Origin(model, command_line())
            page = inspection_page(
                origin, source, conversion, stored, min_sparsity=min_sparsity, regions=found
            )
            write_atomically(html, page)
    if as_json:
        print_json(inspection_data(conversion, stored) | {"regions": found and region_data(found)})
        return
    if not quiet:
        print_notes(signature_notes(conversion))
    tables = [layer_table(conversion.layers, machine=conversion.machine)]
    if conversion.other_layers:
        tables.append(other_layer_table(conversion.other_layers))
    tables += size_tables(*stored)
    print_tables(*tables, *(region_tables(found) if found else ()))


def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="The model to compare with.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The model to check.")],
    tolerance: Tolerance = None,
    batch: Batch = 1,
    seed: Seed = 0,
    shape: Shapes = None,
    signature: Signature = None,
    regions: Annotated[
        RegionMode, typer.Option(help="Check B with regions too: faster ones, all, or none.")
    ] = RegionMode.AUTO,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check that two models give the same numbers."""
    from ort_sparse.report.comparison import comparison_data, comparison_table
    from ort_sparse.verification import check, compare

    shapes = parse_shapes(shape)
    with show_progress(quiet or as_json) as progress:
        progress("comparing")
        comparison = compare(
            a,
            b,
            tolerance=tolerance,
            batch=batch,
            seed=seed,
            shapes=shapes,
            signature=signature,
            regions=regions.value,
        )
    if as_json:
        print_json(comparison_data(comparison))
    else:
        print_tables(comparison_table(comparison))
    check(comparison)
