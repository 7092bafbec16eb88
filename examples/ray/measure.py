"""Measures the whole pipeline, with the dense model and with the converted one, in turns.

    python measure.py sample/model.onnx sample/model.sparse.onnx sample/images

prints a table: images a second, and where an image's processor time goes. The rate is that between
the first and the last tenth of the images, so the start of Ray's processes does not count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.dataset
import ray
from classify import SHIPPED
from image_classification.batch import Settings, classify
from image_classification.sources import Source

DENSE = "dense"


class Case(NamedTuple):
    """What one row of the table is about."""

    model: str
    actors: int
    cpus_per_actor: int
    batch_size: int


class Run(NamedTuple):
    """What one run gave: images a second, and milliseconds of a processor for an image."""

    rate: float
    decode_ms: float
    run_ms: float


def measure(
    models: dict[str, bytes], source: Source, cases: Sequence[Case], rounds: int
) -> Iterator[tuple[Case, Run]]:
    """Run each case so many times, all of them in turn, so that noise hits all alike."""
    for number in range(rounds):
        for case in cases:
            settings = Settings(
                actors=(case.actors, case.actors),
                cpus_per_actor=case.cpus_per_actor,
                batch_size=case.batch_size,
                # The dense model has zeros too: regions would use them.
                regions="off" if case.model == DENSE else None,
            )
            with tempfile.TemporaryDirectory() as folder:
                summary = classify(models[case.model], source, folder, settings)
                rate = steady_rate(folder)
            print(
                f"round {number + 1} of {rounds}, {', '.join(map(str, case))}: {rate:.0f} images/s",
                file=sys.stderr,
            )
            yield case, Run(rate, summary.decode_ms, summary.run_ms)


def steady_rate(results: str) -> float:
    """Return images a second, from when a tenth of them was done to when nine tenths were."""
    finished = pyarrow.dataset.dataset(results, format="parquet").to_table(["finished"])
    times = np.sort(finished["finished"].to_numpy()).astype("datetime64[us]").astype(np.int64)
    start, end = times[[len(times) // 10, len(times) * 9 // 10]]
    if start == end:
        sys.exit("too few images to measure a rate: one batch is most of them")
    return 1e6 * float(np.sum((times > start) & (times <= end)) / (end - start))


def as_markdown(found: dict[Case, list[Run]]) -> str:
    """Return the table of medians, with the slowest and the fastest run of each case."""
    header = "model|actors|CPUs each|batch|images/s|lowest to highest|decode ms|run ms|other ms"
    lines = [header.split("|"), ["---"] + ["--:"] * header.count("|")]
    for case, runs in found.items():
        rates, *parts = zip(*runs, strict=True)
        rate, decode, run = map(statistics.median, (rates, *parts))
        other = 1e3 * case.actors * case.cpus_per_actor / rate - decode - run
        lines.append(
            [
                *map(str, case),
                f"{rate:.0f}",
                f"{min(rates):.0f} to {max(rates):.0f}",
                *(f"{milliseconds:.2f}" for milliseconds in (decode, run, other)),
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the table."""
    options = _options()
    models = {DENSE: options.dense.read_bytes(), "converted": options.converted.read_bytes()}
    shapes = product(options.divisions, options.batch_sizes)
    cases = [
        Case(model, *division, batch_size) for division, batch_size in shapes for model in models
    ]
    found: dict[Case, list[Run]] = {case: [] for case in cases}
    ray.init(address=options.address or "local", runtime_env=SHIPPED, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for case, run in measure(models, Source(options.images), cases, options.rounds):
        found[case].append(run)
    print(as_markdown(found))


def _division(text: str) -> tuple[int, int]:
    actors, _, cpus = text.partition("x")
    return int(actors), int(cpus or 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dense", type=Path)
    parser.add_argument("converted", type=Path)
    parser.add_argument("images", help="folder of images")
    parser.add_argument("--address", help="of a cluster; this machine alone otherwise")
    parser.add_argument(
        "--divisions", type=_division, nargs="+", default=[(1, 1)], metavar="ACTORSxCPUS"
    )
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[8])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
