"""The published files of Fast Sparse ConvNets, in the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ort_sparse.converters.tflite._dependencies import tflite_schema
from ort_sparse.converters.tflite.flatbuffer import verify_flatbuffer
from ort_sparse.errors import DownloadError, InvalidArgumentError, InvalidModelError
from ort_sparse.files import write_atomically

from .catalogue import Published, entry, names
from .download import Progress, download

__all__ = ["BASE_URL", "cache_folder", "fetch"]

BASE_URL = "https://storage.googleapis.com/fast-convnets/tflite-models"
"""Folder of the files, as the authors published it."""

_MAX_BYTES = 100 * 2**20
"""More than four times the largest of them."""


def fetch(
    name: str,
    *,
    base_url: str = BASE_URL,
    folder: Path | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Return the published file of a network, downloaded when it is asked for the first time.

    The authors publish no digests. So the SHA-256 of a file is recorded when it is first seen,
    beside it and as ``sha256sum`` writes it; whatever has that name later must have that digest.

    Parameters
    ----------
    name : str
        One of the networks that are `Published`.
    base_url : str
        Folder that has the files: the authors', or a mirror of it.
    folder : Path, optional
        Where files are kept, `cache_folder` by default; made if it is not there.
    progress : callable
        Called with the bytes that are there and the bytes in all.

    Raises
    ------
    InvalidArgumentError
        If the name is unknown or names a network that is not published, or the folder cannot be
        used.
    DownloadError
        If the file cannot be downloaded, is no TFLite file, or has another digest than before.
        What has arrived of a broken download is kept, and the next call goes on from there.
    MissingDependencyError
        If ai_edge_litert, which the check of the file needs, is not installed.
    """
    file = _published(name).file
    url = f"{base_url.rstrip('/')}/{file}"
    folder = folder or cache_folder()
    tflite_schema()  # if that is missing, say so before the download
    with _locked(folder):
        path, digest_path = folder / file, folder / f"{file}.sha256"
        if path.exists():
            _check(path, digest_path)
            return path
        partial = folder / f"{file}.part"
        download(url, partial, max_bytes=_MAX_BYTES, progress=progress)
        try:
            _check(partial, digest_path)
        except DownloadError as error:
            partial.unlink()
            raise DownloadError(f"{url}: {error}") from error
        os.replace(partial, path)
        return path


def cache_folder() -> Path:
    """Return the folder of this user for files that can be fetched again (XDG base directories).

    Raises
    ------
    InvalidArgumentError
        If neither ``XDG_CACHE_HOME`` nor the home of the user is known.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        caches = Path(given) if os.path.isabs(given) else Path.home() / ".cache"
    except RuntimeError as error:
        raise InvalidArgumentError(
            "XDG_CACHE_HOME: must name a folder where the user has no home, but does not"
        ) from error
    return caches / "ort_sparse" / "zoo"


def _published(name: str) -> Published:
    published = entry(name).published
    if published is None:
        published_names = ", ".join(name for name in names() if entry(name).published)
        raise InvalidArgumentError(
            f"name: must be one of the published networks ({published_names}), "
            f"but {name!r} is not; it can be built"
        )
    return published


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and keep other processes out of it meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise InvalidArgumentError(f"{folder}: cannot be used: {error.strerror}") from error


def _check(path: Path, digest_path: Path) -> None:
    """Raise DownloadError unless the file is sound, and what it was when first seen."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest_path.exists():
        recorded = digest_path.read_text().partition(" ")[0]
        if digest != recorded:
            raise DownloadError(
                f"{path.name}: its SHA-256 must be {recorded} as when it was first fetched, but "
                f"is {digest}; to accept it, remove {digest_path}"
            )
        return
    try:
        verify_flatbuffer(data)
    except InvalidModelError as error:
        raise DownloadError(f"{path.name}: {error}") from error
    write_atomically(digest_path, f"{digest}  {digest_path.stem}\n".encode())
