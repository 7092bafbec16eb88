"""What counts as the same numbers: rules that tell rounding from a wrong result.

float32 sums in another order differ by a few times 1e-7 a layer, so nearly all outputs agree to
2e-5 of their values (`RelativeByRank`). Two kinds do not, and are right nevertheless. A model may
amplify rounding, such as one that takes the logarithm of a spectrogram: how much it does is
measured on the reference, by moving every input value to the next float32 (`Rounding`). And kernels
of the sigmoid are exact to the rounding of 1, not to that of a tiny result; ONNX Runtime's gives 0
below -18. They may differ by that much (`Absolute`), but then hide what is wrong before them, so
that what goes into such a sigmoid is compared as an output of its own.

Differences are compared by rank: sorted by size, the k-th largest difference with the k/4-th
largest value, or change. Comparing place by place would refuse what is right: of two values at the
border of a ReLU, rounding may hit this one here and its neighbour there. Comparing with the largest
alone would let pass what is wrong: scores of a detector may reach 5e5 in some places and be 60 in
most, and there a missing bias of 10 is less than 2e-5 of the largest.

An output passes if every one of its values is within what one of its rules allows, for every random
input. A rule is tried only where those before it were not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FLOAT16_TOLERANCE",
    "TOLERANCE",
    "Absolute",
    "Comparison",
    "OutputComparison",
    "RelativeByRank",
    "RelativeToLargest",
    "Rounding",
    "Rule",
    "Runs",
    "absolute_difference",
    "by_rank",
    "compare_outputs",
    "is_saturated",
    "judge",
]

Array = NDArray[Any]
Arrays = Sequence[Array]

TOLERANCE = 2e-5
"""Difference that counts as rounding, relative to the values of an output. Real networks had up to
4e-6."""

FLOAT16_TOLERANCE = 2e-2
"""Difference relative to the largest value where models compute in float16, which rounds by up to
5e-4 in each layer."""

ROUNDING_FACTOR = 16
"""How many times the effect of rounding the input the rounding inside of a model may have. Sums of
400 to 1000 terms before a logarithm had up to 8.4, real networks up to 3.5."""

RANKS = 4
"""How many times as many values may differ as are large or change, since which ones rounding hits
is a matter of chance."""

SATURATED = 1e-3
"""How near to 0 or 1 all values of a saturated sigmoid are."""


@dataclass(frozen=True)
class Runs:
    """What two models gave for one output, an array for each random input.

    Parameters
    ----------
    expected, actual : sequence of ndarray
        Of the reference and of the model to check.
    rounded : callable
        Returns, measured when first called, the largest change of each expected value in runs on
        inputs that were moved to a neighbouring number; arrays like ``expected``.
    """

    expected: Arrays
    actual: Arrays
    rounded: Callable[[], Arrays] = tuple

    @property
    def largest(self) -> float:
        """Largest finite absolute value of the reference."""
        return max((_largest_finite(array) for array in self.expected), default=0.0)


class Rule(Protocol):
    """One reason for which the values of an output may differ."""

    @property
    def text(self) -> str:
        """What an output may differ by, to follow the words "it may differ by"."""

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return for each run how far the values may be apart: one number, or one for each."""


@dataclass(frozen=True)
class RelativeByRank:
    """The k-th largest difference may be `TOLERANCE` of the k/4-th largest value, of all runs.

    Every value may differ by the rounding of the largest, as where large terms cancel.
    """

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        return f"{TOLERANCE:g} of its values by rank"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return a number for each value, by its rank among the differences of all runs."""
        expected = np.concatenate([array.ravel() for array in runs.expected])
        actual = np.concatenate([array.ravel() for array in runs.actual])
        differences = absolute_difference(expected, actual)
        values = np.abs(expected.astype(np.float64))
        rounding = float(np.finfo(np.float32).eps) * runs.largest
        allowed = np.maximum(TOLERANCE * by_rank(differences, values), rounding)
        ends = np.cumsum([array.size for array in runs.expected])[:-1]
        pieces = np.split(allowed, ends)
        return [piece.reshape(a.shape) for piece, a in zip(pieces, runs.expected, strict=True)]


@dataclass(frozen=True)
class RelativeToLargest:
    """Values may differ by a share of the largest value that the output has in any run."""

    tolerance: float
    because: str = ""

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        return f"{self.tolerance:g} of its largest value{self.because}"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return the same number for all values of all runs."""
        return [self.tolerance * runs.largest] * len(runs.expected)


