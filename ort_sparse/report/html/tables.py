"""Tables that a page sorts and filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Cell", "Column", "Row", "Table", "number", "text"]

LONG = 100
"""Rows from which on a table is long."""


@dataclass(frozen=True)
class Column:
    """A column: its heading, and what it has.

    A "text" may be long; of a "name" a screen shows some lines.
    """

    heading: str
    kind: Literal["word", "text", "name", "number"] = "word"


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the number that it is sorted by if it has one."""

    shown: str
    key: float | None = None


@dataclass(frozen=True)
class Row:
    """Cells, one a column.

    Parameters
    ----------
    cells : sequence of Cell
    state : str
        Word that the table can be filtered by.
    target : str
        Place in the page that the first cell leads to, or nothing.
    """

    cells: Sequence[Cell]
    state: str = ""
    target: str = ""


@dataclass
class Table:
    """A table.

    Parameters
    ----------
    name : str
        What its rows are, in the plural; part of labels.
    columns : sequence of Column
    rows : list of Row
    """

    name: str
    columns: Sequence[Column]
    rows: list[Row] = field(default_factory=list)

    @property
    def states(self) -> list[str]:
        """Words to filter by, in the order in which they appear; none if all rows are alike."""
        found = list(dict.fromkeys(row.state for row in self.rows if row.state))
        return found if len(found) > 1 else []

    @property
    def is_long(self) -> bool:
        """Whether columns have fixed widths, so that browsers skip rows that nobody looks at."""
        return len(self.rows) >= LONG


def text(shown: str) -> Cell:
    """Return a cell of words."""
    return Cell(shown)


def number(value: float | None, form: str = ".0f", *, scale: float = 1, unit: str = "") -> Cell:
    """Return a cell of a number; a question mark where it is unknown.

    Parameters
    ----------
    value : float, optional
    form : str
        Format specification of what is shown.
    scale : float
        What the value is divided by to be shown.
    unit : str
        Stands behind the number.
    """
    if value is None:
        return Cell("?")
    return Cell(f"{value / scale:{form}}{unit}", float(value))
