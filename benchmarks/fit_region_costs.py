"""Fit the constants of cython_kernels/claim/cost.c: costs of nodes in regions and in ONNX Runtime.

Each network, with its zeros but without sparse operators, runs on one thread, with ONNX Runtime
alone and as regions (`ort_sparse.regions=all`), interleaved. What the library says of the work in
it and the two times give equations whose unknowns are the constants; they are solved by least
squares of relative errors, without negative constants. Networks that are not one region whole tell
nothing. Run it on machines with AVX-512 and with AVX2 only: the library has constants for each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import markdown
import models
import numpy as np
import onnxruntime

import ort_sparse
from ort_sparse import zoo
from ort_sparse.kernels import supported_isas
from ort_sparse.model_pair import model_pair

TERMS = (
    "nodes",
    "sparse multiply-adds",
    "dense multiply-adds",
    "window multiply-adds",
    "weights",
    "inputs of layers",
    "outputs of layers",
    "elements of other nodes",
    "elements of functions",
)


@dataclass(frozen=True)
class Equation:
    """The work of a network on one side, and its microseconds."""

    network: str
    amounts: tuple[float, ...]
    microseconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, list(zoo.names()))
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    sides: dict[str, list[Equation]] = {"region": [], "runtime": []}
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        models.report(f"{path.stem}: measuring")
        for side, equation in measure(path, arguments.runs).items():
            sides[side].append(equation)
    print(f"Instruction set: {supported_isas()[0]}, ONNX Runtime {onnxruntime.__version__}\n")
    for side, equations in sides.items():
        constants = solve(equations)
        print(f"{side}: " + ", ".join(f"{c:.4g}" for c in constants) + "\n")
        print(markdown.table(["term", "microseconds"], list(zip(TERMS, constants, strict=True))))
        print()
        print(
            markdown.table(["network", "measured", "predicted"], predictions(equations, constants))
        )
        print()


def measure(path: Path, runs: int) -> dict[str, Equation]:
    """Time a network on both sides, interleaved; nothing if it is not all in regions."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "regions.json")
        dense = Path(folder, "dense.onnx")
        dense.write_bytes(model_pair(path).dense.SerializeToString())
        sessions = {"runtime": session(dense, None), "region": session(dense, report)}
        graphs = json.loads(report.read_text())["graphs"]
    regions = [region for graph in graphs for region in graph["regions"] if region["claimed"]]
    if sum(region["nodes"] for region in regions) < sum(len(graph["nodes"]) for graph in graphs):
        return {}
    inputs = random_inputs(sessions["runtime"])
    seconds: dict[str, list[float]] = {side: [] for side in sessions}
    for _ in range(runs):
        for side, running in sessions.items():
            running.run(None, inputs)
            start = time.perf_counter()
            running.run(None, inputs)
            seconds[side].append(time.perf_counter() - start)
    return {
        side: Equation(
            path.stem,
            tuple(sum(region["work"][side][term] for region in regions) for term in TERMS),
            statistics.median(seconds[side]) * 1e6,
        )
        for side in sessions
    }


def session(path: Path, report: Path | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if report is not None:
        options.add_session_config_entry("ort_sparse.regions", "all")
        options.add_session_config_entry("ort_sparse.regions_report", str(report))
        ort_sparse.register(options)
    return onnxruntime.InferenceSession(str(path), options)


def random_inputs(running: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        value.name: random.standard_normal(
            [size if isinstance(size, int) else 1 for size in value.shape], dtype=np.float32
        )
        for value in running.get_inputs()
    }


def solve(equations: Sequence[Equation]) -> np.ndarray:
    """Return the constants with the least relative errors, none negative (active set)."""
    amounts = np.array([equation.amounts for equation in equations])
    times = np.array([equation.microseconds for equation in equations])
    scaled = amounts / times[:, None]
    active = amounts.any(axis=0)
    while True:
        constants = np.zeros(len(TERMS))
        columns = scaled[:, active]
        # A little regularization: some terms rise together in all networks.
        norms = np.linalg.norm(columns, axis=0)
        solution = np.linalg.lstsq(
            np.vstack([columns / norms, 0.02 * np.eye(columns.shape[1])]),
            np.concatenate([np.ones(len(times)), np.zeros(columns.shape[1])]),
            rcond=None,
        )[0]
        constants[active] = solution / norms
        if (constants >= 0).all():
            return constants
        active &= constants > 0


def predictions(equations: Sequence[Equation], constants: np.ndarray) -> list[list[object]]:
    return [
        [e.network, f"{e.microseconds:.0f}", f"{np.dot(e.amounts, constants):.0f}"]
        for e in equations
    ]


if __name__ == "__main__":
    main()
