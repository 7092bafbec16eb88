"""Tables that stay whole where lines are short."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions
from rich.text import Text

__all__ = ["Listing", "cut_in_the_middle", "drop_common_prefix", "printable"]

GAP = 2
INDENT = "  "

MIN_NAME = 16
"""Cells of a name that still tells something; where there are fewer, it gets its own line."""

_SEPARATORS = "/.:;_"


@dataclass(frozen=True)
class _Row:
    name: str
    cells: tuple[str, ...]
    note: str
    is_total: bool


class Listing:
    """A table of named things with figures, and a note on each.

    Figures are never cut. Where a line is too short for everything, notes get lines of their own
    below, then names lose what all begin with, then their middles.

    Parameters
    ----------
    name : str
        Heading of the names.
    *headings : str
        Headings of the columns of figures, of one line or several.
    title, note, caption : str
        What stands above the table, the heading of the notes, and what stands below.
    left : sequence of str
        Headings of those columns that are words, aligned to the left.
    """

    def __init__(
        self,
        name: str,
        *headings: str,
        title: str = "",
        note: str = "",
        caption: str = "",
        left: Sequence[str] = (),
    ) -> None:
        self._headings = (name, *headings)
        self._title = title
        self._note = note
        self._caption = caption
        self._left = {0, *(i for i, heading in enumerate(self._headings) if heading in left)}
        self._rows: list[_Row] = []

    def add(self, name: str, *cells: str, note: str = "") -> None:
        """Add a row; there is a cell for each heading."""
        self._add(name, cells, note, is_total=False)

    def add_total(self, name: str, *cells: str) -> None:
        """Add a row that stands below a line; its name is never cut."""
        self._add(name, cells, "", is_total=True)

    def _add(self, name: str, cells: tuple[str, ...], note: str, *, is_total: bool) -> None:
        assert len(cells) == len(self._headings) - 1
        self._rows.append(_Row(printable(name), cells, printable(note), is_total))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line, style in self._lines(options.max_width):
            yield Text(line.rstrip(), style, no_wrap=True, overflow="ignore", end="\n")

    def _lines(self, width: int) -> Iterator[tuple[str, str]]:
        names = [row.name for row in self._rows if not row.is_total]
        totals = [row.name for row in self._rows if row.is_total]
        headings = [heading.split("\n") for heading in self._headings]
        widths = [
            max(cell_len(text) for text in (*heading, *(row.cells[i] for row in self._rows)))
            for i, heading in enumerate(headings[1:])
        ]
        figures = sum(widths) + GAP * len(widths)
        longest = max(cell_len(text) for text in (*headings[0], *names, *totals))
        notes = max((cell_len(row.note) for row in self._rows), default=0)
        beside = bool(notes) and longest + figures + GAP + notes <= width
        space = min(longest, width - figures)
        stacked = space < min(MIN_NAME, longest)
        room = width if stacked else space
        prefix = ""
        if any(cell_len(name) > room for name in names):
            prefix = drop_common_prefix(names)
            if not stacked:
                left = [cell_len(name) - len(prefix) for name in names]
                least = max(map(cell_len, (*headings[0], *totals)))
                space = room = min(room, max(*left, least))
        yield from ((line, "italic") for line in _wrap(self._title, width))
        if prefix:
            yield from ((line, "dim") for line in _wrap(f'names begin with "{prefix}"', width))
        columns = [0 if stacked else space, *widths]
        heads = [["" if stacked else text for text in headings[0]], *headings[1:]]
        height = max(map(len, heads))
        for i in range(height):
            cells = [_nth(head, i - height + len(head)) for head in heads]
            behind = self._note if beside and i == height - 1 else ""
            if stacked and i == height - 1:
                yield self._headings[0], "bold"
            yield self._line(cells, columns, behind), "bold"
        rule = "─" * min(width, sum(columns) + GAP * len(widths) + (GAP + notes if beside else 0))
        yield rule, "dim"
        for before, row in zip((None, *self._rows), self._rows, strict=False):
            if row.is_total and before is not None and not before.is_total:
                yield rule, "dim"
            name = row.name if row.is_total else cut_in_the_middle(row.name[len(prefix) :], room)
            if stacked:
                yield name, ""
                name = ""
            yield self._line([name, *row.cells], columns, row.note if beside else ""), ""
            if row.note and not beside:
                yield from ((line, "dim") for line in _wrap(row.note, width, indent=INDENT))
        yield from ((line, "dim") for line in _wrap(self._caption, width))

    def _line(self, cells: Sequence[str], widths: Sequence[int], note: str) -> str:
        texts = [
            _pad(cell, width, left=i in self._left)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return (" " * GAP).join([*texts, note] if note else texts)


def printable(text: str) -> str:
    """Return text in which what a terminal would obey, such as an escape, can be seen instead."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in text
    )


def cut_in_the_middle(text: str, width: int) -> str:
    """Return a text that takes at most so many cells of a terminal, an ellipsis in its middle."""
    if cell_len(text) <= width:
        return text
    tail = (width - 1) // 2
    head = set_cell_size(text, width - 1 - tail)
    reversed_tail = set_cell_size(text[::-1], tail)
    return f"{head}…{reversed_tail[::-1]}"


def drop_common_prefix(names: Sequence[str]) -> str:
    """Return what all of several names begin with, up to a separator; it may be empty."""
    if len(names) < 2:
        return ""
    first, last = min(names), max(names)
    same = [a == b for a, b in zip(first, last, strict=False)]
    common = first[: [*same, False].index(False)]
    end = max(common.rfind(separator) for separator in _SEPARATORS) + 1
    return "" if end == len(first) else common[:end]


def _nth(lines: Sequence[str], i: int) -> str:
    return lines[i] if i >= 0 else ""


def _pad(text: str, width: int, *, left: bool) -> str:
    space = " " * max(0, width - cell_len(text))
    return text + space if left else space + text


def _wrap(text: str, width: int, *, indent: str = "") -> list[str]:
    width = max(width, MIN_NAME)
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
