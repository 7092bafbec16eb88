"""What the passes found and did, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LayerReport"]


@dataclass(frozen=True)
class LayerReport:
    """A pointwise layer with constant weights, and what became of it.

    Parameters
    ----------
    name : str
        Name of the node.
    kind : str
        Operator of the node as it was found: Conv, Gemm, MatMul or SparseConv1x1.
    shape : (int, int)
        Output channels and input channels. A grouped convolution counts the input channels of all
        its groups.
    zeros : float
        Share of zeros in the stored weights, 0 to 1. The cells of a grouped convolution that no
        group covers are not stored and do not count; of a layer that already is SparseConv1x1
        all cells count.
    block_rows : int or None
        Height of the blocks; None where the layer stays dense.
    bytes_before : int
        Bytes of the dense weights: as the model holds them, or as float16 if that is exact and
        smaller.
    bytes_after : int
        Bytes of the block-CSR arrays; ``bytes_before`` where the layer stays dense.
    macs_before, macs_after : int or None
        Multiply-accumulates for one item of the batch; afterwards one for each stored value and
        output position. None where the spatial size is unknown.
    replaced : bool
        Whether the layer was turned into SparseConv1x1.
    reason : str
        Why it was or was not, in a few words.
    dense_microseconds, sparse_microseconds : float or None
        Time of the layer in each form, by the cost model or measured; None where unknown.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    zeros: float
    block_rows: int | None
    bytes_before: int
    bytes_after: int
    macs_before: int | None
    macs_after: int | None
    replaced: bool
    reason: str
    dense_microseconds: float | None = None
    sparse_microseconds: float | None = None

    @property
    def is_sparse(self) -> bool:
        """Whether the layer is a SparseConv1x1 now, since before or since now."""
        return self.block_rows is not None
