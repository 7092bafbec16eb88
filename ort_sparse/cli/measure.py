"""``bench`` and ``demo``: times of dense and sparse models, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parameters import Json, Model, Shapes, Signature, check_other_output, parse_shapes
from .terminal import console, print_json, show_progress

__all__ = ["bench", "demo"]


def bench(
    model: Model,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of each session. [default: 1]")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs of each form.")] = 100,
    layers: Annotated[bool, typer.Option("--layers", help="Time each layer as well.")] = False,
    shape: Shapes = None,
    signature: Signature = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the times into this file (.png, .svg or .pdf).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time a model dense and sparse, side by side in one run."""
    from ort_sparse.files import write_atomically
    from ort_sparse.measure.network import benchmark
    from ort_sparse.measure.plot import check_plot, draw
    from ort_sparse.model_pair import model_pair
    from ort_sparse.options import ComparisonOptions
    from ort_sparse.report.times import benchmark_data, benchmark_tables

    inputs = ComparisonOptions(shapes=parse_shapes(shape))
    if plot is not None:
        check_plot(plot)
        check_other_output(plot, model)
    with show_progress(as_json) as progress:
        models = model_pair(model, signature=signature, progress=progress)
        results = [
            benchmark(
                models, threads=count, runs=runs, layers=layers, inputs=inputs, progress=progress
            )
            for count in threads or [1]
        ]
    if plot is not None:
        write_atomically(plot, draw(results, title=Path(model).name, form=plot.suffix[1:]))
    if as_json:
        print_json({"model": model, "results": [benchmark_data(result) for result in results]})
        return
    for table in (table for result in results for table in benchmark_tables(result)):
        console.print(table)
        console.print()


def demo(
    network: Annotated[str, typer.Option(help="A network of the zoo.")] = "mbv1_100_90_12b4_684",
    resolution: Annotated[
        int | None, typer.Option(min=32, help="Height and width of the image.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each engine.")] = 1,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs of each engine.")] = 100,
    as_json: Json = False,
) -> None:
    """Build a sparse network, convert it, check it against LiteRT and time it."""
    from ort_sparse.demo import run_demo
    from ort_sparse.report.comparison import comparison_table
    from ort_sparse.report.times import demo_data, latency_table

    with show_progress(as_json) as progress:
        result = run_demo(
            network, resolution=resolution, threads=threads, runs=runs, progress=progress
        )
    if as_json:
        print_json(demo_data(result, network=network))
        return
    console.print(comparison_table(result.comparison))
    sizes = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in result.sizes.items())
    console.print(f"{result.sparse_layers} layers are SparseConv1x1; {sizes}", highlight=False)
    console.print(
        latency_table(
            {"dense": result.times.dense, "sparse": result.times.sparse},
            baseline="dense",
            title=f"{network}, {threads} thread(s), {result.times.isa}",
        )
    )
