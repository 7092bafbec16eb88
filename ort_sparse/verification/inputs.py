"""Random inputs for a model, and the same ones rounded otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ort_sparse.errors import InvalidArgumentError, UnsupportedModelError
from ort_sparse.options import ComparisonOptions

__all__ = [
    "MAX_ELEMENTS",
    "Feeds",
    "TensorInfo",
    "inputs_of",
    "moved",
    "random_feeds",
    "random_inputs",
]

DYNAMIC_SIZE = 128
"""Given to dynamic dimensions but the first: the height and width of a small image."""

MAX_ELEMENTS = 2**26
"""Elements that the inputs of a model may have together, so that comparing takes no more memory
than a large image needs."""

Feeds = dict[str, NDArray[Any]]
"""An array for each input, by name."""


@dataclass(frozen=True)
class TensorInfo:
    """An input: name, shape with -1 for dynamic axes, dtype."""

    name: str
    shape: tuple[int, ...] | None
    """None where not even the rank is known."""
    dtype: np.dtype[Any]
    step: float | None = None
    """How far two neighbours of its quantization are apart; None where it is not quantized."""

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of this shape can be the input."""
        return self.shape is None or (
            len(shape) == len(self.shape)
            and all(wanted in (-1, size) for size, wanted in zip(shape, self.shape, strict=True))
        )

    @property
    def is_dynamic(self) -> bool:
        """Whether arrays of several shapes can be the input."""
        return self.shape is None or -1 in self.shape


def inputs_of(model: onnx.ModelProto) -> list[TensorInfo]:
    """Return the inputs of an ONNX model that have no default.

    Raises
    ------
    UnsupportedModelError
        If one is no tensor of numbers.
    """
    defaults = {tensor.name for tensor in model.graph.initializer}
    return [_describe(value) for value in model.graph.input if value.name not in defaults]


def random_inputs(
    inputs: Sequence[TensorInfo],
    *,
    batch: int = 1,
    seed: int = 0,
    shapes: Mapping[str, Sequence[int]] | None = None,
) -> Feeds:
    """Return an array for each input: floats uniform in -1..1, whole numbers 0 or 1.

    Integers that are quantized have any value of their type.

    Parameters
    ----------
    inputs : sequence of TensorInfo
    batch : int
        Size of the first dimension where it is dynamic; others are `DYNAMIC_SIZE`.
    seed : int
    shapes : mapping of str to sequence of int, optional
        Whole shapes of inputs by name.

    Raises
    ------
    InvalidArgumentError
        If ``batch`` is not positive, ``seed`` is negative, or ``shapes`` do not fit the inputs.
    UnsupportedModelError
        If the inputs have more than `MAX_ELEMENTS` elements together, or not even a rank.
    """
    options = ComparisonOptions(batch=batch, seed=seed, shapes=shapes or {})
    return random_feeds(inputs, options, most=1)[0]


def random_feeds(
    inputs: Sequence[TensorInfo], options: ComparisonOptions, *, most: int = 3
) -> list[Feeds]:
    """Return several random inputs, fewer where they would exceed `MAX_ELEMENTS` together."""
    sizes = _sizes(inputs, options)
    rng = np.random.default_rng(options.seed)
    elements = sum(math.prod(shape) for shape in sizes.values())
    count = min(most, MAX_ELEMENTS // max(elements, 1)) if inputs else 1
    return [
        {tensor.name: _draw(rng, sizes[tensor.name], tensor) for tensor in inputs}
        for _ in range(count)
    ]


def moved(feeds: Feeds, *, count: int, seed: int) -> Iterator[Feeds]:
    """Yield feeds whose floats are the next number of their type, each up or down by chance."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield {name: _move(rng, array) for name, array in feeds.items()}


def _describe(value: onnx.ValueInfoProto) -> TensorInfo:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type" or value.type.tensor_type.elem_type in (
        onnx.TensorProto.UNDEFINED,
        onnx.TensorProto.STRING,
    ):
        raise UnsupportedModelError(
            f"input {value.name!r}: must be a tensor of numbers to get random values, but is not"
        )
    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return TensorInfo(
        value.name,
        shape if tensor.HasField("shape") else None,
        onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type),
    )


def _sizes(inputs: Sequence[TensorInfo], options: ComparisonOptions) -> dict[str, tuple[int, ...]]:
    """Return the shape that each input gets."""
    unknown = options.shapes.keys() - {tensor.name for tensor in inputs}
    if unknown:
        raise InvalidArgumentError(
            f"shapes: must name inputs of the model ({', '.join(repr(t.name) for t in inputs)}), "
            f"but names {', '.join(map(repr, sorted(unknown)))}"
        )
    sizes: dict[str, tuple[int, ...]] = {}
    left = MAX_ELEMENTS
    for tensor in inputs:
        sizes[tensor.name] = shape = _size(tensor, options)
        left -= math.prod(shape)
        if left < 0:
            raise UnsupportedModelError(
                f"input {tensor.name!r}: the inputs must have at most {MAX_ELEMENTS} elements "
                f"together to be compared, but this one has shape {shape}"
            )
    return sizes


def _size(tensor: TensorInfo, options: ComparisonOptions) -> tuple[int, ...]:
    given = options.shapes.get(tensor.name)
    if given is not None:
        if not tensor.fits(given):
            raise InvalidArgumentError(
                f"shapes: input {tensor.name!r} must have a shape like {tensor.shape} "
                f"with any size for -1, but was given {tuple(given)}"
            )
        return tuple(given)
    if tensor.shape is None:
        raise UnsupportedModelError(
            f"input {tensor.name!r}: the model does not say its shape; say it with "
            f"--shape {tensor.name}=... (shapes={{{tensor.name!r}: (...)}})"
        )
    return tuple(
        size if size >= 0 else (DYNAMIC_SIZE if axis else options.batch)
        for axis, size in enumerate(tensor.shape)
    )


def _draw(rng: np.random.Generator, shape: tuple[int, ...], tensor: TensorInfo) -> NDArray[Any]:
    if np.issubdtype(tensor.dtype, np.floating):
        return rng.uniform(-1, 1, shape).astype(tensor.dtype)
    if tensor.step is None:
        return rng.integers(0, 2, shape).astype(tensor.dtype)
    limits = np.iinfo(tensor.dtype)
    return rng.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)


def _move(rng: np.random.Generator, array: NDArray[Any]) -> NDArray[Any]:
    if not np.issubdtype(array.dtype, np.floating):
        return array
    up = rng.random(array.shape) < 0.5
    bound = np.where(up, np.inf, -np.inf).astype(array.dtype)
    result: NDArray[Any] = np.nextafter(array, bound)
    return result
