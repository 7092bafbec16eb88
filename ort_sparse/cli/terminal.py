"""Where commands print: results on stdout, what is being done on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

__all__ = ["console", "messages", "print_json", "print_line", "show_download", "show_progress"]

console = Console()
messages = Console(stderr=True, soft_wrap=True)


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
def show_download(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how far a download is."""
    from rich import progress as bars

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn())
    rest = (bars.DownloadColumn(), bars.TransferSpeedColumn(), bars.TimeRemainingColumn())
    with bars.Progress(*columns, *rest, console=messages) as shown:
        task = shown.add_task(name, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def print_json(data: Any) -> None:
    """Print for programs."""
    print(json.dumps(data, indent=2))


def print_line(text: str) -> None:
    """Print one line for people, however long, as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
