"""The command as a whole: what it is made of, how it starts and how it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from ort_sparse import __version__
from ort_sparse.errors import OrtSparseError

from .convert import convert, densify
from .examine import inspect, verify
from .measure import bench, demo
from .terminal import discard_output, messages, print_line, print_notes
from .zoo import zoo_app

__all__ = ["app", "main"]

app = typer.Typer(
    name="ort-sparse",
    help="Make pruned networks run faster in ONNX Runtime.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: nothing in brackets is lost
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (convert, verify, inspect, densify, bench, demo):
    app.command()(command)
app.add_typer(zoo_app, name="zoo")


def _version(value: bool) -> None:
    if value:
        print_line(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Make pruned networks run faster in ONNX Runtime."""


def _open_standard_descriptors() -> None:
    """Let no file of ours get the number of a closed stdout or stderr, where others print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)  # unwinds, so that temporary files go


def _notes(error: BaseException | None) -> Iterator[str]:
    """Yield what is known besides of an error, and of those that it comes from."""
    while error is not None:
        yield from getattr(error, "__notes__", ())
        error = error.__cause__


def main() -> None:
    """Run the command; end with one line and exit code 1 where something is wrong."""
    _open_standard_descriptors()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        app()
    except OrtSparseError as error:
        print_notes(_notes(error))
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the output'}: {error.strerror}")


def _fail(message: str) -> NoReturn:
    messages.print(f"error: {message}", markup=False, highlight=False)
    discard_output()
    sys.exit(1)
