"""Types of the native module; `ort_sparse.kernels` documents what it does."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

def supported_isas() -> list[str]: ...
def kernel_table() -> list[tuple[str, str, str, int, int, int]]: ...
def operator_facts() -> tuple[list[tuple[str, bool, bool]], list[str]]: ...
def openmp_problem() -> str | None: ...
def fma_peak(isa: str) -> float: ...

class Layer:
    isa: str
    packed_bytes: int
    def __init__(
        self,
        arrays: dict[str, NDArray[Any]],
        *,
        in_channels: int,
        block_rows: int,
        strides: Sequence[int],
        activation: str,
        minimum: float,
        maximum: float,
        alpha: float,
        pixels: int,
        isa: str | None,
        vectors: int,
    ) -> None: ...
    def run(
        self,
        x: NDArray[Any],
        residual: NDArray[Any] | None,
        y: NDArray[Any],
        parallel: bool,
    ) -> float: ...

class Conv:
    def __init__(
        self,
        weights: NDArray[Any],
        bias: NDArray[Any],
        slope: NDArray[Any] | None,
        *,
        groups: int,
        strides: Sequence[int],
        dilations: Sequence[int],
        pads_begin: Sequence[int],
        pads_end: Sequence[int],
        activation: str,
        minimum: float,
        maximum: float,
        alpha: float,
        isa: str | None,
    ) -> None: ...
    def output_size(self, height: int, width: int) -> tuple[int, int]: ...
    def run(self, x: NDArray[Any], y: NDArray[Any], parallel: bool) -> float: ...

class Pool:
    def __init__(
        self,
        *,
        average: bool,
        kernel: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
        pads_begin: Sequence[int],
        pads_end: Sequence[int],
        ceil_mode: bool,
        count_include_pad: bool,
        isa: str | None,
    ) -> None: ...
    def output_size(
        self, batch: int, channels: int, height: int, width: int
    ) -> tuple[int, int]: ...
    def run(self, x: NDArray[Any], y: NDArray[Any], parallel: bool) -> float: ...
