"""The models that benchmarks run on: files, or networks of the zoo, which are built once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ort_sparse import zoo
from ort_sparse.errors import OrtSparseError
from ort_sparse.files import write_atomically

Measured = TypeVar("Measured")


def published_networks() -> list[str]:
    """Return the eleven networks that Fast Sparse ConvNets published."""
    return [name for name in zoo.names() if zoo.entry(name).published is not None]


def add_arguments(parser: argparse.ArgumentParser, default: list[str]) -> None:
    parser.add_argument(
        "models",
        nargs="*",
        default=default,
        metavar="MODEL",
        help=f"a .tflite or .onnx file or a network of the zoo ({', '.join(default)})",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("build", "zoo"),
        help="where the networks of the zoo are kept (%(default)s)",
    )


def title(model: str) -> str:
    """Return what tables call a model: the name of the network, or of the file."""
    return model if model in zoo.names() else Path(model).stem


def find(model: str, folder: Path) -> Path:
    """Return the file of a model; a network that is not there yet is built."""
    if model not in zoo.names():
        return Path(model)
    return build_once(model, folder / f"{model}.tflite")


def build_once(network: str, path: Path, *, sparsity: float | None = None) -> Path:
    """Build a network of the zoo unless the file is there; return the file."""
    if not path.exists():
        report(f"building {path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, zoo.build(network, sparsity=sparsity))
    return path


def measure_each(
    names: list[str], measure: Callable[[str], list[Measured]]
) -> tuple[list[Measured], int]:
    """Return what is measured of models, and of how many nothing could be: the reason is shown."""
    results: list[Measured] = []
    left_out = 0
    for name in names:
        try:
            results += measure(name)
        except OrtSparseError as error:  # the others' figures must not be lost
            report(f"left out: {error}")
            left_out += 1
    return results, left_out


def finish(names: list[str], left_out: int) -> None:
    """Exit with an error, behind all that is printed, if models were left out."""
    if left_out > 0:
        sys.exit(f"error: {left_out} of {len(names)} models could not be measured")


def report(message: str) -> None:
    """Show on stderr what is being done."""
    print(message, file=sys.stderr, flush=True)
