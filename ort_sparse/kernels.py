"""The native kernels as NumPy calls, without ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dependencies import why_not_loaded
from .errors import InvalidArgumentError, MissingDependencyError
from .op import Activation, SparseConv1x1, output_shape

try:
    from . import _native
except ImportError as error:
    if error.path is not None and error.path.endswith(".so"):
        raise MissingDependencyError(why_not_loaded(error.path) or str(error)) from error
    raise MissingDependencyError(f"{error}; install ort_sparse by pip, which brings it") from error

__all__ = ["Conv", "Kernel", "Layer", "Pool", "fma_peak", "microkernels", "supported_isas"]


class Kernel(NamedTuple):
    """One entry of the microkernel table."""

    family: str
    """What it computes: ``spmm``, the sparse product over pixels, ``one_pixel``, ``copy``, ..."""
    isa: str
    """Instruction set."""
    features: str
    """CPU features it needs, as ``/proc/cpuinfo`` names them."""
    block_rows: int
    """Output channels that share an input channel; 0 where the family has no such shape."""
    vectors: int
    """Pixel tile, in vectors; 0 likewise."""
    lanes: int
    """Floats in a vector."""


def supported_isas() -> list[str]:
    """Return the instruction sets that this CPU can run, best first."""
    return _native.supported_isas()


def microkernels() -> list[Kernel]:
    """Return every microkernel of this build, best instruction set first."""
    return [Kernel(*row) for row in _native.kernel_table()]


def fma_peak(isa: str) -> float:
    """Measure what one core does with multiply-adds from registers alone, in GFLOP/s.

    Takes a few milliseconds. One multiply-add of one lane counts as two operations.

    Raises
    ------
    InvalidArgumentError
        If this CPU lacks the instruction set.
    """
    if isa not in supported_isas():
        raise InvalidArgumentError(
            f"isa: must be one of {', '.join(supported_isas())}, but is {isa!r}"
        )
    return _native.fma_peak(isa)


def _uses_openmp(parallel: bool | None) -> bool:
    problem = None if parallel is False else _native.openmp_problem()
    if parallel and problem is not None:
        raise MissingDependencyError(f"parallel: {problem}")
    return parallel is not False and problem is None


class Layer:
    """A sparse layer, packed for this CPU.

    Parameters
    ----------
    op : SparseConv1x1
    isa : str, optional
        Instruction set; by default ``ORT_SPARSE_ISA``, or else the best that this CPU has.
    pixels : int
        Expected size of an output plane, by which the packing is chosen; 0 when unknown. Other
        sizes run as correctly, if not as fast.
    vectors : int
        Pixel tile, as in `microkernels`; 0 lets the cost model choose. For tests and benchmarks.

    Raises
    ------
    InvalidArgumentError
        If the op breaks a rule of the operator, the CPU lacks the instruction set, ``pixels``
        does not fit int32, or no microkernel has such a tile.
    """

    def __init__(
        self,
        op: SparseConv1x1,
        *,
        isa: str | None = None,
        pixels: int = 0,
        vectors: int = 0,
    ) -> None:
        if not 0 <= pixels < 2**31:
            raise InvalidArgumentError(f"pixels: must lie in 0..2**31-1, but is {pixels}")
        self._op = op
        self._native = _native.Layer(
            op.constants(),
            in_channels=op.weights.shape[1],
            block_rows=op.weights.block_rows,
            strides=op.strides,
            activation=op.activation.name,
            minimum=op.activation.minimum,
            maximum=op.activation.maximum,
            alpha=op.activation.alpha,
            pixels=pixels,
            isa=isa,
            vectors=vectors,
        )

    @property
    def isa(self) -> str:
        """The instruction set that the weights are packed for."""
        return self._native.isa

    @property
    def packed_bytes(self) -> int:
        """Memory of the packed weights."""
        return self._native.packed_bytes

    def __call__(
        self,
        x: NDArray[Any],
        residual: NDArray[Any] | None = None,
        *,
        out: NDArray[Any] | None = None,
        parallel: bool | None = None,
    ) -> NDArray[np.float32]:
        """Apply the layer.

        Parameters
        ----------
        x : ndarray, shape (batch, input channels, ...), float32
            C-contiguous, rank 2 to 5.
        residual : ndarray, float32, optional
            Added before the activation; of the output's shape.
        out : ndarray, float32, optional
            Receives the output; may be ``residual`` itself.
        parallel : bool, optional
            Whether to use an OpenMP team (``OMP_NUM_THREADS``); by default where its runtime,
            ``libgomp.so.1``, is installed. The numbers are the same.

        Returns
        -------
        ndarray, shape (batch, output channels, ...), float32

        Raises
        ------
        InvalidArgumentError
            If an array has another shape or dtype, or is not C-contiguous.
        MissingDependencyError
            If ``parallel`` is true and there is no OpenMP.
        """
        if out is None:
            strides = self._op.strides
            if x.ndim < 2 or (strides and len(strides) != x.ndim - 2):
                raise InvalidArgumentError(
                    f"X: must have rank {len(strides) + 2 if strides else '2 to 5'}, "
                    f"but has shape {x.shape}"
                )
            shape = output_shape(x.shape, self._op.weights.shape[0], strides)
            out = np.empty(shape, np.float32)
        self.time(x, residual, out=out, parallel=parallel)
        return out

    def time(
        self,
        x: NDArray[Any],
        residual: NDArray[Any] | None = None,
        *,
        out: NDArray[Any],
        parallel: bool | None = None,
    ) -> float:
        """Apply the layer, and return the seconds that it computed.

        The call from Python is not counted. Parameters and errors are those of `__call__`.
        """
        for name, array in (("X", x), ("residual", residual), ("out", out)):
            if array is not None and not array.flags.c_contiguous:
                raise InvalidArgumentError(f"{name}: must be C-contiguous, but is not")
        return self._native.run(x, residual, out, _uses_openmp(parallel))


class Conv:
    """A dense convolution of few input channels a group, such as a depthwise layer or a stem.

    Parameters
    ----------
    weights : ndarray, shape (output channels, input channels / groups, height, width), float32
        At most 256 numbers for an output channel.
    bias : ndarray, shape (output channels,), float32, optional
    groups : int
    strides, dilations : tuple of two int
        Along height and width.
    pads : tuple of four int
        Zeros before height and width, and behind them, as in ONNX.
    activation : Activation, optional
    slope : ndarray, shape (output channels,), float32, optional
        Of the activation ``prelu``.
    isa : str, optional
        Instruction set; by default ``ORT_SPARSE_ISA``, or else the best that this CPU has.

    Raises
    ------
    InvalidArgumentError
        If an array has another shape or dtype, a number breaks its rule, or the CPU lacks the
        instruction set.
    """

    def __init__(
        self,
        weights: NDArray[Any],
        bias: NDArray[Any] | None = None,
        *,
        groups: int = 1,
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        activation: Activation | None = None,
        slope: NDArray[Any] | None = None,
        isa: str | None = None,
    ) -> None:
        activation = activation or Activation()
        if weights.ndim != 4:
            raise InvalidArgumentError(f"weights: must have rank 4, but has shape {weights.shape}")
        for name, numbers, count in (
            ("strides", strides, 2),
            ("dilations", dilations, 2),
            ("pads", pads, 4),
        ):
            if len(numbers) != count:
                raise InvalidArgumentError(f"{name}: must be {count} numbers, but is {numbers}")
        rows = weights.shape[0]
        bias = np.zeros(rows, np.float32) if bias is None else bias
        for name, array in (("bias", bias), ("slope", slope)):
            if array is not None and array.shape != (rows,):
                raise InvalidArgumentError(
                    f"{name}: must have shape ({rows},), but has {array.shape}"
                )
        if (slope is not None) != (activation.name == "prelu"):
            raise InvalidArgumentError("slope: must be given with activation prelu and no other")
        self._channels = weights.shape[1] * groups, rows
        self._native = _native.Conv(
            weights,
            bias,
            slope,
            groups=groups,
            strides=strides,
            dilations=dilations,
            pads_begin=pads[:2],
            pads_end=pads[2:],
            activation=activation.name,
            minimum=activation.minimum,
            maximum=activation.maximum,
            alpha=activation.alpha,
            isa=isa,
        )

    def __call__(self, x: NDArray[Any], *, parallel: bool | None = None) -> NDArray[np.float32]:
        """Apply the layer.

        Parameters
        ----------
        x : ndarray, shape (batch, input channels, height, width), float32
            C-contiguous.
        parallel : bool, optional
            Whether to use an OpenMP team, as of a `Layer`; the numbers are the same.

        Returns
        -------
        ndarray, shape (batch, output channels, height, width), float32

        Raises
        ------
        InvalidArgumentError
            If ``x`` has another shape or dtype, or is smaller than the kernel.
        MissingDependencyError
            If ``parallel`` is true and there is no OpenMP.
        """
        channels, rows = self._channels
        if x.ndim != 4 or x.shape[1] != channels or not x.flags.c_contiguous:
            raise InvalidArgumentError(
                f"X: must be C-contiguous of shape (batch, {channels}, height, width), "
                f"but has shape {x.shape}"
            )
        size = self._native.output_size(*x.shape[2:])
        y = np.empty((x.shape[0], rows, *size), np.float32)
        self._native.run(x, y, _uses_openmp(parallel))
        return y


class Pool:
    """Maximum or average pooling, with the numbers of ONNX Runtime's MaxPool and AveragePool.

    Parameters
    ----------
    kind : {'max', 'average'}
    kernel : tuple of two int
        Height and width of a window.
    strides, dilations : tuple of two int
        Along height and width.
    pads : tuple of four int
        Before height and width, and behind them, as in ONNX; each smaller than the kernel.
    ceil_mode : bool
        Whether a last window may reach beyond the padding.
    count_include_pad : bool
        Whether an average counts padding.
    isa : str, optional
        Instruction set; by default ``ORT_SPARSE_ISA``, or else the best that this CPU has.

    Raises
    ------
    InvalidArgumentError
        If a number breaks its rule or the CPU lacks the instruction set.
    """

    def __init__(
        self,
        kind: str,
        kernel: Sequence[int],
        *,
        strides: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        ceil_mode: bool = False,
        count_include_pad: bool = False,
        isa: str | None = None,
    ) -> None:
        if kind not in ("max", "average"):
            raise InvalidArgumentError(f"kind: must be max or average, but is {kind!r}")
        for name, numbers, count in (
            ("kernel", kernel, 2),
            ("strides", strides, 2),
            ("dilations", dilations, 2),
            ("pads", pads, 4),
        ):
            if len(numbers) != count:
                raise InvalidArgumentError(f"{name}: must be {count} numbers, but is {numbers}")
        self._native = _native.Pool(
            average=kind == "average",
            kernel=kernel,
            strides=strides,
            dilations=dilations,
            pads_begin=pads[:2],
            pads_end=pads[2:],
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            isa=isa,
        )

    def __call__(self, x: NDArray[Any], *, parallel: bool | None = None) -> NDArray[np.float32]:
        """Apply the layer.

        Parameters
        ----------
        x : ndarray, shape (batch, channels, height, width), float32
            C-contiguous.
        parallel : bool, optional
            Whether to use an OpenMP team, as of a `Layer`; the numbers are the same.

        Returns
        -------
        ndarray, shape (batch, channels, output height, output width), float32

        Raises
        ------
        InvalidArgumentError
            If ``x`` has another shape or dtype, or is smaller than the kernel.
        """
        if x.ndim != 4 or not x.flags.c_contiguous:
            raise InvalidArgumentError(
                "X: must be C-contiguous of shape (batch, channels, height, width), "
                f"but has shape {x.shape}"
            )
        y = np.empty((*x.shape[:2], *self._native.output_size(*x.shape)), np.float32)
        self._native.run(x, y, _uses_openmp(parallel))
        return y
