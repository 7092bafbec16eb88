"""The command ``ort-sparse``."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from . import __version__
from .errors import InvalidArgumentError, OrtSparseError, VerificationError

if TYPE_CHECKING:
    from .conversion import Conversion

app = typer.Typer(
    name="ort-sparse",
    help="Make pruned networks run faster in ONNX Runtime.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
zoo_app = typer.Typer(help="Sparse networks to try things on: with random weights, or published.")
app.add_typer(zoo_app, name="zoo", no_args_is_help=True)

# Tables that programs or files receive are as wide as they need to be.
console = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 160)
messages = Console(stderr=True, soft_wrap=True)


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


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A .tflite or .onnx file.")]
ExternalData = Annotated[
    bool, typer.Option("--external-data", help="Store weights beside the file, in FILE.data.")
]
MinSparsity = Annotated[
    float, typer.Option(min=0, max=1, help="Share of zeros from which on a layer is sparse.")
]


@app.command()
def convert(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file to write. [default: MODEL as .onnx]"),
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
        int | None, typer.Option(help="ONNX opset of a converted TFLite file. [default: 17]")
    ] = None,
    inputs_as_nchw: Annotated[
        bool, typer.Option("--inputs-as-nchw", help="Make the image inputs NCHW.")
    ] = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the numbers with the original.")
    ] = False,
    external_data: ExternalData = False,
    as_json: Json = False,
) -> None:
    """Convert a pruned model to ONNX with SparseConv1x1 nodes."""
    from .conversion import convert_and_report
    from .files import write_model
    from .options import ConvertOptions
    from .report import comparison_data, comparison_table, format_bytes, layer_data

    options = ConvertOptions(
        layers=layers.value,
        tune=tune,
        min_sparsity=min_sparsity,
        block_rows="auto" if block_rows is BlockRows.AUTO else int(block_rows.value),
        opset=opset,
        inputs_as_nchw=inputs_as_nchw,
        verify=not no_verify,
    )
    target = output or _default_output(Path(model))
    _check_output(target, model)
    bytes_before = _file_size(model)
    with _progress(as_json) as progress:
        conversion = convert_and_report(model, options, progress=progress)
    size = write_model(target, conversion.model, external_data=external_data)
    comparison = conversion.comparison
    if as_json:
        _print_json(
            {
                "output": str(target),
                "bytes_before": bytes_before,
                "bytes_after": size,
                "sparse_layers": conversion.replaced,
                "layers": layer_data(conversion.layers),
                "other_layers": layer_data(conversion.other_layers),
                "comparison": comparison_data(comparison) if comparison else None,
            }
        )
        return
    if comparison:
        console.print(comparison_table(comparison))
    if not conversion.replaced:
        messages.print(
            f"{_why_dense(conversion, min_sparsity)}; nothing became sparse", markup=False
        )
    if conversion.other_layers:
        messages.print(
            f"layers of other kinds with as many zeros stay dense: {len(conversion.other_layers)}; "
            "ort-sparse inspect lists them",
            markup=False,
        )
    console.print(
        f"{target}: {format_bytes(size)} (from {format_bytes(bytes_before)}), "
        f"{conversion.replaced} of {len(conversion.layers)} layers are SparseConv1x1",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def verify(
    a: Annotated[str, typer.Argument(metavar="A", help="The model to compare with.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The model to check.")],
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Allowed difference, relative to an output's largest value."),
    ] = 2e-5,
    batch: Annotated[int, typer.Option(min=1, help="Size of a dynamic batch.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random inputs.")] = 0,
    as_json: Json = False,
) -> None:
    """Check that two models give the same numbers."""
    from .report import comparison_data, comparison_table
    from .verification import compare

    with _progress(as_json) as progress:
        progress("comparing")
        comparison = compare(a, b, tolerance=tolerance, batch=batch, seed=seed)
    if as_json:
        _print_json(comparison_data(comparison))
    else:
        console.print(comparison_table(comparison))
    if not comparison.passed:
        raise VerificationError(f"{b}: its numbers differ from those of {a}")


@app.command()
def inspect(model: Model, min_sparsity: MinSparsity = 0.5, as_json: Json = False) -> None:
    """Show which layers are or could be sparse, which cannot, and where the bytes are."""
    from .conversion import convert_and_report
    from .options import ConvertOptions
    from .report import layer_data, layer_table, other_layer_table, size_data, size_tables
    from .source import read_source
    from .stored import stored_items

    with _progress(as_json) as progress:
        options = ConvertOptions(min_sparsity=min_sparsity, verify=False)
        conversion = convert_and_report(model, options, progress=progress)
        stored = stored_items(read_source(model))
    if as_json:
        _print_json(
            {
                "layers": layer_data(conversion.layers),
                "other_layers": layer_data(conversion.other_layers),
                "size": size_data(*stored),
            }
        )
        return
    console.print(layer_table(conversion.layers))
    if conversion.other_layers:
        console.print(other_layer_table(conversion.other_layers))
    for table in size_tables(*stored):
        console.print(table)


@app.command()
def densify(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A converted .onnx file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The file to write.")],
    external_data: ExternalData = False,
) -> None:
    """Turn SparseConv1x1 back into standard operators, with the same weights."""
    from .conversion import densify as densify_model
    from .files import write_model

    _check_output(output, model)
    write_model(output, densify_model(model), external_data=external_data)


@app.command()
def bench(
    model: Model,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Threads of each session. [default: 1]")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Measured runs of each form.")] = 100,
    layers: Annotated[bool, typer.Option("--layers", help="Time each layer as well.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the times into this file (.png, .svg or .pdf).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Time a model dense and sparse, side by side in one run."""
    from .files import write_atomically
    from .measure.network import benchmark
    from .measure.plot import check_plot, draw
    from .model_pair import model_pair
    from .report import benchmark_data, latency_table, layer_time_table

    if plot is not None:
        check_plot(plot)
        _check_output(plot, model)
    with _progress(as_json) as progress:
        models = model_pair(model, progress=progress)
        results = [
            benchmark(models, threads=count, runs=runs, layers=layers, progress=progress)
            for count in threads or [1]
        ]
    if plot is not None:
        write_atomically(plot, draw(results, title=Path(model).name, form=plot.suffix[1:]))
    if as_json:
        _print_json({"model": model, "results": [benchmark_data(result) for result in results]})
        return
    for result in results:
        console.print(
            latency_table(
                {"dense": result.dense, "sparse": result.sparse},
                baseline="dense",
                title=f"{result.threads} thread(s), {result.isa}, error {result.error:.1e}",
            )
        )
        if layers:
            console.print(layer_time_table(result))


