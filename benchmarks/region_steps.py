"""Where the time of whole networks goes, by the profile of their regions: Markdown, or JSON.

Shares are of the median run of the session. What is "outside" of the median runs of its regions is
what ONNX Runtime runs itself and takes to call them; the steps of a region share its run by their
medians. Chains are layers that are computed depth first, sparse and depthwise ones together.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import markdown
import models
import numpy as np
import onnx
import onnxruntime

from ort_sparse import session
from ort_sparse.kernels import fma_peak
from ort_sparse.measure.network import ModelPair
from ort_sparse.model_pair import model_pair
from ort_sparse.options import ComparisonOptions
from ort_sparse.region_steps import Step, StepOp
from ort_sparse.regions_profile import RegionsProfile, StepTime, read_profile
from ort_sparse.report.listing import cut_in_the_middle
from ort_sparse.report.units import format_shape
from ort_sparse.verification import inputs_that_run

KINDS = ("sparse", "dense", "depthwise", "convolutions", "chains", "rest")
"""What steps compute: 1x1 and fully connected layers with zeros and without, other layers."""

SPARSE_ENOUGH = 0.7
"""Share of weights that a sparse layer keeps at most, as `claim/survey.c` counts it."""

NAME = 40

LARGEST = 12
"""How many steps that lose most are shown."""


@dataclass(frozen=True)
class Result:
    """A network with a number of threads.

    Parameters
    ----------
    network : str
    threads : int
    runs : list of float
        Microseconds of each run of the session.
    profile : RegionsProfile
    """

    network: str
    threads: int
    runs: list[float]
    profile: RegionsProfile

    @property
    def microseconds(self) -> float:
        return float(np.median(self.runs))

    def steps(self) -> Iterator[tuple[Step, StepTime, float]]:
        """Yield the steps of all regions with their shares; each region has met one shape."""
        for region in self.profile.regions:
            for plan in region.plans:
                whole = plan.time.median / self.microseconds
                medians = sum(taken.median for _, taken in plan.steps)
                for step, taken in plan.steps:
                    yield step, taken, whole * taken.median / medians

    def share(self, kind: str) -> float:
        """Return what share of a run steps of a kind take."""
        return sum(share for step, _, share in self.steps() if kind_of(step) == kind)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, models.published_networks())
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--regions", choices=("auto", "all"), default="auto")
    parser.add_argument("--layers", action="store_true", help="show each step too")
    parser.add_argument(
        "--losses", action="store_true", help="compare with multiply-adds at the peak too"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results, left_out = models.measure_each(
        arguments.models, lambda model: measure(model, arguments)
    )
    if arguments.json:
        print(json.dumps([to_json(result) for result in results], indent=2))
    elif results:
        print_tables(results, arguments)
    models.finish(arguments.models, left_out)


def print_tables(results: list[Result], arguments: argparse.Namespace) -> None:
    print_shares(results)
    if arguments.losses:
        print_losses(results)
    for result in results if arguments.layers else ():
        print_steps(result)


def measure(model: str, arguments: argparse.Namespace) -> list[Result]:
    path = models.find(model, arguments.folder)
    models.report(f"{path.stem}: converting")
    pair = model_pair(path)
    results = []
    for threads in arguments.threads:
        models.report(f"{path.stem}: {threads} thread(s)")
        runs, profile = run(pair, threads, arguments)
        results.append(Result(models.title(model), threads, runs, profile))
    return results


def run(
    pair: ModelPair, threads: int, arguments: argparse.Namespace
) -> tuple[list[float], RegionsProfile]:
    """Run a network as the two lines load it; return the time of each run, and the profile."""
    model: onnx.ModelProto = pair.dense if pair.plain else pair.sparse
    feeds = dict(inputs_that_run(pair.dense, ComparisonOptions()))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profile.json")
        options.add_session_config_entry("ort_sparse.regions_profile", os.fspath(path))
        created = session(model, options, regions=arguments.regions)
        taken = []  # of the first run too, which makes the plans: it is in the profile as well
        for _ in range(arguments.runs):
            begin = time.perf_counter()
            created.run(None, feeds)
            taken.append((time.perf_counter() - begin) * 1e6)
        del created  # which writes the profile
        return taken, read_profile(path)


def kind_of(step: Step) -> str:
    """Return which of KINDS a step is."""
    if step.kind == "chain":
        return "chains"
    (op,) = step.ops
    match op.kind:
        case "pointwise":
            return "sparse" if is_sparse(op) else "dense"
        case "depthwise convolution":
            return "depthwise"
        case "convolution":
            return "convolutions"
    return "rest"


def is_sparse(op: StepOp) -> bool:
    return op.stored < SPARSE_ENOUGH * op.weights


def to_json(result: Result) -> dict[str, Any]:
    return {
        "network": result.network,
        "threads": result.threads,
        "microseconds": result.microseconds,
        "shares": {kind: result.share(kind) for kind in KINDS},
        "profile": asdict(result.profile),
    }


def print_shares(results: list[Result]) -> None:
    headings = ["network", "threads", "ms", "regions", *KINDS, "outside"]
    print(markdown.table(headings, [share_cells(result) for result in results]))
    profile = results[0].profile
    runs = len(results[0].runs)
    print(f"\n{profile.isa}, onnxruntime {profile.runtime}, medians of {runs} runs")


def share_cells(result: Result) -> list[object]:
    shares = [result.share(kind) for kind in KINDS]
    return [
        result.network,
        result.threads,
        f"{result.microseconds / 1e3:.2f}",
        len(result.profile.regions),
        *(f"{share:.1%}" for share in (*shares, 1 - sum(shares))),
    ]


@dataclass(frozen=True)
class Loss:
    """What a step takes more than its multiply-adds would at the peak of all its threads.

    Parameters
    ----------
    result : Result
    step : Step
    taken, least : float
        Microseconds of a median run, and at the peak.
    """

    result: Result
    step: Step
    taken: float
    least: float

    @property
    def lost(self) -> float:
        return self.taken - self.least


def losses(result: Result) -> list[Loss]:
    """Return what each step loses, its share of the median run taken as its time."""
    peak = fma_peak(result.profile.isa) * result.threads * 1e3  # operations a microsecond
    return [
        Loss(result, step, share * result.microseconds, 2 * step.multiply_adds / peak)
        for step, _, share in result.steps()
    ]


def print_losses(results: list[Result]) -> None:
    every = [(result, losses(result)) for result in results]
    print("\nMilliseconds, those at the peak of multiply-adds, and those lost:\n")
    headings = ["network", "threads", "ms", "at the peak", *KINDS, "outside"]
    print(markdown.table(headings, [loss_cells(*lost) for lost in every]))
    largest = sorted((loss for _, lost in every for loss in lost), key=lambda loss: -loss.lost)
    print("\nThe steps that lose most:\n")
    headings = ["network", "threads", "step", "output", "us", "at the peak", "lost"]
    print(markdown.table(headings, [step_loss_cells(loss) for loss in largest[:LARGEST]]))


def loss_cells(result: Result, lost: list[Loss]) -> list[object]:
    of_kinds = [sum(loss.lost for loss in lost if kind_of(loss.step) == kind) for kind in KINDS]
    outside = result.microseconds - sum(loss.taken for loss in lost)
    least = sum(loss.least for loss in lost)
    times = (result.microseconds, least, *of_kinds, outside)
    return [result.network, result.threads, *(f"{time / 1e3:.2f}" for time in times)]


def step_loss_cells(loss: Loss) -> list[object]:
    return [
        loss.result.network,
        loss.result.threads,
        ", ".join(op.title for op in loss.step.ops),
        format_shape(loss.step.ops[-1].output),
        *(f"{time:.0f}" for time in (loss.taken, loss.least, loss.lost)),
    ]


def print_steps(result: Result) -> None:
    print(f"\n{result.network}, {result.profile.isa}, {result.threads} thread(s)\n")
    headings = ["step", "input", "output", "kept", "tasks", "us", "least us", "share", "GFLOP/s"]
    print(markdown.table(headings, [step_cells(*step) for step in result.steps()]))


def step_cells(step: Step, taken: StepTime, share: float) -> list[object]:
    weights = sum(op.weights for op in step.ops)
    stored = sum(op.stored for op in step.ops)
    return [
        f"{', '.join(op.title for op in step.ops)}: `{cut_in_the_middle(step.nodes[0], NAME)}`",
        format_shape(step.ops[0].input),
        format_shape(step.ops[-1].output),
        f"{stored / weights:.0%}" if weights else "",
        step.tasks,
        f"{taken.median:.1f}",
        f"{taken.minimum:.1f}",
        f"{share:.1%}",
        f"{2e-3 * step.multiply_adds / taken.median:.1f}" if step.multiply_adds else "",
    ]


if __name__ == "__main__":
    main()
