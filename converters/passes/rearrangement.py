"""How the input of a product gets its channels along axis 1, and the result its axes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rearrangement", "left_product", "right_product"]


@dataclass(frozen=True)
class Step:
    """A Transpose or a Reshape, with what it has besides its input.

    Parameters
    ----------
    op_type : {"Transpose", "Reshape"}
    axes : tuple of int
        The permutation, or the shape, which may have one -1.
    """

    op_type: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Rearrangement:
    """What SparseConv1x1, whose channels lie along axis 1, needs before and behind it.

    Parameters
    ----------
    before, behind : Step, optional
    pixel_axes : tuple of int, optional
        Axes of the result, behind the last step, that are neither batch nor channels; by default
        all from axis 2 on.
    """

    before: Step | None = None
    behind: Step | None = None
    pixel_axes: tuple[int, ...] | None = None


def right_product(
    rank: int, rows: int, *, is_transposed: bool = False, adds_axis: bool = False
) -> Rearrangement:
    """Return the rearrangement of X times a constant, X of shape (..., n, columns).

    Parameters
    ----------
    rank : int
        Of X.
    rows : int
        Output channels.
    is_transposed : bool
        Whether X has the shape (..., columns, n) and is transposed for the product.
    adds_axis : bool
        Whether the result of a matrix X has an axis of size 1 before the others.
    """
    if rank == 2:
        before = Step("Transpose", (1, 0)) if is_transposed else None
        behind = Step("Reshape", (1, -1, rows)) if adds_axis else None
        return Rearrangement(before, behind, pixel_axes=())
    middle = range(1, rank - 2)
    channels, items = (rank - 2, rank - 1) if is_transposed else (rank - 1, rank - 2)
    order = (0, channels, *middle, items)
    is_there = order == tuple(range(rank))
    return Rearrangement(
        None if is_there else Step("Transpose", order),
        Step("Transpose", (0, *range(2, rank), 1)),
        pixel_axes=tuple(range(1, rank - 1)),
    )


def left_product(
    rank: int, shape: tuple[int, int], *, is_transposed: bool = False, adds_axis: bool = False
) -> Rearrangement:
    """Return the rearrangement of a constant times X, X of shape (columns, n) or (b, columns, n).

    Parameters
    ----------
    rank : int
        Of X, 2 or 3.
    shape : (int, int)
        Of the constant: output and input channels.
    is_transposed : bool
        Whether X has the shape (n, columns) or (b, n, columns) and is transposed for the product.
    adds_axis : bool
        Whether the result of a matrix X, not transposed, has an axis of size 1 before the others.
    """
    rows, columns = shape
    if rank == 3:
        return Rearrangement(Step("Transpose", (0, 2, 1)) if is_transposed else None)
    if not is_transposed:
        # One item with n pixels; n items of one pixel would be slower.
        back = None if adds_axis else Step("Reshape", (rows, -1))
        pixels = 2 if adds_axis else 1
        return Rearrangement(Step("Reshape", (1, columns, -1)), back, pixel_axes=(pixels,))
    return Rearrangement(behind=Step("Transpose", (1, 0)), pixel_axes=())
