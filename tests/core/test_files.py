from __future__ import annotations

import os
import stat

import pytest

from ort_sparse import InvalidArgumentError
from ort_sparse.files import write_atomically


def test_replaces_a_file(tmp_path):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_gives_the_usual_permissions(tmp_path):
    write_atomically(tmp_path / "a", b"")
    (tmp_path / "b").write_bytes(b"")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE(
        (tmp_path / "b").stat().st_mode
    )


def test_missing_folder(tmp_path):
    target = tmp_path / "nowhere" / "model.onnx"
    with pytest.raises(InvalidArgumentError, match="cannot be written: No such file"):
        write_atomically(target, b"new")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file(tmp_path, monkeypatch, call):
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(InvalidArgumentError, match="cannot be written: No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "model.onnx", b"new")
    assert os.listdir(tmp_path) == []
