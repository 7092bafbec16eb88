"""Gradual pruning by magnitude, with PyTorch's own means."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn.utils import prune


def sparsity_at(progress: float, final: float) -> float:
    """Return the share of zeros at a time between 0 and 1: fast at first, then ever slower.

    The cubic schedule of Zhu and Gupta, "To prune, or not to prune" (2017).
    """
    return final * (1 - (1 - progress) ** 3)


def prune_to(layers: Iterable[nn.Module], sparsity: float) -> None:
    """Set the smallest weights of each layer to zero until it has this share of zeros.

    What is zero stays zero: PyTorch keeps a mask, which every later training step applies.
    """
    for layer in layers:
        wanted = round(sparsity * layer.weight.numel())
        more = wanted - int(torch.count_nonzero(layer.weight == 0))
        if more > 0:
            prune.l1_unstructured(layer, "weight", amount=more)


def make_permanent(layers: Iterable[nn.Module]) -> None:
    """Replace weights and masks by plain weights with zeros, as they are exported."""
    for layer in layers:
        prune.remove(layer, "weight")