@app.command()
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
    from .demo import run_demo
    from .report import comparison_data, comparison_table, latency_table

    with _progress(as_json) as progress:
        result = run_demo(
            network, resolution=resolution, threads=threads, runs=runs, progress=progress
        )
    if as_json:
        _print_json(
            {
                "network": network,
                "threads": threads,
                "isa": result.times.isa,
                "bytes": result.sizes,
                "sparse_layers": result.sparse_layers,
                "comparison": comparison_data(result.comparison),
                "latency_ms": {
                    "dense": asdict(result.times.dense),
                    "sparse": asdict(result.times.sparse),
                },
            }
        )
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


@zoo_app.command("list")
def zoo_list(as_json: Json = False) -> None:
    """List the networks of the zoo."""
    from rich.table import Table

    from . import zoo

    entries = [zoo.entry(name) for name in zoo.names()]
    if as_json:
        _print_json(
            [
                {
                    "name": entry.name,
                    "family": entry.family,
                    "sparsity": entry.sparsity,
                    "published": entry.published and asdict(entry.published),
                }
                for entry in entries
            ]
        )
        return
    table = Table("name", "family", "sparsity", "blocks", "published top-1")
    for entry in entries:
        top1 = f"{entry.published.top1:.1f} %" if entry.published else ""
        table.add_row(entry.name, entry.family, f"{entry.sparsity:.0%}", entry.pattern, top1)
    console.print(table)


@zoo_app.command("build")
def zoo_build(
    name: Annotated[str, typer.Argument(help="A network of the zoo.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .tflite file to write.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random weights.")] = 0,
    resolution: Annotated[
        int | None, typer.Option(min=32, help="Height and width of the image.")
    ] = None,
) -> None:
    """Build a network with random weights and export it as a sparse TFLite file."""
    from . import zoo
    from .files import check_output, write_atomically

    check_output(output)
    with _progress(quiet=False) as progress:
        progress(f"building {name}")
        data = zoo.build(name, seed=seed, resolution=resolution)
    write_atomically(output, data)


@zoo_app.command("fetch")
def zoo_fetch(
    name: Annotated[str, typer.Argument(help="A published network of the zoo.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Copy the file there, out of the cache."),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            envvar="ORT_SPARSE_ZOO_URL", help="Folder to download from. [default: the authors']"
        ),
    ] = None,
) -> None:
    """Download the published file of a network into the user's cache, once."""
    from . import zoo
    from .files import write_atomically

    with _download_progress(name) as progress:
        path = zoo.fetch(name, base_url=base_url or zoo.BASE_URL, progress=progress)
    if output is not None:
        write_atomically(output, path.read_bytes())
    console.print(str(output or path), markup=False, highlight=False, soft_wrap=True)


def _version(value: bool) -> None:
    if value:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make pruned networks run faster in ONNX Runtime."""


def _why_dense(conversion: Conversion, min_sparsity: float) -> str:
    if any(layer.zeros >= min_sparsity for layer in conversion.layers):
        return "dense layers make this model faster than sparse ones"
    return f"no layer has at least {min_sparsity:.0%} zeros"


def _check_output(output: Path, model: str) -> None:
    from .files import check_output

    if os.path.realpath(output) == os.path.realpath(model):
        raise InvalidArgumentError(f"{output}: the output must be another file than the model")
    check_output(output)


def _file_size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # whoever reads it says so
        return 0


def _default_output(model: Path) -> Path:
    if model.suffix == ".onnx":
        return model.with_suffix(".sparse.onnx")
    return model.with_suffix(".onnx")


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """Show on stderr what is being done; a spinner where it is a terminal."""
    if quiet:
        yield lambda stage: None
    elif messages.is_terminal:
        with messages.status("starting") as status:
            yield lambda stage: status.update(f"{stage} ...")
    else:
        yield lambda stage: messages.print(f"{stage} ...", markup=False, highlight=False)


@contextmanager
def _download_progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how far a download is."""
    from rich import progress as bars

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn())
    rest = (bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, *rest, console=messages) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2))


def _open_standard_descriptors() -> None:
    """Let no file of ours get the number of a closed stdout or stderr, where others print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)  # unwinds, so that temporary files go


def main() -> None:
    """Run the command; end with one line and exit code 1 where something is wrong."""
    _open_standard_descriptors()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        app()
    except OrtSparseError as error:
        messages.print(f"error: {error}", markup=False, highlight=False)
        sys.exit(1)
    except OSError as error:
        what = error.filename or "the output"
        messages.print(f"error: {what}: {error.strerror}", markup=False, highlight=False)
        sys.exit(1)
