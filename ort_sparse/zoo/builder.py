"""From a network's name to the bytes of its TFLite file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ort_sparse.errors import InvalidArgumentError

from .catalogue import entry
from .export import calibrate, import_tensorflow, to_tflite
from .layers import Layers, Tensor

__all__ = ["build", "build_model"]

_RESOLUTION_STEP = 32


def build(
    name: str,
    *,
    seed: int = 0,
    resolution: int | None = None,
    sparsity: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> bytes:
    """Build a network with random weights and return the bytes of its TFLite file.

    Equal arguments give equal bytes on one machine; where TensorFlow rounds differently, the
    weights differ in their last bits, but have the same pattern of zeros.

    Parameters
    ----------
    name : str
        One of `names`.
    seed : int
        Not negative.
    resolution : int, optional
        Height and width of the input in pixels, a positive multiple of 32. The network's own by
        default.
    sparsity : float, optional
        Share of zeros in the pruned layers, at least 0 and below 1. The network's own by default.
        Below 0.3 the converter stores the weights dense.
    progress : callable, optional
        Called with a line of text before each step that takes long.

    Raises
    ------
    InvalidArgumentError
        If the name is unknown, or an argument is out of range.
    MissingDependencyError
        If TensorFlow is not installed.
    """
    item = entry(name)
    report = progress or (lambda line: None)
    report(f"{name}: building")
    model = build_model(
        item.network,
        seed=seed,
        resolution=item.resolution if resolution is None else resolution,
        sparsity=item.sparsity if sparsity is None else sparsity,
    )
    report(f"{name}: converting to TFLite")
    return to_tflite(model)


def build_model(
    network: Callable[[Layers], Tensor], *, seed: int, resolution: int, sparsity: float
) -> Any:
    """Return the Keras model of a network, pruned and with calibrated batch norms.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of range.
    MissingDependencyError
        If TensorFlow is not installed.
    """
    if resolution < _RESOLUTION_STEP or resolution % _RESOLUTION_STEP:
        raise InvalidArgumentError(
            f"resolution: must be a positive multiple of {_RESOLUTION_STEP}, but is {resolution}"
        )
    if not 0 <= sparsity < 1:
        raise InvalidArgumentError(f"sparsity: must lie in [0, 1), but is {sparsity}")
    if seed < 0:
        raise InvalidArgumentError(f"seed: must not be negative, but is {seed}")
    rng = np.random.default_rng(seed)
    net = Layers(resolution, sparsity, rng)
    model = import_tensorflow().keras.Model(net.image, network(net), name="network")
    calibrate(model, rng)
    return model
