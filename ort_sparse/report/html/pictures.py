"""Pictures of where a matrix has zeros, and how long its rows are."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ort_sparse.bcsr import BlockCSR

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Bar", "Image", "Lengths", "detail", "overview", "row_lengths"]

Pixels = NDArray[np.uint8]

OVERVIEW = 96
"""Pixels along a side of an overview, at most."""

LEVELS = 8
"""Shades of an overview: white for no nonzero, black for the fullest pixel of the matrix."""

DETAIL = (24, 48)
"""Rows and columns that a detail shows, at most."""

CELL = 6
"""Pixels along a side of a weight in a detail."""

PAPER, ZERO, NONZERO = 0, 1, 2
"""What a pixel of a detail is: outside of blocks, a zero or a nonzero inside of one."""

DETAIL_SHADES = (255, 170, 0)

MOST_BARS = 24

BARS_WIDTH, BARS_HEIGHT = 240, 60
"""Size of a picture of row lengths."""


@dataclass(frozen=True)
class Image:
    """A PNG picture inside a page.

    Parameters
    ----------
    url : markupsafe.Markup
        A ``data:`` URL.
    width, height : int
        In pixels of the page.
    rows, columns : int
        Of the matrix that it shows.
    cell : (int, int)
        Rows and columns that one pixel stands for, rounded up.
    """

    url: Markup
    width: int
    height: int
    rows: int
    columns: int
    cell: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Bar:
    """A bar: rows that have ``first`` to ``last`` nonzeros, and where it is drawn."""

    first: int
    last: int
    rows: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Lengths:
    """How many nonzeros the rows of a matrix have."""

    shortest: int
    median: float
    longest: int
    empty: int
    bars: Sequence[Bar]
    width: int = BARS_WIDTH
    height: int = BARS_HEIGHT


def overview(matrix: BlockCSR) -> Image:
    """Return a picture of a whole matrix; the darker, the more nonzeros.

    Large matrices are made smaller: then a pixel stands for several weights.
    """
    rows, columns = matrix.shape
    height, width = min(rows, OVERVIEW), min(columns, OVERVIEW)
    row, column = _nonzeros(matrix)
    places = row * height // rows * width + column * width // columns
    found = np.bincount(places, minlength=height * width).reshape(height, width)
    weights = np.outer(_shares(rows, height), _shares(columns, width))
    share = found / weights
    levels = np.ceil(share / max(share.max(), 1e-9) * (LEVELS - 1)).astype(np.uint8)
    shades = [round(255 - 255 * level / (LEVELS - 1)) for level in range(LEVELS)]
    zoom = max(1, 2 * OVERVIEW // max(height, width))
    return Image(
        _png(levels, shades),
        width * zoom,
        height * zoom,
        rows,
        columns,
        (-(-rows // height), -(-columns // width)),
    )


def detail(matrix: BlockCSR) -> Image:
    """Return a picture of the first rows and columns: each weight, and the blocks that hold it.

    Weights of a block touch, blocks do not.
    """
    height = min(matrix.shape[0], max(DETAIL[0], matrix.block_rows))
    width = min(matrix.shape[1], DETAIL[1])
    block_height = matrix.block_rows
    pixels = np.full((height * CELL + 1, width * CELL + 1), PAPER, np.uint8)
    for block_row in range(-(-height // block_height)):
        start, end = (int(i) for i in matrix.indptr[block_row : block_row + 2])
        for block in range(start, end):
            column = int(matrix.indices[block])
            if column >= width:
                break
            for i, value in enumerate(matrix.values[block]):
                row = block_row * block_height + i
                top = row * CELL + (1 if i == 0 else 0)
                pixels[top : (row + 1) * CELL, column * CELL + 1 : (column + 1) * CELL] = (
                    NONZERO if value != 0 else ZERO
                )
    return Image(_png(pixels, DETAIL_SHADES), pixels.shape[1], pixels.shape[0], height, width)


def row_lengths(matrix: BlockCSR) -> Lengths:
    """Return how many nonzeros the rows have, as a histogram."""
    lengths = np.bincount(_nonzeros(matrix)[0], minlength=matrix.shape[0])
    shortest, longest = int(lengths.min()), int(lengths.max())
    step = -(-(longest - shortest + 1) // MOST_BARS)
    counts = np.bincount((lengths - shortest) // step)
    width = BARS_WIDTH / len(counts)
    bars = []
    for i, count in enumerate(counts.tolist()):
        height = BARS_HEIGHT * count / int(counts.max())
        first = shortest + i * step
        bars.append(
            Bar(
                first,
                min(first + step - 1, longest),
                count,
                round(i * width, 1),
                round(BARS_HEIGHT - height, 1),
                round(width * 0.9, 1),
                round(height, 1),
            )
        )
    return Lengths(shortest, float(np.median(lengths)), longest, int((lengths == 0).sum()), bars)


def _nonzeros(matrix: BlockCSR) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of each nonzero; stored zeros are none."""
    starts = matrix.indptr.astype(np.int64)
    block_row = np.repeat(np.arange(starts.size - 1), starts[1:] - starts[:-1])
    block, i = np.nonzero(matrix.values)
    return block_row[block] * matrix.block_rows + i, matrix.indices[block].astype(np.int64)


def _shares(size: int, pixels: int) -> NDArray[Any]:
    """Return how many rows, or columns, each pixel stands for."""
    return np.bincount(np.arange(size) * pixels // size, minlength=pixels)


def _png(pixels: Pixels, shades: Sequence[int]) -> Markup:
    from markupsafe import Markup
    from PIL import Image as PillowImage

    image = PillowImage.fromarray(pixels, mode="P")
    image.putpalette([shade for shade in shades for _ in "rgb"])
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True, bits=max(1, (len(shades) - 1).bit_length()))
    return Markup(f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}")
