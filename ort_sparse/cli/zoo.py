"""``zoo``: sparse networks to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parameters import Json
from .terminal import console, print_json, print_line, show_download, show_progress

__all__ = ["zoo_app"]

zoo_app = typer.Typer(
    help="Sparse networks to try things on: with random weights, or published.",
    no_args_is_help=True,
)


@zoo_app.command("list")
def zoo_list(as_json: Json = False) -> None:
    """List the networks of the zoo."""
    from ort_sparse import zoo
    from ort_sparse.report.zoo import zoo_data, zoo_table

    entries = [zoo.entry(name) for name in zoo.names()]
    if as_json:
        print_json(zoo_data(entries))
    else:
        console.print(zoo_table(entries))


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
    from ort_sparse import zoo
    from ort_sparse.files import check_output, write_atomically

    check_output(output)
    with show_progress(quiet=False) as progress:
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
    from ort_sparse import zoo
    from ort_sparse.files import write_atomically

    with show_download(name) as progress:
        path = zoo.fetch(name, base_url=base_url or zoo.BASE_URL, progress=progress)
    if output is not None:
        write_atomically(output, path.read_bytes())
    print_line(str(output or path))
