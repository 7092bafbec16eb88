"""Dense ONNX Runtime, LiteRT, OpenVINO, DeepSparse and ort_sparse side by side: Markdown.

What is measured is kept in a file, network by network. A run that was interrupted goes on where it
stopped; one that finds everything there only prints and draws it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx

from benchmarks import models
from ort_sparse.files import write_atomically
from ort_sparse.measure.latency import Feeds
from ort_sparse.measure.plot import check_plot
from ort_sparse.measure.tuning import cpu_name
from ort_sparse.model_pair import model_pair
from ort_sparse.verification import inputs_of, random_inputs

from .chart import draw
from .engines import ENGINES, Form
from .measure import RUNS_A_TURN, Reasons, attempt, measure, worker_command
from .results import Results, Row, read
from .tables import tables


def main() -> None:
    arguments = parse_arguments()
    if arguments.plot is not None:
        check_plot(arguments.plot)
    results = read(arguments.json) if arguments.json.exists() else Results(cpu_name())
    missing = {
        model: [
            n
            for n in arguments.threads
            if arguments.again or not results.contest(models.title(model), n)
        ]
        for model in arguments.models
    }
    if any(missing.values()):
        results = complete(results, missing, arguments)
    shown = results.restrict(map(models.title, arguments.models), arguments.threads)
    print(tables(shown))
    if arguments.plot is not None:
        write_atomically(arguments.plot, draw(shown, form=arguments.plot.suffix[1:]))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    models.add_arguments(parser, models.published_networks())
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        help=f"turns of each engine, of {RUNS_A_TURN} runs (%(default)s)",
    )
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path("build", "peers", "environments"),
        help="where other engines are installed, unless they are there (%(default)s)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("build", "peers", "results.json"),
        help="where results are kept (%(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="measure what is there again")
    parser.add_argument("--plot", type=Path, help="a chart to draw (.png, .svg or .pdf)")
    return parser.parse_args()


def complete(
    results: Results, missing: Mapping[str, list[int]], arguments: argparse.Namespace
) -> Results:
    """Measure models with the numbers of threads that are missing; keep each when it is there."""
    if results.cpu != cpu_name():
        sys.exit(f"{arguments.json}: must be of {cpu_name()}, but is of {results.cpu}")
    reasons: Reasons = {}
    models.report("setting up environments")
    commands = attempt(
        ENGINES, lambda engine: worker_command(engine, arguments.environments), reasons
    )
    for model, numbers in missing.items():
        if not numbers:
            continue
        network = models.title(model)
        with tempfile.TemporaryDirectory() as folder:
            files, feeds = prepare(models.find(model, arguments.folder), Path(folder))
            for threads in numbers:
                models.report(f"{network}: {threads} thread(s)")
                rows = measure(
                    network,
                    files,
                    feeds,
                    commands=commands,
                    threads=threads,
                    rounds=arguments.rounds,
                )
                rows += [Row(network, threads, e.name, reason=r) for e, r in reasons.items()]
                results = results.add(network, threads, rows)
                results.write(arguments.json)
    return results


def prepare(model: Path, folder: Path) -> tuple[dict[Form, Path], Feeds]:
    """Write a model in every form into a folder; return the files, and an input."""
    models.report(f"{model.stem}: converting")
    pair = model_pair(model)
    files = {form: folder / form for form in (Form.DENSE, Form.SPARSE)}
    onnx.save(pair.dense, files[Form.DENSE])
    onnx.save(pair.sparse, files[Form.SPARSE])
    if model.suffix == ".tflite":
        files[Form.TFLITE] = model.resolve()
    return files, random_inputs(inputs_of(pair.dense))


if __name__ == "__main__":
    main()
