"""Where images come from: a folder of files, or Parquet files that hold them.

Ray Data has readers of its own. These are used in their place because they ask Ray for no CPU: they
wait for storage, so actors may have every CPU of a cluster. And when a node dies, what it had read
can be read again although actors have every CPU that is left; Ray's would wait for one forever.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet
import ray

from .results import Fingerprint, fingerprint, list_files, open_folder, read_column

FILES_PER_TASK = 128
"""Image files that a task reads, one after the other."""

ATTEMPTS = 3
"""How often a file is tried that cannot be read, before that becomes the image's error."""

READ_SCHEMA = pa.schema(
    [("path", pa.string()), ("bytes", pa.large_binary()), ("error", pa.string())]
)
"""An image: its name, and its bytes or why they cannot be read."""


class Source(NamedTuple):
    """Where images are.

    Parameters
    ----------
    folder : str
        A path, or a URI such as s3://bucket/folder, that every machine can read.
    id_column, image_column : str or None
        Of Parquet files: what names an image, and the bytes of its file. None: the folder holds
        image files.
    """

    folder: str
    id_column: str | None = None
    image_column: str | None = None


def read_images(
    source: Source, *, readers: int, batch_size: int
) -> tuple[Fingerprint, ray.data.Dataset]:
    """Return what must come out, and a dataset of `READ_SCHEMA` that is read as it is used.

    Parameters
    ----------
    source : Source
    readers : int
        Most tasks that read at the same time.
    batch_size : int
        Rows that are read at a time.

    Raises
    ------
    FileNotFoundError
        If there are no images.
    """
    filesystem, folder = open_folder(source.folder)
    files = list_files(filesystem, folder)
    arguments: dict[str, Any] = {"filesystem": filesystem}
    if source.id_column is None or source.image_column is None:
        expected = fingerprint(files)
        starts = range(0, len(files), FILES_PER_TASK)
        work = [pa.table({"path": files[start : start + FILES_PER_TASK]}) for start in starts]
        read, step = _read_files, batch_size
    else:
        expected = fingerprint(read_column(source.folder, source.id_column))
        work = [
            pa.table({"path": [file], "row_group": [group]})
            for file in files
            for group in range(_row_groups(file, filesystem))
        ]
        read, step = _read_row_groups, 1
        arguments |= {"columns": [source.id_column, source.image_column], "rows": batch_size}
    images = ray.data.from_arrow(work).map_batches(
        read, batch_size=step, fn_kwargs=arguments, num_cpus=0, concurrency=readers
    )
    return expected, images


def _read_files(batch: Mapping[str, Any], filesystem: pyarrow.fs.FileSystem) -> pa.Table:
    paths = [str(path) for path in batch["path"]]
    contents, errors = zip(*(_read_file(path, filesystem) for path in paths), strict=True)
    arrays = map(pa.array, (paths, contents, errors), READ_SCHEMA.types)
    return pa.table(list(arrays), schema=READ_SCHEMA)


def _read_file(path: str, filesystem: pyarrow.fs.FileSystem) -> tuple[bytes | None, str | None]:
    """Return the bytes of a file, or why they cannot be read."""
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        try:
            with filesystem.open_input_stream(path) as stream:
                return stream.readall(), None
        except OSError as error:
            reason = f"cannot be read: {error}"
    return None, reason


def _row_groups(path: str, filesystem: pyarrow.fs.FileSystem) -> int:
    with pyarrow.parquet.ParquetFile(path, filesystem=filesystem) as file:
        return int(file.num_row_groups)


def _read_row_groups(
    batch: Mapping[str, Any], filesystem: pyarrow.fs.FileSystem, columns: list[str], rows: int
) -> Iterator[pa.Table]:
    for path, group in zip(batch["path"], batch["row_group"], strict=True):
        with pyarrow.parquet.ParquetFile(str(path), filesystem=filesystem) as file:
            for part in file.iter_batches(rows, row_groups=[int(group)], columns=columns):
                names = pa.array([str(name) for name in part[columns[0]].to_pylist()], pa.string())
                contents = part[columns[1]].cast(pa.large_binary())
                errors = pa.nulls(len(part), pa.string())
                yield pa.table([names, contents, errors], schema=READ_SCHEMA)
