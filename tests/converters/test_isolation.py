"""What foreign code does to its process becomes an error in ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ort_sparse.converters import isolation
from ort_sparse.converters.isolation import run_isolated, temporary_folder
from ort_sparse.errors import (
    InvalidArgumentError,
    InvalidModelError,
    MissingDependencyError,
    OrtSparseError,
    UnsupportedModelError,
)

TASK = "hostile_task"
TESTS = Path(__file__).parent


def order(text: str) -> list[str]:
    """Run the task; return what it answered."""
    with temporary_folder() as folder:
        (folder / "order").write_text(text)
        run_isolated(TASK, folder, what="The task")
        return (folder / "answer").read_text().split()


def wait_until(holds) -> None:
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.1)
    pytest.fail("waited for 300 s")


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_each_call_has_a_process_of_its_own_from_one_parent() -> None:
    (first, parent), (second, same) = order("answer"), order("answer")
    assert first != second
    assert parent == same


def test_threads_do_not_share_a_worker() -> None:
    parents = []
    threads = [threading.Thread(target=lambda: parents.append(order("answer"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({pid for pid, _ in parents}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "signal 11",
            "The task did not survive the model: it ended with SIGSEGV; it may take 1024",
        ),
        ("signal 6", "it ended with SIGABRT"),
        ("signal 9", "it ended with SIGKILL"),
        ("signal 40", "it ended with signal 40"),
        ("exit 3", "it ended with exit code 3"),
        ("memory 2000000000", "MemoryError"),
        ("raise", "LookupError: what is this"),
    ],
)
def test_disasters_are_errors(text: str, message: str) -> None:
    with pytest.raises(UnsupportedModelError, match=message):
        order(text)
    assert order("answer")


def test_errors_of_ours_come_through() -> None:
    with pytest.raises(InvalidModelError, match=r"^no good$") as raised:
        order("refuse")
    assert not hasattr(raised.value, "__notes__")


NOISE = "The task printed:\nnoise on stdout"


def failing(text: str) -> str:
    """Run the task, which must fail; return what is noted on the error."""
    with pytest.raises(OrtSparseError) as raised:
        order(text)
    (note,) = raised.value.__notes__
    return note


def test_what_a_failing_process_printed_is_noted() -> None:
    assert failing("signal 11") == NOISE
    assert failing("exit 3") == NOISE
    note = failing("raise")
    assert note.startswith(f"{NOISE}\nTraceback")
    assert note.endswith("LookupError: what is this")


def test_what_was_printed_is_cut_to_its_end_and_cannot_steer_a_terminal() -> None:
    note = failing(f"print {2 * isolation.PRINTED_BYTES} and exit")
    assert note.startswith("The task printed:\n\n")
    assert note.endswith("\nthe  [31m end")
    assert len(note) < isolation.PRINTED_BYTES + 100


def test_printing_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_SPARSE_TIME_LIMIT", "1")
    assert failing("flood").endswith("\nnoise without end")


def test_what_a_process_printed_that_does_not_start_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOSTILE_PREPARE", "abort")
    monkeypatch.setitem(isolation._idle, TASK, [])
    with pytest.raises(OrtSparseError, match="The task: its process ended with SIGABRT") as raised:
        order("answer")
    assert raised.value.__notes__ == ["The task printed:\nnoise of importing"]


def test_memory_within_the_limit_is_given() -> None:
    with temporary_folder() as folder:
        (folder / "order").write_text("memory 500000000")
        run_isolated(TASK, folder, what="The task")


def test_memory_grows_with_the_files() -> None:
    with temporary_folder() as folder:
        (folder / "order").write_text("memory 1500000000")
        (folder / "model").write_bytes(bytes(2**25))
        run_isolated(TASK, folder, what="The task")


def test_a_hang_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    monkeypatch.setenv("HOSTILE_PIDS", str(pids))
    monkeypatch.setenv("ORT_SPARSE_TIME_LIMIT", "2")
    monkeypatch.setitem(isolation._idle, TASK, [])
    with pytest.raises(UnsupportedModelError, match="The task was stopped: it may take 2 s"):
        order("hang")
    assert gone(int(pids.read_text().split()[0]))


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_time_limit_must_be_a_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ORT_SPARSE_TIME_LIMIT", text)
    with pytest.raises(InvalidArgumentError, match=f"must be a positive number .* '{text}'"):
        order("answer")


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE_PREPARE", "raise")
    monkeypatch.setitem(isolation._idle, TASK, [])
    with pytest.raises(MissingDependencyError, match="not here"):
        order("answer")


def test_a_worker_that_was_killed_is_replaced() -> None:
    _, parent = order("answer")
    os.kill(int(parent), signal.SIGKILL)
    wait_until(lambda: gone(int(parent)))
    assert order("answer")[1] != parent


def test_a_worker_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(isolation._idle, TASK, [])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(OrtSparseError, match="The task: its process ended with exit code 1"):
        order("answer")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(OrtSparseError, match="The task: its process cannot be started"):
        order("answer")


def test_no_place_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/nowhere")
    with pytest.raises(OrtSparseError, match="temporary files: cannot be used: No such file"):
        order("answer")


PROGRAM = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
from test_isolation import order
order("hang")
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_nothing_goes_on_when_the_user_ends_the_program(end: int, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, TESTS],
        env={**os.environ, "HOSTILE_PIDS": str(pids)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_until(lambda: pids.exists() and pids.read_text())
    os.killpg(program.pid, end)
    program.wait()
    for pid in map(int, pids.read_text().split()):
        wait_until(lambda pid=pid: gone(pid))


def test_tf2onnx_can_be_forked() -> None:
    """The process that imports TensorFlow has one thread, and this one never imports it."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra tflite")
    code = (
        "import sys, os\n"
        "from ort_sparse.converters import isolation\n"
        "from ort_sparse.converters.tflite import to_onnx\n"
        "worker = isolation._take_worker(to_onnx.__name__, 'tf2onnx')\n"
        "print(len(os.listdir(f'/proc/{worker._process.pid}/task')), 'tensorflow' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert printed.split() == ["1", "False"]
