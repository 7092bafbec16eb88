"""Fit the constants of converters/cost_model.py to layers measured inside their networks.

Each table is a least-squares fit of relative errors without negative constants. What is fitted is
the mean of the times with one and with two threads: small layers gain less by a second thread when
they are sparse, and a choice must be good for both.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import models
import numpy as np

from ort_sparse.converters import cost_model
from ort_sparse.converters.cost_model import LayerWork
from ort_sparse.measure.layers import LayerTime, LayerTimes, NodeTime
from ort_sparse.measure.network import ModelPair, benchmark
from ort_sparse.model_pair import model_pair

THREADS = (1, 2)

SHORTEST = 2.0
"""Microseconds below which a measurement says little."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, models.published_networks())
    parser.add_argument("--runs", type=int, default=50)
    arguments = parser.parse_args()
    layers: list[LayerTime] = []
    reorders: list[NodeTime] = []
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        models.report(f"{path.stem}: measuring")
        pair = model_pair(path, layers="all")
        runs = [measure(pair, threads, arguments.runs) for threads in THREADS]
        layers += map(mean_of_layers, *(times.layers for times in runs))
        for form in ("sparse", "dense"):
            reorders += map(mean_of_nodes, *(times.reorders[form] for times in runs))
    for suffix, chosen in (
        ("", [layer for layer in layers if layer.pixels > 1]),
        ("_PIXEL", [layer for layer in layers if layer.pixels == 1]),
    ):
        works = [work(layer) for layer in chosen]
        dense = [layer.dense_microseconds or math.nan for layer in chosen]
        fit(f"DENSE{suffix}", works, dense, cost_model.dense_terms)
        sparse = [layer.microseconds for layer in chosen]
        fit(f"SPARSE{suffix}", works, sparse, cost_model.sparse_terms)
    sizes = [math.prod(node.output_shape) for node in reorders]
    fit("REORDER", sizes, [n.microseconds for n in reorders], cost_model.reorder_terms)


def measure(pair: ModelPair, threads: int, runs: int) -> LayerTimes:
    times = benchmark(pair, threads=threads, runs=runs, layers=True).layers
    assert times is not None
    return times


def mean_of_layers(*layers: LayerTime) -> LayerTime:
    """Return a layer with the means of its times, measured several times."""
    dense = [layer.dense_microseconds for layer in layers]
    return replace(
        layers[0],
        microseconds=fmean(layer.microseconds for layer in layers),
        dense_microseconds=None if None in dense else fmean(dense),
    )


def mean_of_nodes(*nodes: NodeTime) -> NodeTime:
    """Return a node with the mean of its times, measured several times."""
    return replace(nodes[0], microseconds=fmean(node.microseconds for node in nodes))


def work(layer: LayerTime) -> LayerWork:
    """Return the size of a layer that was timed with a batch of one."""
    return LayerWork(
        rows=layer.shape[0],
        columns=layer.shape[1],
        pixels=layer.pixels,
        nonzeros=layer.nonzeros,
        block_rows=layer.block_rows,
        activation=layer.activation,
    )


def fit(
    title: str,
    sizes: Sequence[Any],
    measured: Sequence[float],
    terms: Callable[[Any], dict[str, float]],
) -> None:
    """Print the constants that predict what was measured, and how well they do."""
    known = [(terms(size), us) for size, us in zip(sizes, measured, strict=True) if us >= SHORTEST]
    if not known:
        print(f"{title}: nothing was measured")
        return
    names = list(dict.fromkeys(name for amounts, _ in known for name in amounts))
    amounts = np.array([[amounts.get(name, 0.0) for name in names] for amounts, _ in known])
    times = np.array([us for _, us in known])
    constants = solve(amounts / times[:, None])
    errors = np.abs(amounts @ constants / times - 1)
    print(f"{title} = {{")
    for name, constant in zip(names, constants, strict=True):
        print(f'    "{name}": {constant:.3g},')
    print(f"}}  # {len(known)} measured, median error {np.median(errors):.1%}")


def solve(rows: np.ndarray) -> np.ndarray:
    """Return the non-negative factors that bring the weighted sum of each row closest to one."""
    kept = list(range(rows.shape[1]))
    while True:
        factors = np.linalg.lstsq(rows[:, kept], np.ones(len(rows)), rcond=None)[0]
        if (factors >= 0).all():
            break
        kept.pop(int(np.argmin(factors * np.abs(rows[:, kept]).max(axis=0))))
    result = np.zeros(rows.shape[1])
    result[kept] = factors
    return result


if __name__ == "__main__":
    main()
