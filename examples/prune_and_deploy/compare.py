"""Compares the dense network and the pruned one, in plain ONNX Runtime and with ort_sparse.

    python compare.py build

wants ``dense.onnx`` and ``pruned.onnx`` of train.py in this folder, and ``pruned.sparse.onnx``,
which ``ort-sparse convert`` made of the latter. Needs no PyTorch.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import ort_sparse

PLAIN, SPARSE = "ONNX Runtime", "with ort_sparse"

ROWS = (
    ("dense", "dense.onnx", PLAIN),
    ("pruned", "pruned.onnx", PLAIN),
    ("pruned", "pruned.onnx", SPARSE),
    ("pruned, converted", "pruned.sparse.onnx", SPARSE),
)
"""What is compared: its name, its file, and what runs it."""

TURNS = 20
"""How often each session has its turn."""

WARM_UP_SECONDS = 0.05
"""So long a session runs unmeasured at the start of a turn: the caches become its own, and the
threads of the session before it stop spinning."""


class Row(NamedTuple):
    """What the table says of one model.

    Parameters
    ----------
    name, engine : str
    accuracy : float
        Share of the test images whose digit is found.
    size : int
        Of the file, in bytes.
    milliseconds : dict of int to float
        Median latency of one image by number of threads.
    """

    name: str
    engine: str
    accuracy: float
    size: int
    milliseconds: dict[int, float]


def open_session(path: Path, threads: int, engine: str = SPARSE) -> onnxruntime.InferenceSession:
    """Open a model. The two lines are what a program adds to run sparse models."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    if engine == SPARSE:
        library = ort_sparse.get_library_path()
        options.register_custom_ops_library(library)  # the two lines: this one
    return onnxruntime.InferenceSession(path, options)  # and `import ort_sparse`


def scores(session: onnxruntime.InferenceSession, pixels: NDArray[np.float32]) -> NDArray:
    """Return the scores of each class, [n, classes], for images [n, 1, height, width]."""
    (name,) = (each.name for each in session.get_inputs())
    (result,) = session.run(None, {name: pixels})
    return result


def median_latencies(
    sessions: Sequence[onnxruntime.InferenceSession],
    pixels: NDArray[np.float32],
    *,
    runs: int,
) -> list[float]:
    """Time sessions in turn, so that what else the machine does hits all alike.

    Parameters
    ----------
    sessions : sequence of onnxruntime.InferenceSession
    pixels : float32 array [n, 1, height, width]
        Given to each run.
    runs : int
        Measured runs of each session.

    Returns
    -------
    list of float
        Median milliseconds of a run, for each session.
    """
    times: list[list[float]] = [[] for _ in sessions]
    for _ in range(TURNS):
        for session, taken in zip(sessions, times, strict=True):
            _warm_up(session, pixels)
            for _ in range(-(-runs // TURNS)):
                start = time.perf_counter()
                scores(session, pixels)
                taken.append((time.perf_counter() - start) * 1e3)
    return [float(np.median(taken)) for taken in times]


def compare(
    folder: Path,
    pixels: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    threads: Sequence[int],
    runs: int,
) -> list[Row]:
    """Measure each model of a folder on some images.

    Raises
    ------
    SystemExit
        If a file is missing, or ort_sparse finds other digits than ONNX Runtime.
    """
    paths = [folder / file for _, file, _ in ROWS]
    for path in paths:
        if not path.is_file():
            sys.exit(f"{path}: is missing; README.md has the commands that make it")
    engines = [engine for _, _, engine in ROWS]
    found = [
        scores(open_session(path, 1, engine), pixels).argmax(1)
        for path, engine in zip(paths, engines, strict=True)
    ]
    for path, engine, digits in zip(paths[2:], engines[2:], found[2:], strict=True):
        if not (digits == found[1]).all():
            sys.exit(f"{path} {engine}: finds other digits than {paths[1]} by {engines[1]}")
    milliseconds: list[dict[int, float]] = [{} for _ in paths]
    for count in threads:
        sessions = [
            open_session(path, count, engine) for path, engine in zip(paths, engines, strict=True)
        ]
        medians = median_latencies(sessions, pixels[:1], runs=runs)
        for latencies, median in zip(milliseconds, medians, strict=True):
            latencies[count] = median
    return [
        Row(name, engine, float((labels == digits).mean()), path.stat().st_size, latencies)
        for (name, _, engine), path, digits, latencies in zip(
            ROWS, paths, found, milliseconds, strict=True
        )
    ]


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table; speed-ups are over its first row."""
    counts = list(rows[0].milliseconds)
    header = ["model", "run by", "accuracy", "file"]
    header += [f"{count} thread{'s' * (count > 1)}" for count in counts]
    lines = [header, ["---", "---"] + ["--:"] * (len(header) - 2)]
    for row in rows:
        latencies = [
            f"{row.milliseconds[count]:.3f} ms "
            f"({rows[0].milliseconds[count] / row.milliseconds[count]:.2f}x)"
            for count in counts
        ]
        size = f"{row.size / 1e3:.0f} KB"
        lines.append([row.name, row.engine, f"{row.accuracy:.2%}", size, *latencies])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the table."""
    import digits  # scikit-learn is needed for the images alone

    options = _options()
    _, test = digits.load()
    rows = compare(
        options.folder, test.pixels, test.labels, threads=options.threads, runs=options.runs
    )
    print(as_markdown(rows))
    print(
        f"\nONNX Runtime {onnxruntime.__version__}, {len(test.labels)} test images, latency of one "
        f"image, medians of {options.runs} runs in {TURNS} turns, {os.cpu_count()} cores."
    )


def _warm_up(session: onnxruntime.InferenceSession, pixels: NDArray[np.float32]) -> None:
    end = time.perf_counter() + WARM_UP_SECONDS
    while time.perf_counter() < end:
        scores(session, pixels)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of the three models")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=400, help="measured runs of each session")
    return parser.parse_args()


if __name__ == "__main__":
    main()