@dataclass(frozen=True)
class Absolute:
    """Values may differ by a number, of which a text says what it is."""

    difference: float
    meaning: str

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        return f"{self.difference:.2g} ({self.meaning})"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return the same number for all values of all runs."""
        return [self.difference] * len(runs.expected)


@dataclass(frozen=True)
class Rounding:
    """The k-th largest difference may be a multiple of the k/4-th largest change by rounding.

    Changes are those of the reference where each input value is moved to the next number. A few
    values that this changes by much, and only they, may differ by much.
    """

    @property
    def text(self) -> str:
        """What the rule says, in words."""
        return f"{ROUNDING_FACTOR} times what rounding its inputs changes"

    def allowed(self, runs: Runs) -> Sequence[Array | float]:
        """Return a number for each value, by its rank among the differences."""
        return [
            ROUNDING_FACTOR * by_rank(absolute_difference(expected, actual), rounded)
            for expected, actual, rounded in zip(
                runs.expected, runs.actual, runs.rounded(), strict=True
            )
        ]


@dataclass(frozen=True)
class OutputComparison:
    """How far one output of two models is apart."""

    name: str
    shape: tuple[int, ...]
    largest: float
    """Largest absolute value of the first model's output."""
    difference: float
    """Largest absolute difference; infinite where shapes differ or only one has a NaN."""
    excess: float
    """Largest difference in units of what is allowed there; above 1 the output is wrong."""
    rule: str
    """What it may differ by, in words: the rule by which it passed, or all that it broke."""

    @property
    def error(self) -> float:
        """The difference relative to the largest value."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.largest if self.largest else float("inf")

    @property
    def passed(self) -> bool:
        """Whether every value is within what a rule allows."""
        return self.excess <= 1


@dataclass(frozen=True)
class Comparison:
    """How far two models are apart, output by output."""

    outputs: tuple[OutputComparison, ...]
    description: str
    """What was compared: the models, their engines, and the random inputs."""
    notes: tuple[str, ...] = ()
    """What else to know about it, a sentence each."""

    @property
    def error(self) -> float:
        """The largest relative error of all outputs."""
        return max((output.error for output in self.outputs), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether every output passed."""
        return all(output.passed for output in self.outputs)


def judge(name: str, runs: Runs, rules: Iterable[Rule]) -> OutputComparison:
    """Compare one output by rules, each tried only where those before it were not enough."""
    shape = tuple(runs.expected[0].shape)
    if any(a.shape != b.shape for a, b in zip(runs.expected, runs.actual, strict=True)):
        other = " x ".join(map(str, runs.actual[0].shape))
        text = f"nothing, but its shape is another: {other}"
        return OutputComparison(name, shape, runs.largest, np.inf, np.inf, text)
    differences = [
        absolute_difference(a, b) for a, b in zip(runs.expected, runs.actual, strict=True)
    ]
    difference = max(float(each.max(initial=0.0)) for each in differences)
    allowed: list[Any] = [0.0] * len(differences)
    texts: list[str] = []
    excess = np.inf
    for rule in rules:
        more = rule.allowed(runs)
        allowed = [np.maximum(*pair) for pair in zip(allowed, more, strict=True)]
        if any(np.any(each) for each in more):
            texts.append(rule.text)
        excess = max(_excess(*pair) for pair in zip(differences, allowed, strict=True))
        if excess <= 1:
            texts = [rule.text]
            break
    text = ", or by ".join(texts) or "nothing"
    return OutputComparison(name, shape, runs.largest, difference, excess, text)


def compare_outputs(
    expected: Mapping[str, Array], actual: Mapping[str, Array], *, tolerance: float = TOLERANCE
) -> Comparison:
    """Compare the outputs of one run by name, or by position where the names differ.

    Parameters
    ----------
    expected, actual : mapping of str to ndarray
        Both have as many.
    tolerance : float
        Allowed difference, relative to the largest value of an output.
    """
    if expected.keys() != actual.keys():
        actual = dict(zip(expected, actual.values(), strict=True))
    rule = RelativeToLargest(tolerance)
    outputs = [
        judge(name, Runs([array], [actual[name]]), [rule]) for name, array in expected.items()
    ]
    return Comparison(tuple(outputs), "two runs")


def absolute_difference(expected: Array, actual: Array) -> NDArray[np.float64]:
    """Return absolute differences; infinite where only one is NaN or infinite."""
    x, y = expected.astype(np.float64), actual.astype(np.float64)
    same = (x == y) | (np.isnan(x) & np.isnan(y))  # covers infinities, whose difference is NaN
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(x - y))
    result: NDArray[np.float64] = np.nan_to_num(differences, nan=np.inf, posinf=np.inf)
    return result


def is_saturated(runs: Runs) -> bool:
    """Whether all values are next to 0 or 1, where a sigmoid hardly shows what went into it."""
    return all(
        np.issubdtype(array.dtype, np.floating)
        and bool((np.minimum(np.abs(array), np.abs(array - 1)) < SATURATED).all())
        for array in runs.expected
    )


def _largest_finite(array: Array) -> float:
    values = np.abs(array.astype(np.float64))
    return float(values[np.isfinite(values)].max(initial=0.0))


def by_rank(differences: NDArray[np.float64], sizes: Array) -> NDArray[np.float64]:
    """Return for the k-th largest of the differences, in its place, the k/4-th largest size."""
    order = np.argsort(-differences, axis=None)
    finite = np.where(np.isfinite(sizes), sizes, 0.0)
    largest_first = np.sort(finite, axis=None)[::-1]
    found = np.empty(differences.size)
    found[order] = largest_first[np.arange(order.size) // RANKS]
    return found.reshape(differences.shape)


def _excess(differences: NDArray[np.float64], allowed: Array) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(differences == 0, 0.0, differences / allowed)
    return float(ratios.max(initial=0.0))
