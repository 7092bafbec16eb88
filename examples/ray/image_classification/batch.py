"""Batches: images in a folder or in Parquet files to Parquet files of results, with Ray Data."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import ray
from numpy.typing import NDArray

from .images import ImageError
from .model import SCALING, Model
from .results import SUCCESS, check, open_results
from .sources import Source, read_images

RESULTS = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.int32()),
        ("score", pa.float32()),
        ("error", pa.string()),
        ("decode_seconds", pa.float64()),
        ("run_seconds", pa.float64()),
        ("finished", pa.timestamp("us", "UTC")),
    ]
)
"""Columns of a result: label and score, or an error; processor time of each step; and when."""


class Settings(NamedTuple):
    """How the work is divided.

    Parameters
    ----------
    actors : (int, int) or None
        Fewest and most actors that run the model; as many as there are CPUs for, if None.
    cpus_per_actor : int
        And threads of its session.
    batch_size : int
        Images that an actor takes at a time.
    readers : int or None
        Most tasks that read, and that write, at the same time; as many as there are CPUs, if None.
    scaling : mapping
        ``mean`` and ``scale`` of pixels.
    regions : {"auto", "all", "off"}, optional
        See `ort_sparse.register`.
    """

    actors: tuple[int, int] | None = None
    cpus_per_actor: int = 1
    batch_size: int = 8
    readers: int | None = None
    scaling: Mapping[str, float] = SCALING
    regions: str | None = None


class Summary(NamedTuple):
    """What was done.

    Parameters
    ----------
    images, errors : int
    seconds : float
        From reading to the last file written.
    images_per_second : float
    decode_ms, run_ms : float
        Processor time for an image, on average.
    """

    images: int
    errors: int
    seconds: float
    images_per_second: float
    decode_ms: float
    run_ms: float


class Classifier:
    """An actor of Ray Data: it decodes batches of images and classifies them.

    Both on as many threads as Ray gave the actor CPUs.

    Parameters
    ----------
    model : ray.ObjectRef of bytes
        Ray copies the object to each node once, whatever the number of actors there.
    settings : Settings
    """

    def __init__(self, model: ray.ObjectRef, settings: Settings) -> None:
        cpus = ray.get_runtime_context().get_assigned_resources()["CPU"]
        self.threads = max(1, int(cpus))
        self.model = Model(
            ray.get(model),
            threads=self.threads,
            scaling=settings.scaling,
            regions=settings.regions,
        )
        self.decoders = ThreadPoolExecutor(self.threads)

    def __call__(self, batch: Mapping[str, Any]) -> pa.Table:
        """Return rows of `RESULTS` for arrays ``path``, ``bytes`` and ``error``."""
        decoded = list(self.decoders.map(self._decode, batch["bytes"], batch["error"]))
        images = [image for image, _, _ in decoded if image is not None]
        good = np.array([image is not None for image, _, _ in decoded])
        labels, best = np.zeros(len(good), np.int32), np.zeros(len(good), np.float32)
        start = time.process_time()  # of all threads; while a core is awaited it stands still
        if images:
            scores = self.model.scores(np.stack(images))
            labels[good], best[good] = scores.argmax(1), scores.max(1)
        seconds = (time.process_time() - start) / len(good)
        columns = [
            pa.array([str(name) for name in batch["path"]], pa.string()),
            pa.array(labels, mask=~good),
            pa.array(best, mask=~good),
            pa.array([error for _, error, _ in decoded], pa.string()),
            pa.array([spent for _, _, spent in decoded]),
            pa.array(np.full(len(good), seconds)),
            pa.array([datetime.now(UTC)] * len(good), RESULTS.field("finished").type),
        ]
        return pa.table(columns, schema=RESULTS)

    def _decode(
        self, data: bytes | None, error: str | None
    ) -> tuple[NDArray[np.uint8] | None, str | None, float]:
        """Return an image or an error, and the processor time that it took."""
        if isinstance(error, str):
            return None, error, 0.0
        start = time.thread_time()
        try:
            image = self.model.decode(data or b"")
        except ImageError as found:
            image, error = None, str(found)
        return image, error, time.thread_time() - start


def classify(
    model: bytes, source: Source, results: str, settings: Settings, classifier: type = Classifier
) -> Summary:
    """Classify all images of a source. Ray must be initialized.

    Parameters
    ----------
    model : bytes
        An ONNX file.
    source : Source
    results : str
        Folder to write, a path or a URI, that every machine can write. Must be empty or absent.
    settings : Settings
    classifier : type
        What an actor runs: `Classifier`, or a class that does more.

    Raises
    ------
    ModelError
        If the model does not classify images.
    FileExistsError
        If the folder of results holds files.
    FileNotFoundError
        If there are no images.
    LostRowsError
        If the results are not complete, which is a fault of Ray or of the storage.
    """
    Model(model, threads=1)  # one that does not serve fails here, before any actor starts
    filesystem, folder = open_results(results)
    readers = settings.readers or max(2, _cluster_cpus())
    expected, images = read_images(source, readers=readers, batch_size=settings.batch_size)
    reference = ray.put(model)
    start = time.monotonic()
    images.map_batches(
        classifier,
        fn_constructor_args=(reference, settings._replace(scaling=dict(settings.scaling))),
        batch_size=settings.batch_size,
        num_cpus=settings.cpus_per_actor,
        compute=_pool(settings),
    ).write_parquet(
        folder, filesystem=filesystem, concurrency=readers, ray_remote_args={"num_cpus": 0}
    )
    seconds = time.monotonic() - start
    check(expected, results)
    summary = _summarise(filesystem, folder, seconds)
    with filesystem.open_output_stream(f"{folder}/{SUCCESS}") as stream:
        stream.write(json.dumps(summary._asdict()).encode())
    return summary


def _pool(settings: Settings) -> ray.data.ActorPoolStrategy:
    if settings.actors is None:
        most = max(1, _cluster_cpus() // settings.cpus_per_actor)
        return ray.data.ActorPoolStrategy(min_size=1, max_size=most)
    fewest, most = settings.actors
    return ray.data.ActorPoolStrategy(min_size=fewest, max_size=most)


def _cluster_cpus() -> int:
    return int(ray.cluster_resources().get("CPU", 1))


def _summarise(filesystem: pyarrow.fs.FileSystem, folder: str, seconds: float) -> Summary:
    dataset = pyarrow.dataset.dataset(folder, filesystem=filesystem, format="parquet")
    count = errors = 0
    totals = {"decode_seconds": 0.0, "run_seconds": 0.0}
    for batch in dataset.to_batches(columns=["error", *totals]):
        count += len(batch)
        errors += len(batch) - batch["error"].null_count
        for name in totals:
            totals[name] += pyarrow.compute.sum(batch[name]).as_py() or 0.0
    decode_ms, run_ms = (1e3 * total / count for total in totals.values())
    return Summary(count, errors, seconds, count / seconds, decode_ms, run_ms)
