"""What a user may ask of a comparison and of a conversion; checked before any work is done."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .converters.checks import check_block_rows, check_min_sparsity
from .errors import InvalidArgumentError

__all__ = ["ComparisonOptions", "ConvertOptions"]


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions:
    """On which random inputs models are compared, and how far apart they may be.

    Parameters
    ----------
    tolerance : float, optional
        Allowed difference, relative to the largest value of an output; by default what fits the
        models.
    seed : int
        Seed of the random inputs.
    batch : int
        Size of the first dimension of every input where it is dynamic.
    shapes : mapping of str to sequence of int
        Whole shapes of inputs by name, for models whose dynamic dimensions do not take every size.
    signature : str, optional
        Which signature of TFLite models; by default the only one, or ``serving_default``.

    Raises
    ------
    InvalidArgumentError
        If an option breaks its rule.
    """

    tolerance: float | None = None
    seed: int = 0
    batch: int = 1
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    signature: str | None = None

    def __post_init__(self) -> None:
        if self.tolerance is not None and not 0 <= self.tolerance < math.inf:
            raise InvalidArgumentError(f"tolerance: must be at least 0, but is {self.tolerance}")
        _check_integer("seed", self.seed, least=0)
        _check_integer("batch", self.batch, least=1)
        if not isinstance(self.shapes, Mapping):
            raise InvalidArgumentError(
                f"shapes: must map names of inputs to shapes, but is {self.shapes!r}"
            )
        for name, shape in self.shapes.items():
            if not isinstance(shape, Sequence) or not all(_is_integer(n) and n >= 0 for n in shape):
                raise InvalidArgumentError(
                    f"shapes: the shape of input {name!r} must be whole numbers of at least 0, "
                    f"but is {shape!r}"
                )


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(ComparisonOptions):
    """How a model is to be converted; `ort_sparse.convert` explains each option.

    Raises
    ------
    InvalidArgumentError
        If an option breaks its rule, or contradicts another.
    """

    layers: Literal["auto", "all"] = "auto"
    tune: bool = False
    min_sparsity: float = 0.5  # from here on block-CSR is smaller, whatever the index width
    block_rows: int | Literal["auto"] = "auto"
    opset: int | None = None
    inputs_as_nchw: bool = False
    keep_weight_inputs: bool = False
    verify: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers not in ("auto", "all"):
            raise InvalidArgumentError(f"layers: must be 'auto' or 'all', but is {self.layers!r}")
        if self.tune and self.layers != "auto":
            raise InvalidArgumentError(
                f"layers: must be 'auto' to be tuned, but is {self.layers!r}"
            )
        check_min_sparsity(self.min_sparsity)
        if self.block_rows != "auto":
            check_block_rows(self.block_rows)
        if self.opset is not None:
            from .converters.tflite import check_opset

            check_opset(self.opset)

    @property
    def block_height(self) -> int | None:
        """Height of the blocks, or None where it is to be found from the zeros."""
        return None if self.block_rows == "auto" else self.block_rows

    def check_source(self, name: str, *, is_tflite: bool) -> None:
        """Raise InvalidArgumentError if an option is set that has no meaning for the source.

        Parameters
        ----------
        name : str
            What messages call the source.
        is_tflite : bool
            Whether it is a TFLite model; an ONNX model otherwise.
        """
        wanted, found = ("ONNX", "a TFLite") if is_tflite else ("TFLite", "an ONNX")
        options: dict[str, Any] = (
            {"keep_weight_inputs": self.keep_weight_inputs}
            if is_tflite
            else {
                "opset": self.opset is not None,
                "inputs_as_nchw": self.inputs_as_nchw,
                "signature": self.signature is not None,
            }
        )
        for option, is_set in options.items():
            if is_set:
                raise InvalidArgumentError(
                    f"{name}: {option} must be given for {wanted} models only, "
                    f"but this is {found} model"
                )


def _check_integer(name: str, value: Any, *, least: int) -> None:
    if not _is_integer(value) or value < least:
        raise InvalidArgumentError(
            f"{name}: must be a whole number of at least {least}, but is {value!r}"
        )


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral)
