"""`fetch` and `ort-sparse zoo fetch`, from a server on this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason='needs the extra "tflite"')

from tflite_builder import densify_file
from zoo.file_server import FileServer

from ort_sparse import zoo
from ort_sparse.errors import DownloadError, InvalidArgumentError
from ort_sparse.zoo.published import cache_folder

NAME = "mbv1_100_90_12b4_684"
FILE = f"{NAME}.tflite"


@pytest.fixture(scope="module")
def model() -> bytes:
    """Return a sound TFLite file in place of the published one."""
    numbers = np.random.default_rng(0).standard_normal((300, 300)).astype(np.float32)
    return densify_file(numbers * (numbers > 0))


@pytest.fixture
def server(model, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer({f"/models/{FILE}": model}) as server:
        yield server


def fetch(server, folder, **options):
    return zoo.fetch(NAME, base_url=f"{server.url}/models", folder=folder, **options)


def test_fetches_once(server, model, tmp_path):
    path = fetch(server, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / FILE
    assert path.read_bytes() == model
    assert fetch(server, path.parent) == path
    assert len(server.ranges) == 1
    assert sorted(os.listdir(path.parent)) == [".lock", FILE, f"{FILE}.sha256"]


def test_records_the_digest_as_sha256sum_does(server, model, tmp_path):
    fetch(server, tmp_path)
    recorded = (tmp_path / f"{FILE}.sha256").read_text()
    assert recorded == f"{hashlib.sha256(model).hexdigest()}  {FILE}\n"


def test_goes_on_where_it_was_cut_off(server, model, tmp_path):
    server.close_after = 70_000
    with pytest.raises(DownloadError, match=f"must have {len(model)} bytes, but only 70000"):
        fetch(server, tmp_path)
    assert not (tmp_path / FILE).exists()
    server.close_after = None
    assert fetch(server, tmp_path).read_bytes() == model
    assert server.ranges == [None, "bytes=70000-"]


def test_refuses_another_file_than_before_and_names_both_digests(server, model, tmp_path):
    path = fetch(server, tmp_path)
    path.unlink()
    other = model + bytes(16)
    server.files[f"/models/{FILE}"] = other
    before, now = (hashlib.sha256(data).hexdigest() for data in (model, other))
    with pytest.raises(DownloadError, match=f"{before} as when .* but is {now}") as raised:
        fetch(server, tmp_path)
    assert server.url in str(raised.value)
    assert sorted(os.listdir(tmp_path)) == [".lock", f"{FILE}.sha256"]


def test_refuses_a_file_that_was_changed_in_the_cache(server, tmp_path):
    path = fetch(server, tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DownloadError, match=f"{FILE}: its SHA-256 must be"):
        fetch(server, tmp_path)


@pytest.mark.parametrize("damage", [lambda data: b"<html>" * 100, lambda data: data[:-50_000]])
def test_refuses_what_is_no_sound_tflite_file(server, model, tmp_path, damage):
    server.files[f"/models/{FILE}"] = damage(model)
    with pytest.raises(DownloadError, match=rf"{FILE}: {FILE}"):
        fetch(server, tmp_path)
    assert os.listdir(tmp_path) == [".lock"]
    server.files[f"/models/{FILE}"] = model
    assert fetch(server, tmp_path).read_bytes() == model


def test_two_at_once_download_once(server, model, tmp_path):
    """Each descriptor has a lock of its own, so threads stand for processes here."""
    threads = [threading.Thread(target=fetch, args=(server, tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / FILE).read_bytes() == model
    assert len(server.ranges) == 1


def test_a_folder_in_the_place_of_the_file(server, tmp_path):
    (tmp_path / FILE).mkdir()
    with pytest.raises(InvalidArgumentError, match="cannot be used: Is a directory"):
        fetch(server, tmp_path)


def test_unwritable_folder(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidArgumentError, match=r"file/cache: cannot be used: Not a dir"):
        fetch(server, tmp_path / "file" / "cache")


def test_an_unpublished_network_is_not_fetched(tmp_path):
    with pytest.raises(InvalidArgumentError, match=rf"{NAME}.*'effnet' is not"):
        zoo.fetch("effnet", folder=tmp_path)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("/caches", "/caches"), ("", "/home/someone/.cache"), ("relative", "/home/someone/.cache")],
)
def test_cache_folder_follows_xdg(monkeypatch, variable, expected):
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_folder() == Path(expected, "ort_sparse", "zoo")


def run(server, tmp_path, *arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", "ort_sparse", "zoo", "fetch", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "XDG_CACHE_HOME": str(tmp_path),
            "ORT_SPARSE_ZOO_URL": f"{server.url}/models",
            **variables,
        },
    )


def test_command_prints_where_the_file_is(server, model, tmp_path):
    done = run(server, tmp_path, NAME)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == tmp_path / "ort_sparse" / "zoo" / FILE
    assert Path(done.stdout.strip()).read_bytes() == model
    assert NAME in done.stderr


def test_command_copies_the_file(server, model, tmp_path):
    out = tmp_path / "copy.tflite"
    done = run(server, tmp_path, NAME, "-o", out, "--base-url", f"{server.url}/models/")
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == model


def test_command_ends_with_one_line_when_offline(server, tmp_path):
    done = run(server, tmp_path, NAME, "--base-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"error: http://127.0.0.1:9/{FILE}: cannot be reached: Connection refused"
