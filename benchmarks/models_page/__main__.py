"""docs/MODELS.md, in three steps: convert networks, time them, write the page.

What is found is kept in a file, network by network: a step that was interrupted goes on where it
stopped. Delete the file to start anew. Models are named to the first step; the others take all that
were converted.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import onnxruntime

from benchmarks import models
from ort_sparse import zoo
from ort_sparse.measure.latency import isa_in_use
from ort_sparse.measure.network import benchmark
from ort_sparse.measure.tuning import cpu_name

from .facts import gather, load_pair
from .page import page
from .results import THREADS, Machine, Results, Timing, read


def main() -> None:
    arguments = parse_arguments()
    results = read(arguments.json)
    if arguments.step == "convert":
        convert(results, arguments)
    elif arguments.step == "measure":
        measure(results, arguments)
    else:
        print(page(results))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models_page", description=__doc__)
    parser.add_argument(
        "step",
        choices=("convert", "measure", "write"),
        help="convert: all but latencies; measure: latencies, on an idle machine; write: the page",
    )
    models.add_arguments(parser, zoo.names())
    parser.add_argument("--runs", type=int, default=100, help="of each form (%(default)s)")
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("build", "models_page.json"),
        help="where results are kept (%(default)s)",
    )
    return parser.parse_intermixed_args()  # options may stand before models


def convert(results: Results, arguments: argparse.Namespace) -> None:
    """Build, convert and verify the networks that are missing."""
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        if path.stem not in results.facts:
            models.report(f"{path.stem}: converting")
            results.facts[path.stem] = gather(path, arguments.folder)
            results.write(arguments.json)


def measure(results: Results, arguments: argparse.Namespace) -> None:
    """Time the networks that were converted and not yet timed."""
    machine = Machine(cpu_name(), isa_in_use(), onnxruntime.__version__)
    if results.machine not in (None, machine):
        sys.exit(f"{arguments.json}: must be of {machine}, but is of {results.machine}")
    results.machine = machine
    missing = [network for network in results.facts if network not in results.timings]
    for number, network in enumerate(missing, 1):
        models.report(f"{network}: timing, {number} of {len(missing)}")
        pair = load_pair(network, arguments.folder)
        timings = {}
        for threads in THREADS:
            found = benchmark(pair, threads=threads, runs=arguments.runs)
            timings[str(threads)] = Timing(found.dense.p50, found.sparse.p50)
        results.timings[network] = timings
        results.write(arguments.json)


if __name__ == "__main__":
    main()
