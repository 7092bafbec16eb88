"""Comparing two models by their numbers: LiteRT's builtin kernels, or ONNX Runtime."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import onnx

from ort_sparse.errors import (
    InvalidArgumentError,
    InvalidModelError,
    UnsupportedModelError,
    VerificationError,
)
from ort_sparse.options import ComparisonOptions
from ort_sparse.runtime import check_regions
from ort_sparse.source import ModelSource, Source, read_source

from .agreement import (
    Absolute,
    Comparison,
    OutputComparison,
    RelativeByRank,
    RelativeToLargest,
    Rounding,
    Rule,
    Runs,
    absolute_difference,
    is_saturated,
    judge,
)
from .inputs import Feeds, moved, random_feeds
from .quantized import OnTheFly, Steps, largest_share, moved_by_steps
from .runners import Runner, make_region_runner, make_runner

__all__ = ["check", "compare", "compare_with", "inputs_that_run", "verify"]

MOVES = 4
"""How often each random input is moved to neighbouring numbers to measure what rounding does."""


def verify(
    a: ModelSource,
    b: ModelSource,
    *,
    tolerance: float | None = None,
    batch: int = 1,
    seed: int = 0,
    shapes: Mapping[str, Sequence[int]] | None = None,
    signature: str | None = None,
    regions: str = "auto",
) -> Comparison:
    """Check that two models give the same numbers on three random inputs.

    Where this ONNX Runtime has regions, the second model is checked without and with them.

    An output may differ by 2e-5 of its values (2e-2 of the largest where a model computes in
    float16), or by 16 times what moving each input value to the next float32 changes in the first
    model; by rank: the k-th largest difference counts against the k/4-th largest value or change.
    The output of a sigmoid may differ by the rounding of 1, and is then compared before the sigmoid
    as well.

    Parameters
    ----------
    a, b : path, bytes or onnx.ModelProto
        TFLite models run on LiteRT's builtin kernels, ONNX models on ONNX Runtime. Inputs and
        outputs are matched by name, or by position where the names differ; an input of ``b``
        may be in NCHW order where that of ``a`` is in NHWC order.
    tolerance : float, optional
        Allowed difference relative to the largest value of an output, in place of these rules; 0
        asks for the same numbers.
    batch : int
        Size of the first dimension where it is dynamic; others are 128.
    seed : int
        Seed of the random inputs.
    shapes : mapping of str to sequence of int, optional
        Whole shapes of inputs of ``a`` by name, where it does not take every size.
    signature : str, optional
        Which signature of TFLite models; by default the only one, or ``serving_default``.
    regions : {"auto", "all", "off"}
        Which regions of the second model to claim, or not to compare it with regions.

    Returns
    -------
    Comparison

    Raises
    ------
    VerificationError
        If an output differs by more; the message says which, by how much, and what it may.
    InvalidModelError, UnsupportedModelError
        If a model cannot be run.
    InvalidArgumentError
        If an option breaks its rule, or the models have different inputs or outputs.
    """
    comparison = compare(
        a,
        b,
        tolerance=tolerance,
        batch=batch,
        seed=seed,
        shapes=shapes,
        signature=signature,
        regions=regions,
    )
    check(comparison)
    return comparison


def compare(
    a: ModelSource,
    b: ModelSource,
    *,
    tolerance: float | None = None,
    batch: int = 1,
    seed: int = 0,
    shapes: Mapping[str, Sequence[int]] | None = None,
    signature: str | None = None,
    regions: str = "auto",
) -> Comparison:
    """Like `verify`, but return the comparison whatever it says."""
    options = ComparisonOptions(
        tolerance=tolerance, batch=batch, seed=seed, shapes=shapes or {}, signature=signature
    )
    check_regions(regions)
    return compare_with(options, read_source(a), read_source(b), regions=regions)


def check(comparison: Comparison, *, otherwise: str = "") -> None:
    """Raise VerificationError unless the comparison passed.

    Parameters
    ----------
    comparison : Comparison
    otherwise : str
        One more way out, for the message.
    """
    wrong = [output for output in comparison.outputs if not output.passed]
    if not wrong:
        return
    worst = max(wrong, key=lambda output: output.excess)
    shape = " x ".join(map(str, worst.shape)) or "scalar"
    error = max(output.error for output in wrong)
    accept = f"To accept that: --tolerance {error * 1.1:.1e} (tolerance=). " if error < 1 else ""
    raise VerificationError(
        f"{comparison.description}: {len(wrong)} of {len(comparison.outputs)} outputs differ; the "
        f"worst is {worst.name!r} ({shape}), which may differ by {worst.rule}, but differs by "
        f"{worst.difference:.3g}, {worst.error:.2g} of its largest value {worst.largest:.3g}. "
        f"{accept}To compare on other inputs: --seed, --batch, --shape (seed=, batch=, shapes=)"
        f"{otherwise}"
    )


def inputs_that_run(
    model: onnx.ModelProto, options: ComparisonOptions, *, name: str = "model"
) -> Feeds:
    """Return a random input for a model, after a run that shows that the model takes it.

    Raises
    ------
    InvalidArgumentError
        If an option does not fit the model's inputs.
    InvalidModelError, UnsupportedModelError
        If the model cannot be run; of dynamic sizes the message says what they were.
    """
    runner = make_runner(Source(name, onnx=model))
    (feeds,) = random_feeds(runner.inputs, options, most=1)
    with _explaining_sizes(runner, feeds):
        runner.run([feeds])
    return feeds


def compare_with(
    options: ComparisonOptions,
    a: Source,
    b: Source,
    *,
    regions: str = "off",
    otherwise: str = "",
) -> Comparison:
    """Compare two models; `verify` explains options and errors.

    Parameters
    ----------
    options : ComparisonOptions
    a, b : Source
    regions : {"auto", "all", "off"}
        Which regions of the second one to compare as well.
    otherwise : str
        As for `check`.
    """
    first, second = (make_runner(source, options.signature) for source in (a, b))
    if len(first.outputs) != len(second.outputs):
        raise InvalidArgumentError(
            f"{second.name}: must have {len(first.outputs)} outputs like {first.name}, "
            f"but has {len(second.outputs)}"
        )
    feeds = random_feeds(first.inputs, options)
    with _explaining_sizes(first, feeds[0], otherwise):
        expected = first.run(feeds)
    pair = _Pair(first, second, feeds, expected)
    outputs = list(_compare_outputs(options, pair))
    notes = list(pair.notes())
    found = make_region_runner(b, regions)
    if found is not None:
        with_regions, claimed = found
        notes.append(
            f"Of {second.name}, {claimed} regions were claimed and are compared too"
            if claimed
            else f"No region of {second.name} was claimed on this machine"
        )
        if claimed:
            other = _Pair(first, with_regions, feeds, expected)
            outputs += [
                replace(each, name=f"{each.name}, with regions")
                for each in _compare_outputs(options, other)
            ]
    count = f"{len(pair.feeds)} random inputs" if len(pair.feeds) > 1 else "one random input"
    return Comparison(
        tuple(outputs),
        f"{second.name} ({second.engine}) against {first.name} ({first.engine}) "
        f"on {count} of seed {options.seed}",
        tuple(notes),
    )


def _compare_outputs(options: ComparisonOptions, pair: _Pair) -> Iterator[OutputComparison]:
    for name in pair.names:
        yield from _compare_output(options, pair, name)


def _compare_output(
    options: ComparisonOptions, pair: _Pair, name: str
) -> Iterator[OutputComparison]:
    """Compare one output, and what goes into a sigmoid that it comes from, if that tells more."""
    runs = pair.runs(name)
    compared = judge(name, runs, pair.rules(name, options.tolerance))
    before = None
    if options.tolerance != 0 and (not compared.passed or is_saturated(runs)):
        before = pair.runs_before_sigmoid(name)
    if before is None:
        yield compared
        return
    rounding = 2 * float(np.finfo(runs.expected[0].dtype).eps)
    at_one = Absolute(rounding, "the rounding of 1 in a sigmoid")
    yield judge(name, runs, itertools.chain(pair.rules(name, options.tolerance), [at_one]))
    yield judge(f"{name}, before its sigmoid", before, pair.rules(name, options.tolerance))


class _Pair:
    """Two models that ran on the same inputs, and what is measured of them on demand."""

    def __init__(
        self, first: Runner, second: Runner, feeds: list[Feeds], expected: list[Feeds]
    ) -> None:
        self.feeds = feeds
        self._first, self._second = first, second
        self._matched = [_match_inputs(each, first, second) for each in feeds]
        self._expected = expected
        self._actual = second.run(self._matched)
        same = set(first.outputs) == set(second.outputs)
        self.names = dict(
            zip(first.outputs, first.outputs if same else second.outputs, strict=True)
        )

    def runs(self, name: str) -> Runs:
        """Return what both gave for an output of the first."""
        return Runs(
            [outputs[name] for outputs in self._expected],
            [outputs[self.names[name]] for outputs in self._actual],
            lambda: [outputs[name] for outputs in self._rounded],
        )

    def rules(self, name: str, tolerance: float | None) -> Iterator[Rule]:
        """Yield what an output may differ by, the cheapest to find out first."""
        if tolerance is not None:
            yield RelativeToLargest(tolerance)
            return
        yield RelativeByRank()
        yield from self._first.rules(name)
        yield from self._second.rules(self.names[name])
        if self._first.rounds_to_integers:
            step = self._first.output_steps.get(name)
            yield Steps(step, lambda: [outputs[name] for outputs in self._stepped])
        if self._first.quantizes_on_the_fly and self._second.rounds_to_integers:
            yield OnTheFly(lambda: [outputs[name] for outputs in self._quantized_on_the_fly])
        yield Rounding()

    def notes(self) -> Iterator[str]:
        """Yield what a user may want to know about the reference."""
        if self._first.quantizes_on_the_fly:
            changed = largest_share(self._expected, self._on_the_fly)
            yield (
                f"As it is, LiteRT quantizes activations of {self._first.name} when it runs, "
                f"which changes outputs by up to {changed:.2g} of their largest value"
            )

    def runs_before_sigmoid(self, name: str) -> Runs | None:
        """Return what goes into the sigmoid that an output comes from, if it does in both."""
        if self._first.rounds_to_integers:  # then its steps are others
            return None
        expected, actual = self._before_sigmoids
        if name not in expected[0] or self.names[name] not in actual[0]:
            return None
        if not np.issubdtype(expected[0][name].dtype, np.floating):
            return None
        return Runs(
            [outputs[name] for outputs in expected],
            [outputs[self.names[name]] for outputs in actual],
            lambda: [outputs[name] for outputs in self._rounded_before_sigmoids],
        )

    @functools.cached_property
    def _rounded(self) -> list[Feeds]:
        return self._changes(self._first.run, self._expected, _round)

    @functools.cached_property
    def _stepped(self) -> list[Feeds]:
        move = functools.partial(moved_by_steps, self._first.inputs)
        return self._changes(self._first.run, self._expected, move)

    @functools.cached_property
    def _on_the_fly(self) -> list[Feeds]:
        return self._first.run_on_the_fly(self.feeds)

    @functools.cached_property
    def _quantized_on_the_fly(self) -> list[Feeds]:
        return [
            {name: absolute_difference(array, other[name]) for name, array in outputs.items()}
            for outputs, other in zip(self._expected, self._on_the_fly, strict=True)
        ]

    @functools.cached_property
    def _before_sigmoids(self) -> tuple[list[Feeds], list[Feeds]]:
        return (
            self._first.run_before_sigmoids(self.feeds),
            self._second.run_before_sigmoids(self._matched),
        )

    @functools.cached_property
    def _rounded_before_sigmoids(self) -> list[Feeds]:
        return self._changes(self._first.run_before_sigmoids, self._before_sigmoids[0], _round)

    def _changes(
        self,
        run: Callable[[Iterable[Feeds]], list[Feeds]],
        expected: list[Feeds],
        move: Callable[[Feeds], Iterable[Feeds]],
    ) -> list[Feeds]:
        """Return for each of the inputs how much moving it changes every output value at most."""
        return [
            {
                name: np.max([absolute_difference(array, other[name]) for other in changed], axis=0)
                for name, array in outputs.items()
            }
            for feeds, outputs in zip(self.feeds, expected, strict=True)
            for changed in [run(move(feeds))]
        ]


def _round(feeds: Feeds) -> Iterable[Feeds]:
    return moved(feeds, count=MOVES, seed=0)


@contextmanager
def _explaining_sizes(runner: Runner, feeds: Feeds, otherwise: str = "") -> Iterator[None]:
    """Say of a model that cannot run which sizes it left open, and what they were."""
    shapes = {t.name: feeds[t.name].shape for t in runner.inputs if t.is_dynamic}
    try:
        yield
    except (InvalidModelError, UnsupportedModelError) as error:
        if not shapes:
            raise
        given = ", ".join(f"{name}={_sizes(shape)}" for name, shape in shapes.items())
        raise UnsupportedModelError(
            f"{error}; its inputs have dynamic sizes, and it may not take all: these were {given}. "
            f"To give sizes that it takes: --shape INPUT=1,77 (shapes={{'INPUT': (1, 77)}}) or "
            f"--batch{otherwise}"
        ) from error


def _sizes(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))


def _match_inputs(feeds: Feeds, first: Runner, second: Runner) -> Feeds:
    """Return the feeds under the names, and in the layout, of the second model."""
    if len(second.inputs) != len(first.inputs):
        raise InvalidArgumentError(
            f"{second.name}: must have {len(first.inputs)} inputs like {first.name}, "
            f"but has {len(second.inputs)}"
        )
    by_name = {tensor.name for tensor in second.inputs} == feeds.keys()
    matched = {}
    for position, tensor in enumerate(second.inputs):
        name = tensor.name if by_name else first.inputs[position].name
        array = feeds[name]
        if not tensor.fits(array.shape) and array.ndim == 4:
            array = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
        if not tensor.fits(array.shape) or array.dtype != tensor.dtype:
            raise InvalidArgumentError(
                f"{second.name}: input {tensor.name!r} must be {feeds[name].dtype} of shape "
                f"{feeds[name].shape} like that of {first.name}, "
                f"but is {tensor.dtype} of shape {tensor.shape}"
            )
        matched[tensor.name] = array
    return matched
