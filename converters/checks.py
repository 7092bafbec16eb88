"""Rules of what a user may ask of a conversion, for all that take the same option."""

from __future__ import annotations

from ort_sparse.errors import InvalidArgumentError

__all__ = ["check_block_rows", "check_min_sparsity"]


def check_min_sparsity(value: float) -> None:
    """Raise InvalidArgumentError unless ``value`` is a share."""
    if not 0 <= value <= 1:
        hint = f"; {value:g} % is {value / 100:g}" if 1 < value <= 100 else ""
        raise InvalidArgumentError(f"min_sparsity: must lie in 0..1, but is {value}{hint}")


def check_block_rows(value: int) -> None:
    """Raise InvalidArgumentError unless ``value`` is a height of blocks that are looked for."""
    from ort_sparse.bcsr import CANDIDATE_BLOCK_ROWS

    if value not in CANDIDATE_BLOCK_ROWS:
        raise InvalidArgumentError(
            f"block_rows: must be one of {', '.join(map(str, CANDIDATE_BLOCK_ROWS))} "
            f"or 'auto', but is {value!r}"
        )
