"""``zoo``: sparse networks to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .parameters import Force, Json, Quiet, complete_network
from .terminal import print_json, print_line, print_tables, show_download, show_progress

__all__ = ["zoo_app"]

zoo_app = typer.Typer(
    help="Sparse networks to try things on.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


def _complete_published(incomplete: str) -> list[str]:
    from ort_sparse import zoo

    return [name for name in complete_network(incomplete) if zoo.entry(name).published]


@zoo_app.command("list")
def zoo_list(as_json: Json = False) -> None:
    """List the networks of the zoo."""
    from ort_sparse import zoo
    from ort_sparse.report.zoo import zoo_data, zoo_table

    entries = [zoo.entry(name) for name in zoo.names()]
    if as_json:
        print_json(zoo_data(entries))
    else:
        print_tables(zoo_table(entries))


@zoo_app.command("build")
def zoo_build(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A network of the zoo.", autocompletion=complete_network
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The .tflite file to write.")
    ],
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random weights.")] = 0,
    resolution: Annotated[
        int | None,
        typer.Option(
            min=32,
            metavar="N",
            help="Height and width of the image. [default: that of the network]",
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Build a network with random weights, as a sparse TFLite file."""
    from ort_sparse import zoo
    from ort_sparse.files import check_output, write_atomically
    from ort_sparse.report.units import format_bytes

    check_output(output, force=force)
    with show_progress(quiet) as progress:
        progress(f"building {name}")
        data = zoo.build(name, seed=seed, resolution=resolution)
    write_atomically(output, data)
    if not quiet:
        zeros = zoo.entry(name).sparsity
        print_line(
            f"{output}: {format_bytes(len(data))}, {name} with random weights, {zeros:.0%} zeros"
        )


@zoo_app.command("fetch")
def zoo_fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A published network.", autocompletion=_complete_published
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Copy the file there, out of the cache."
        ),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            envvar="ORT_SPARSE_ZOO_URL",
            metavar="URL",
            help="Folder to download from. [default: the authors']",
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
) -> None:
    """Download the published file of a network, once."""
    from ort_sparse import zoo
    from ort_sparse.files import check_output, write_atomically

    if output is not None:
        check_output(output, force=force)
    with show_download(name, quiet=quiet) as progress:
        path = zoo.fetch(name, base_url=base_url or zoo.BASE_URL, progress=progress)
    if output is not None:
        write_atomically(output, path.read_bytes())
    print_line(str(output or path))
