"""Downloads from a server on this machine that does all that servers do, and some things worse."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from zoo.file_server import FileServer

from ort_sparse.errors import DownloadError, InvalidArgumentError
from ort_sparse.zoo.download import download

BODY = bytes(range(256)) * 1000
PATH = "/files/model.bin"
LIMIT = 2 * len(BODY)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer({PATH: BODY}) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "model.bin.part"


def get(server, target, **options):
    download(server.url + PATH, target, **{"max_bytes": LIMIT, **options})


def interrupt(server, target, after=100_000):
    """Have the connection closed after some bytes."""
    server.close_after = after
    with pytest.raises(DownloadError, match=f"only {after} arrived: the connection was closed"):
        get(server, target)
    server.close_after = None
    assert target.read_bytes() == BODY[:after]


def test_downloads_a_file_and_reports_progress(server, target):
    seen = []
    get(server, target, progress=lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == [target.name]
    assert seen == sorted(seen)
    assert seen[-1] == (len(BODY), len(BODY))
    assert len(seen) > 1


def test_goes_on_where_it_was_cut_off(server, target):
    interrupt(server, target)
    interrupt_again = 150_000
    server.close_after = interrupt_again - 100_000
    with pytest.raises(DownloadError, match=f"only {interrupt_again} arrived"):
        get(server, target)
    server.close_after = None
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_starts_anew_where_the_server_knows_no_ranges(server, target):
    interrupt(server, target)
    server.knows_ranges = False
    get(server, target)
    assert target.read_bytes() == BODY


def test_starts_anew_where_the_file_has_changed(server, target):
    interrupt(server, target)
    server.files[PATH] = BODY[::-1]
    get(server, target)
    assert target.read_bytes() == BODY[::-1]


def test_starts_anew_where_the_server_does_not_look_at_the_etag(server, target):
    interrupt(server, target)
    server.files[PATH] = BODY[::-1]
    server.heeds_if_range = False
    get(server, target)
    assert target.read_bytes() == BODY[::-1]
    assert server.ranges == [None, "bytes=100000-", None]


def test_starts_anew_where_the_part_is_longer_than_the_file(server, target):
    interrupt(server, target)
    server.files[PATH] = BODY[:50_000]
    server.heeds_if_range = False
    get(server, target)
    assert target.read_bytes() == BODY[:50_000]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_starts_anew_without_an_etag_that_stands_for_the_bytes(server, target, etag):
    server.etag = etag
    interrupt(server, target)
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.ranges == [None, None]


def test_starts_anew_where_nothing_says_what_the_part_is_of(server, target):
    target.write_bytes(b"something else")
    get(server, target)
    assert target.read_bytes() == BODY


def test_goes_on_behind_a_redirect(server, target):
    server.redirects["/old"] = PATH
    server.close_after = 100_000
    with pytest.raises(DownloadError, match="only 100000 arrived"):
        download(f"{server.url}/old", target, max_bytes=LIMIT)
    server.close_after = None
    download(f"{server.url}/old", target, max_bytes=LIMIT)
    assert target.read_bytes() == BODY
    assert server.ranges[-1] == "bytes=100000-"


@pytest.mark.parametrize("status", [404, 500, 503])
def test_says_what_the_server_answers(server, target, status):
    server.status = status
    with pytest.raises(DownloadError, match=rf"127.0.0.1.*model.bin: .* answers {status} "):
        get(server, target)


def test_a_server_error_leaves_the_part(server, target):
    interrupt(server, target)
    server.status = 503
    with pytest.raises(DownloadError, match="answers 503"):
        get(server, target)
    server.status = None
    get(server, target)
    assert target.read_bytes() == BODY
    assert server.ranges[-1] == "bytes=100000-"


def test_refuses_a_file_above_the_limit(server, target):
    with pytest.raises(DownloadError, match=r"at most 1000 bytes, but has 256000"):
        get(server, target, max_bytes=1000)


@pytest.mark.parametrize("size", [None, "-1", "", "1e3", "9" * 5000])
def test_refuses_a_file_of_unknown_size(server, target, size):
    server.content_length = size
    with pytest.raises(DownloadError, match="must tell the size"):
        get(server, target)


def test_gives_up_on_a_silent_server(server, target):
    server.stall_after = 100_000
    with pytest.raises(DownloadError, match="only 100000 arrived: timed out"):
        get(server, target, timeout_seconds=0.2)


def test_says_that_nobody_answers(target):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"cannot be reached: Connection refused"):
        download(f"http://127.0.0.1:{port}/x", target, max_bytes=LIMIT)
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "model.bin"])
def test_refuses_other_addresses(target, url):
    with pytest.raises(InvalidArgumentError, match="must begin with http"):
        download(url, target, max_bytes=LIMIT)


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:port/x", "http://[::1/x"])
def test_refuses_damaged_addresses(target, url):
    with pytest.raises(DownloadError, match="cannot be reached"):
        download(url, target, max_bytes=LIMIT)


def test_missing_folder(server, target):
    with pytest.raises(InvalidArgumentError, match="cannot be written: No such file"):
        get(server, target.parent / "nowhere" / "model.bin")


def test_full_disk(server, target, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InvalidArgumentError, match="cannot be written: No space left"):
        get(server, target)
