"""Downloads that go on where they were cut off."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ort_sparse.errors import DownloadError, InvalidArgumentError

__all__ = ["Progress", "download"]

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes in all."""

_CHUNK_BYTES = 64 * 1024


def download(
    url: str,
    path: Path,
    *,
    max_bytes: int,
    timeout_seconds: float = 30,
    progress: Progress = lambda done, total: None,
) -> None:
    """Download a file over HTTP.

    What ``path`` holds already is taken for the beginning of the file if the server confirms that
    by the file's ETag, which lies beside ``path`` (RFC 9110, sections 13.1.5 and 14.2). Otherwise
    the download starts anew.

    Parameters
    ----------
    url : str
        An address that begins with ``http://`` or ``https://``.
    path : Path
        File to write; one process at a time. After an error it keeps what has arrived, for the
        next call.
    max_bytes : int
        A larger file is refused.
    timeout_seconds : float
        How long the server may be silent.
    progress : callable
        Called with the bytes that are there and the bytes in all.

    Raises
    ------
    DownloadError
        If the server cannot be reached, has no such file, does not tell its size, or sends less.
    InvalidArgumentError
        If the address is no HTTP address, or ``path`` cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise InvalidArgumentError(f"{url}: must begin with http:// or https://")
    etag_path = path.with_name(f"{path.name}.etag")
    try:
        etag = etag_path.read_text("latin-1") if path.exists() and etag_path.exists() else ""
        response, start = _open(url, path.stat().st_size if etag else 0, etag, timeout_seconds)
        with response, open(path, "ab" if start else "wb") as file:
            size = start + _content_length(url, response)
            if size > max_bytes:
                raise DownloadError(f"{url}: must have at most {max_bytes} bytes, but has {size}")
            etag_path.write_text(_strong_etag(response), "latin-1")
            for chunk in _chunks(url, response, start, size):
                file.write(chunk)
                progress(file.tell(), size)
            file.flush()
            os.fsync(file.fileno())
        etag_path.unlink()
    except OSError as error:  # those of the network are DownloadErrors by now
        raise InvalidArgumentError(f"{path}: cannot be written: {error.strerror}") from error


def _open(url: str, start: int, etag: str, timeout: float) -> tuple[Any, int]:
    """Ask for the bytes from ``start`` on; return the response and where it really starts."""
    if start:
        wanted = {"Range": f"bytes={start}-", "If-Range": etag}
        response = _request(url, wanted, timeout)
        if response.status == 206 and _continues(response, start, etag):
            return response, start
        if response.status == 200:
            return response, 0
        response.close()
    response = _request(url, {}, timeout)
    if response.status != 200:
        response.close()
        raise DownloadError(
            f"{url}: the server must send the file, but answers {response.status} {response.reason}"
        )
    return response, 0


def _continues(response: Any, start: int, etag: str) -> bool:
    """Whether a partial response is what was asked for."""
    begins_there = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    return bool(begins_there and response.headers.get("ETag") == etag)


def _request(url: str, headers: dict[str, str], timeout: float) -> Any:
    try:
        request = urllib.request.Request(url, headers=headers)
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        return error  # which is a response as well
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: no address
        raise DownloadError(f"{url}: cannot be reached: {_reason(error)}") from error


def _content_length(url: str, response: Any) -> int:
    length = response.headers.get("Content-Length", "")
    if not re.fullmatch("[0-9]{1,18}", length):
        raise DownloadError(f"{url}: the server must tell the size of the file, but does not")
    return int(length)


def _strong_etag(response: Any) -> str:
    """Return what identifies these very bytes, or nothing."""
    etag: str = response.headers.get("ETag", "")
    return "" if etag.startswith("W/") else etag


def _chunks(url: str, response: Any, start: int, size: int) -> Iterator[bytes]:
    done = start
    while done < size:
        try:
            chunk = response.read1(min(_CHUNK_BYTES, size - done))
        except (OSError, http.client.HTTPException) as error:
            raise _interrupted(url, size, done, _reason(error)) from error
        if not chunk:
            raise _interrupted(url, size, done, "the connection was closed")
        done += len(chunk)
        yield chunk


def _interrupted(url: str, size: int, done: int, reason: str) -> DownloadError:
    return DownloadError(
        f"{url}: must have {size} bytes, but only {done} arrived: {reason}; "
        "the next attempt goes on from there"
    )


def _reason(error: Exception) -> str:
    """Return what lies below an URLError, in words."""
    cause = getattr(error, "reason", error)
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
