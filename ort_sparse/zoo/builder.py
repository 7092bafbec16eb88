"""From a network's name to the bytes of its TFLite file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ort_sparse.converters.isolation import run_isolated, temporary_folder
from ort_sparse.errors import InvalidArgumentError

from .catalogue import entry
from .export import calibrate, import_tensorflow, to_tflite
from .layers import Layers, Tensor

__all__ = ["build", "build_model", "prepare", "work"]

_RESOLUTION_STEP = 32

# The files of one network.
_REQUEST = "request.json"
_RESULT = "model.tflite"


def build(
    name: str,
    *,
    seed: int = 0,
    resolution: int | None = None,
    sparsity: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> bytes:
    """Build a network with random weights and return the bytes of its TFLite file.

    TensorFlow runs in a process of its own, where its log stays. Equal arguments give equal bytes
    on one machine; where TensorFlow rounds differently, the weights differ in their last bits, but
    have the same pattern of zeros.

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
        Called with a line of text before the work begins.

    Raises
    ------
    InvalidArgumentError
        If the name is unknown, or an argument is out of range.
    MissingDependencyError
        If TensorFlow is not installed.
    """
    item = entry(name)
    resolution = item.resolution if resolution is None else resolution
    sparsity = item.sparsity if sparsity is None else sparsity
    _check(seed, resolution, sparsity)
    options = {"seed": seed, "resolution": resolution, "sparsity": sparsity}
    if progress is not None:
        progress(f"{name}: building with TensorFlow")
    with temporary_folder() as folder:
        (folder / _REQUEST).write_text(json.dumps({"name": name, "options": options}))
        run_isolated(__name__, folder, what="TensorFlow", limited=False)
        return (folder / _RESULT).read_bytes()


def prepare() -> None:
    """Import what `work` needs; called in the process that `isolation` starts."""
    import_tensorflow()


def work(folder: Path) -> None:
    """Build the network that a request in ``folder`` names, in a process of its own."""
    request = json.loads((folder / _REQUEST).read_text())
    model = build_model(entry(request["name"]).network, **request["options"])
    (folder / _RESULT).write_bytes(to_tflite(model))


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
    _check(seed, resolution, sparsity)
    rng = np.random.default_rng(seed)
    net = Layers(resolution, sparsity, rng)
    model = import_tensorflow().keras.Model(net.image, network(net), name="network")
    calibrate(model, rng)
    return model


def _check(seed: int, resolution: int, sparsity: float) -> None:
    if resolution < _RESOLUTION_STEP or resolution % _RESOLUTION_STEP:
        raise InvalidArgumentError(
            f"resolution: must be a positive multiple of {_RESOLUTION_STEP}, but is {resolution}"
        )
    if not 0 <= sparsity < 1:
        raise InvalidArgumentError(f"sparsity: must lie in [0, 1), but is {sparsity}")
    if seed < 0:
        raise InvalidArgumentError(f"seed: must not be negative, but is {seed}")
