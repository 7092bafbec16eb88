"""``bench`` and ``demo``: times of dense and sparse models, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parameters import (
    Batches,
    Force,
    Html,
    Json,
    Model,
    Quiet,
    RegionMode,
    Shapes,
    Signature,
    Threads,
    check_other_output,
    check_page_output,
    complete_network,
    counts,
    parse_shapes,
)
from .terminal import command_line, print_json, print_tables, show_progress

__all__ = ["bench", "demo"]


def bench(
    model: Model,
    threads: Threads = ["1"],  # noqa: B006  (typer copies it)
    batch: Batches = ["1"],  # noqa: B006
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Measured runs of each form.")
    ] = 100,
    layers: Annotated[bool, typer.Option("--layers", help="Time each layer as well.")] = False,
    regions: Annotated[
        RegionMode, typer.Option(help="Regions: those that are faster, all that can be, or none.")
    ] = RegionMode.AUTO,
    shape: Shapes = None,
    signature: Signature = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the times into this file (.png, .svg or .pdf)."),
    ] = None,
    html: Html = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Time a model dense, with custom ops and with regions, side by side in one run."""
    from ort_sparse.files import write_atomically
    from ort_sparse.measure.network import benchmark, check_batches
    from ort_sparse.measure.plot import check_plot, draw
    from ort_sparse.model_pair import model_pair
    from ort_sparse.options import ComparisonOptions
    from ort_sparse.report.times import benchmark_data, benchmark_tables

    shapes = parse_shapes(shape)
    if plot is not None:
        check_plot(plot)
        check_other_output(plot, model, force=force)
    if html is not None:
        check_page_output(html, model, force=force)
    with show_progress(quiet or as_json) as progress:
        models = model_pair(model, signature=signature, progress=progress)
        check_batches(models.dense, counts(batch), shapes)
        results = [
            benchmark(
                models,
                threads=count,
                runs=runs,
                layers=layers,
                regions=regions.value,
                inputs=ComparisonOptions(batch=size, shapes=shapes),
                progress=progress,
            )
            for size in counts(batch)
            for count in counts(threads)
        ]
    if plot is not None:
        write_atomically(plot, draw(results, title=model.name, form=plot.suffix[1:]))
    if html is not None:
        from ort_sparse.report.html.benchmark import benchmark_page
        from ort_sparse.report.html.page import Origin

        write_atomically(html, benchmark_page(Origin(model, command_line()), results))
    if as_json:
        print_json({"model": str(model), "results": [benchmark_data(result) for result in results]})
        return
    print_tables(*(table for result in results for table in benchmark_tables(result)))


def demo(
    network: Annotated[
        str,
        typer.Option(metavar="NAME", help="A network of the zoo.", autocompletion=complete_network),
    ] = "mbv1_100_90_12b4_684",
    resolution: Annotated[
        int | None,
        typer.Option(
            min=32,
            metavar="N",
            help="Height and width of the image. [default: that of the network]",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, metavar="N", help="Threads of each engine.")] = 1,
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Measured runs of each engine.")
    ] = 100,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Build a sparse network, convert it, check it and time it."""
    from ort_sparse.demo import run_demo
    from ort_sparse.report.comparison import comparison_table
    from ort_sparse.report.times import demo_data, engine_table
    from ort_sparse.report.units import format_bytes

    with show_progress(quiet or as_json) as progress:
        result = run_demo(
            network, resolution=resolution, threads=threads, runs=runs, progress=progress
        )
    if as_json:
        print_json(demo_data(result, network=network))
        return
    sizes = ", ".join(f"{name} {format_bytes(size)}" for name, size in result.sizes.items())
    print_tables(
        comparison_table(result.comparison),
        f"{result.sparse_layers} layers are SparseConv1x1; {sizes}",
        engine_table(result.times, title=f"{network}, {threads} thread(s), {result.times.isa}"),
    )
