"""Nothing lost, nothing twice: compares what went in with what came out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow.dataset
import pyarrow.fs

DIGEST_BYTES = 16
MODULUS = 1 << (8 * DIGEST_BYTES)

SUCCESS = "_SUCCESS"
"""A file of this name in the folder of results says that they are complete."""


class LostRowsError(RuntimeError):
    """The results are not those of each image, once."""


class Fingerprint(NamedTuple):
    """A set of names in which any may occur several times, whatever their order.

    Parameters
    ----------
    rows : int
    digest : int
        Sum of a hash of each name: so a hundred million need no memory.
    """

    rows: int
    digest: int


def fingerprint(names: Iterable[str]) -> Fingerprint:
    """Return the fingerprint of names."""
    rows = digest = 0
    for name in names:
        hashed = hashlib.blake2b(name.encode(), digest_size=DIGEST_BYTES).digest()
        rows, digest = rows + 1, (digest + int.from_bytes(hashed, "little")) % MODULUS
    return Fingerprint(rows, digest)


def open_folder(folder: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the file system of a folder, which is a path or a URI, and its path there."""
    return pyarrow.fs.FileSystem.from_uri(folder if "://" in folder else os.path.abspath(folder))


def open_results(folder: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """Return the file system of a folder to write results into, and its path there.

    Raises
    ------
    FileExistsError
        If the folder holds files.
    """
    filesystem, path = open_folder(folder)
    if filesystem.get_file_info(pyarrow.fs.FileSelector(path, allow_not_found=True)):
        raise FileExistsError(f"{folder}: must be empty or absent, but holds files")
    return filesystem, path


def list_files(filesystem: pyarrow.fs.FileSystem, folder: str) -> list[str]:
    """Return the files in a folder and below, sorted, but none whose path there starts with . or _.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist or holds no file.
    """
    root = folder.rstrip("/") + "/"
    files = filesystem.get_file_info(pyarrow.fs.FileSelector(folder, recursive=True))
    found = sorted(
        file.path
        for file in files
        if file.is_file and not file.path.removeprefix(root).startswith((".", "_"))
    )
    if not found:
        raise FileNotFoundError(f"{folder}: must hold files to classify, but holds none")
    return found


def read_column(folder: str, column: str) -> Iterator[str]:
    """Yield the values of a column of the Parquet files in a folder; nothing else is read."""
    filesystem, path = open_folder(folder)
    dataset = pyarrow.dataset.dataset(path, format="parquet", filesystem=filesystem)
    for batch in dataset.to_batches(columns=[column]):
        yield from map(str, batch.column(0).to_pylist())


def check(expected: Fingerprint, folder: str) -> None:
    """Compare what was read with the results.

    Raises
    ------
    LostRowsError
        If an image is missing among the results, is there twice, or never was one.
    """
    found = fingerprint(read_column(folder, "path"))
    if found.rows != expected.rows:
        raise LostRowsError(
            f"{folder}: must have a row for each of {expected.rows} images, but has {found.rows}"
        )
    if found != expected:
        raise LostRowsError(
            f"{folder}: has {found.rows} rows, as it must, but not one for each image"
        )
