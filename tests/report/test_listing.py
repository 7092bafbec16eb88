"""Tables at 80 columns: whole lines, whole figures, and names that can be told apart."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from ort_sparse.report.listing import (
    Listing,
    cut_in_the_middle,
    drop_common_prefix,
    printable,
)


def render(listing, width=80):
    file = io.StringIO()
    Console(file=file, width=width).print(listing)
    lines = file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    return lines


def listing(names, note=""):
    table = Listing("layer", "shape", "kB\nbefore", "kB\nafter", note="why", title="Layers")
    for i, name in enumerate(names):
        table.add(name, "1152 x 192", "442.4", f"{i}.1", note=note)
    table.add_total(f"{len(names)} layers", "", "884.8", "1.2")
    return table


def test_what_fits_is_one_line_a_row():
    lines = render(listing(["first", "second"], note="75.0% zeros"))
    assert lines == [
        "Layers",
        "                          kB     kB",
        "layer          shape  before  after  why",
        "────────────────────────────────────────────────",
        "first     1152 x 192   442.4    0.1  75.0% zeros",
        "second    1152 x 192   442.4    1.1  75.0% zeros",
        "────────────────────────────────────────────────",
        "2 layers               884.8    1.2",
    ]


def test_long_notes_get_lines_of_their_own():
    lines = render(listing(["first"], note="75.0% zeros; " + "predicted 31.9 us, " * 5))
    assert lines[4].split() == ["first", "1152", "x", "192", "442.4", "0.1"]
    assert lines[5].startswith("  75.0% zeros; predicted")
    assert lines[6].startswith("  ")
    assert "why" not in lines[2]


def test_long_names_lose_their_common_beginning_then_their_middle():
    names = [f"model_1/model/block_{i}/expand/{'x' * 60}/Conv2D{i}" for i in range(12)]
    lines = render(listing(names))
    assert lines[1] == 'names begin with "model_1/model/block_"'
    rows = lines[5:17]
    assert all(row.startswith(f"{i}/expand/") for i, row in enumerate(rows))
    assert all(f"…{'x' * 10}" in row and f"/Conv2D{i} " in row for i, row in enumerate(rows))
    assert all("1152 x 192   442.4" in row for row in rows)


def test_names_get_a_line_of_their_own_where_figures_leave_no_room():
    table = Listing("layer", *(f"figure {i}" for i in range(7)))
    table.add("a" * 100, *(["123456789"] * 7))
    lines = render(table)
    assert lines[0] == "layer"
    assert lines[-2] == f"{'a' * 40}…{'a' * 39}"
    assert lines[-1].split() == ["123456789"] * 7


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_figure_is_ever_cut(width):
    shown = "\n".join(render(listing(["x" * 90, "y" * 90], note="z " * 90), width))
    assert shown.count("1152 x 192   442.4") == 2


def test_names_are_text_and_no_markup_or_escapes():
    (row,) = (line for line in render(listing(["[red]a[0]\x1b[2Jb\n"])) if "[red]" in line)
    assert row.startswith(r"[red]a[0]\x1b[2Jb\n ")


def test_cut_in_the_middle():
    assert cut_in_the_middle("abcdefghij", 10) == "abcdefghij"
    assert cut_in_the_middle("abcdefghij", 7) == "abc…hij"
    assert cell_len(cut_in_the_middle("層" * 30, 20)) <= 20


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["m/a", "m/b"], "m/"),
        (["m/aa", "m/ab"], "m/"),
        (["m/a", "m/a"], "m/"),
        (["m/", "m/b"], ""),
        (["a", "b"], ""),
        (["m/a"], ""),
        ([], ""),
    ],
)
def test_drop_common_prefix(names, prefix):
    assert drop_common_prefix(names) == prefix


def test_printable():
    assert printable("a b…") == "a b…"
    assert printable("\udcff\t") == r"\udcff\t"
