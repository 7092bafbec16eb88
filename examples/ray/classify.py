"""Classifies a folder of images, or Parquet files that hold them, on all machines of a Ray cluster.

    python classify.py MODEL IMAGES RESULTS

writes Parquet files with a row for each image, and checks that each is there once. An image that
cannot be read becomes a row with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import ray
from image_classification.batch import Settings, Summary, classify
from image_classification.model import SCALING, ModelError
from image_classification.results import LostRowsError, open_results
from image_classification.sources import Source

SHIPPED = {"py_modules": [str(Path(__file__).resolve().parent / "image_classification")]}
"""What Ray copies to every machine."""


def main() -> int:
    """Classify what the command line says."""
    options = _options()
    source = Source(options.images)
    if options.parquet:
        source = source._replace(id_column=options.parquet[0], image_column=options.parquet[1])
    settings = Settings(
        actors=options.actors,
        cpus_per_actor=options.cpus_per_actor,
        batch_size=options.batch_size,
        readers=options.readers,
        scaling={"mean": options.mean, "scale": options.scale},
    )
    try:
        open_results(options.results)  # what cannot be written fails before Ray starts
        model = options.model.read_bytes()
        ray.init(address=options.address or "local", runtime_env=SHIPPED, log_to_driver=False)
        summary = classify(model, source, options.results, settings)
    except (OSError, ModelError, LostRowsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(summary._asdict()))
    else:
        print(as_text(summary, options.results))
    return 0


def as_text(summary: Summary, results: str) -> str:
    """Return what people read."""
    errors = f", {summary.errors} of which cannot be read" if summary.errors else ""
    return (
        f"{results}: {summary.images} images, each once{errors}; {summary.seconds:.1f} s, "
        f"{summary.images_per_second:.0f} images/s\n"
        f"processor time for an image: {summary.decode_ms:.2f} ms to decode and resize, "
        f"{summary.run_ms:.2f} ms to classify"
    )


def _actors(text: str) -> tuple[int, int]:
    fewest, _, most = text.partition(":")
    return int(fewest), int(most or fewest)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="ONNX file, as `ort-sparse convert` writes it")
    parser.add_argument("images", help="folder: a path, or a URI such as s3://bucket/folder")
    parser.add_argument("results", help="folder to write; must be empty or absent")
    parser.add_argument(
        "--parquet",
        nargs=2,
        metavar=("ID", "IMAGE"),
        help="the folder holds Parquet files; columns with an image's name and its bytes",
    )
    parser.add_argument("--address", help="of a cluster, or auto; this machine alone otherwise")
    parser.add_argument(
        "--actors", type=_actors, metavar="N[:M]", help="fewest and most; as CPUs allow otherwise"
    )
    parser.add_argument("--cpus-per-actor", type=int, default=1, help="and threads of its session")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument(
        "--readers",
        type=int,
        help="most tasks that read files at a time; as many as CPUs otherwise",
    )
    parser.add_argument("--mean", type=float, default=SCALING["mean"], help="taken from each pixel")
    parser.add_argument("--scale", type=float, default=SCALING["scale"], help="then divides it")
    parser.add_argument("--json", action="store_true", help="print the summary for programs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
