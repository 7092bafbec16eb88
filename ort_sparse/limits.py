"""How much memory a model may ask for, in proportion to its size."""

from __future__ import annotations

__all__ = ["dense_limit"]

_MINIMUM = 64 * 2**20
_PER_STORED_BYTE = 100


def dense_limit(stored_bytes: int) -> int:
    """Return how many bytes weights may take once they are dense.

    100 times what they take stored, or 64 MiB: a few bytes can claim any number of zeros.
    """
    return max(_MINIMUM, _PER_STORED_BYTE * stored_bytes)
