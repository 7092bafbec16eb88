"""Where commands print: results on stdout, what is being done on stderr."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console, RenderableType

from ort_sparse.errors import OrtSparseError

__all__ = [
    "OutputError",
    "command_line",
    "discard_output",
    "messages",
    "print_json",
    "print_line",
    "print_notes",
    "print_tables",
    "show_download",
    "show_progress",
]


class OutputError(OrtSparseError):
    """What is printed cannot be written: a full disk, or a pipe that nobody reads."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise


messages = Console(stderr=True, soft_wrap=True)


def command_line() -> str:
    """Return the command that runs, as a shell takes it."""
    return shlex.join(["ort-sparse", *sys.argv[1:]])


@contextmanager
def show_progress(quiet: bool) -> Iterator[Any]:
    """Show on stderr what is being done; a spinner where it is a terminal."""
    if quiet:
        yield lambda stage: None
    elif messages.is_terminal:
        with messages.status("starting") as status:
            yield lambda stage: status.update(f"{stage} ...")
    else:
        yield lambda stage: messages.print(f"{stage} ...", markup=False, highlight=False)


@contextmanager
def show_download(name: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how far a download is."""
    from rich import progress as bars

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn())
    rest = (bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, *rest, console=messages, disable=quiet) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def print_json(data: Any) -> None:
    """Print for programs."""
    with _writing():
        print(json.dumps(data, indent=2))


def print_tables(*tables: RenderableType) -> None:
    """Print tables as wide as the terminal, with empty lines between them."""
    console = _Console()
    with _writing():
        for i, table in enumerate(tables):
            if i:
                console.print()
            console.print(table)


def print_line(text: str) -> None:
    """Print one line for people, however long, as it is."""
    with _writing():
        print(text)


def print_notes(notes: Iterable[str]) -> None:
    """Print what a user may want to know besides, a line each, on stderr."""
    for note in notes:
        messages.print(note, markup=False, highlight=False)


def discard_output() -> None:
    """Let what could not be written be, or the interpreter would try again as it ends."""
    if sys.stdout is not None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextmanager
def _writing() -> Iterator[None]:
    """Write all of it now, so that a command that succeeds has written its output."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise OutputError(f"the output: {error.strerror}") from error
