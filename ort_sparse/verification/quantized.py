"""What counts as the same numbers for quantized TFLite files.

Full integer: every operator rounds its result to a step, and LiteRT and ONNX Runtime round ties
otherwise, so that a value is a step apart now and then, and all that is computed from it a little.
How far that goes is measured on the reference, by moving its inputs by one step (`Steps`).

Dynamic range: LiteRT's kernels round activations to int8 when they run, which no other engine does
alike. The reference is LiteRT with the same weights in float32: a model that computes in floats
agrees with that as any other does. One that quantizes its activations too may differ by a multiple
of what doing so changes in LiteRT (`OnTheFly`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import Array, Arrays, Runs, absolute_difference, by_rank
from .inputs import Feeds, TensorInfo

__all__ = [
    "ON_THE_FLY_FACTOR",
    "STEP_FACTOR",
    "OnTheFly",
    "Steps",
    "largest_share",
    "moved_by_steps",
]

STEP_FACTOR = 2
"""How many times the effect of moving the inputs by a step the rounding inside of a model may have.
MobileNetV1, V2 and V3 of random weights had up to 0.8, EfficientNet, of 300 operators, 1.1."""

ON_THE_FLY_FACTOR = 2
"""How many times what quantizing activations changes in LiteRT it may change elsewhere."""

ROUNDING = 1e-3
"""Share of a step that turning integers into floats may round."""


@dataclass(frozen=True)
class Steps:
    """Values may differ by a step of the output, or a multiple of what moving the inputs changes.

    Parameters
    ----------
    step : float, optional
        One step of the output's quantization, in units of the output; None if it has none.
    changes : callable
        Returns for each run how much moving the inputs by one step changes each value.
    """

    step: float | None
    changes: Callable[[], Arrays]

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        own = "" if self.step is None else f"one step of its quantization ({self.step:.3g}), or by "
        return f"{own}{STEP_FACTOR} times what moving the inputs by one step changes"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return a number for each value, by its rank among the differences."""
        least = (self.step or 0.0) * (1 + ROUNDING)
        return [np.maximum(least, each) for each in _by_rank(runs, self.changes(), STEP_FACTOR)]


@dataclass(frozen=True)
class OnTheFly:
    """Values may differ by a multiple of what quantizing activations changes in the reference.

    Parameters
    ----------
    changes : callable
        Returns for each run how much that changes each value.
    """

    changes: Callable[[], Arrays]

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        return f"{ON_THE_FLY_FACTOR} times what quantizing activations changes in LiteRT"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return a number for each value, by its rank among the differences."""
        return _by_rank(runs, self.changes(), ON_THE_FLY_FACTOR)


def moved_by_steps(inputs: Sequence[TensorInfo], feeds: Feeds) -> Iterator[Feeds]:
    """Yield feeds with every quantized value moved by one step: all up, all down, and by chance."""
    rng = np.random.default_rng(0)
    steps = {tensor.name: tensor.step for tensor in inputs}
    for low, high in ((1, 1), (-1, -1), (-1, 1), (-1, 1)):
        yield {
            name: _move(array, rng.choice([low, high], array.shape), steps[name])
            for name, array in feeds.items()
        }


def largest_share(expected: Sequence[Feeds], actual: Sequence[Feeds]) -> float:
    """Return the largest difference of any output, relative to its largest value."""
    shares: Mapping[str, float] = {
        name: max(
            float(absolute_difference(a[name], b[name]).max(initial=0.0))
            for a, b in zip(expected, actual, strict=True)
        )
        / (Runs([each[name] for each in expected], ()).largest or 1.0)
        for name in expected[0]
    }
    return max(shares.values(), default=0.0)


def _move(array: Array, signs: Array, step: float | None) -> Array:
    if step is None:
        return array
    if np.issubdtype(array.dtype, np.floating):
        return (array + signs * step).astype(array.dtype)
    limits = np.iinfo(array.dtype)
    return np.clip(array.astype(np.int64) + signs, limits.min, limits.max).astype(array.dtype)


def _by_rank(runs: Runs, changes: Arrays, factor: float) -> list[Array]:
    return [
        factor * by_rank(absolute_difference(expected, actual), change)
        for expected, actual, change in zip(runs.expected, runs.actual, changes, strict=True)
    ]
