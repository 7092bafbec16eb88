"""Running other people's C++ code on a model in a process of its own.

A sound file may still hold numbers that TensorFlow, LiteRT or ONNX Runtime do not survive. What
goes wrong there, a crash, a hang or too much memory, becomes an error here. Data goes both ways as
files. What such code prints is kept, and becomes a note on the error if its process fails.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ort_sparse import errors
from ort_sparse.errors import InvalidArgumentError, OrtSparseError, UnsupportedModelError

__all__ = [
    "DEFAULT_SECONDS",
    "ERROR_FILE",
    "MEMORY_MINIMUM",
    "MEMORY_PER_BYTE",
    "PRINTED_BYTES",
    "TIME_LIMIT",
    "run_isolated",
    "temporary_folder",
]

TIME_LIMIT = "ORT_SPARSE_TIME_LIMIT"
"""Environment variable: how many seconds one conversion or run may take."""

DEFAULT_SECONDS = 300.0

ERROR_FILE = "error.json"
"""Where a task leaves the error that it raised."""

MEMORY_MINIMUM = 2**30
MEMORY_PER_BYTE = 64
"""Memory that a task may take: the minimum, and this for each byte of its input files. tf2onnx was
seen to take 54 times the size of a MobileNetV2 of 50 MB."""

PRINTED_BYTES = 8192
"""How much is kept of what a process prints: its end."""


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder for the files of one task, and remove it.

    Raises
    ------
    OrtSparseError
        If the folder or a file in it cannot be written or read.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="ort_sparse_") as folder:
            yield Path(folder)
    except OSError as error:
        raise OrtSparseError(
            f"temporary files: cannot be used: {error.strerror or error}; "
            "the environment variable TMPDIR chooses another folder"
        ) from error


def run_isolated(task: str, folder: Path, *, what: str, limited: bool = True) -> None:
    """Call the function ``work`` of a module with ``folder``, in another process.

    Parameters
    ----------
    task : str
        Full name of the module. It also has a function ``prepare``, which imports what the work
        needs; that is done once, for all calls.
    folder : Path
        Holds the files that the work reads; it writes its results there too.
    what : str
        What messages call the task, such as "LiteRT".
    limited : bool
        Whether time and memory have limits; not if the model is our own.

    Raises
    ------
    OrtSparseError
        Whatever `work` or `prepare` raised.
    UnsupportedModelError
        If the process crashed, or took more time or memory than it may, or `work` raised another
        exception. What was printed is a note on this error (``__notes__``).
    InvalidArgumentError
        If the environment variable ORT_SPARSE_TIME_LIMIT is no positive number.
    """
    seconds = _time_limit() if limited else None
    size = sum(file.stat().st_size for file in folder.iterdir())
    memory = MEMORY_MINIMUM + MEMORY_PER_BYTE * size if limited else None
    worker = _take_worker(task, what)
    try:
        answer = worker.ask({"folder": str(folder), "memory": memory, "seconds": seconds})
    except BaseException:
        worker.close()
        raise
    _idle[task].append(worker)
    failure = ""
    if answer["late"]:
        variable = f"environment variable {TIME_LIMIT}"
        failure = f"{what} was stopped: it may take {seconds:g} s ({variable})"
    elif answer["code"]:
        failure = f"{what} did not survive the model: it ended with {_name_of_end(answer['code'])}"
        if memory is not None:
            failure += f"; it may take {memory // 2**20} MiB of memory"
    if failure:
        raise _with_printed(UnsupportedModelError(failure), what, answer["printed"])
    if (folder / ERROR_FILE).exists():
        description = json.loads((folder / ERROR_FILE).read_text())
        error = _described(description)
        raise _with_printed(error, what, answer["printed"]) if description["unexpected"] else error


class _Worker:
    """A process that forks for each request."""

    def __init__(self, task: str, what: str) -> None:
        self._what = what
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        # The same modules as here: -P keeps the current folder out, where this process has it out.
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OPENBLAS_NUM_THREADS": "1",  # forking needs a process of one thread
        }
        module = f"{__package__}.isolation_worker"
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-P", "-m", module, task],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                env=environment,
                start_new_session=True,  # Ctrl-C is for this process, which then closes that one
            )
        except OSError as error:
            self._printed.close()
            raise OrtSparseError(f"{what}: its process cannot be started: {error}") from error
        try:
            answer = self._receive()
            if "error" in answer:
                raise _described(answer["error"])
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its end."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # then nothing can be received either
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        return self._receive()

    def close(self) -> None:
        """End the process and whatever it runs."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._printed.close()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            end = _name_of_end(self._process.wait())
            size = self._printed.seek(0, os.SEEK_END)
            self._printed.seek(max(0, size - PRINTED_BYTES))
            printed = self._printed.read().decode(errors="replace")
            failure = OrtSparseError(f"{self._what}: its process ended with {end}")
            raise _with_printed(failure, self._what, printed)
        answer: dict[str, Any] = json.loads(line)
        return answer


# Workers that wait for a request; two threads never share one.
_idle: dict[str, list[_Worker]] = defaultdict(list)


def _take_worker(task: str, what: str) -> _Worker:
    idle = _idle[task]
    while idle:
        worker = idle.pop()
        if worker.alive:
            return worker
        worker.close()
    return _Worker(task, what)


@atexit.register
def _close_idle_workers() -> None:
    for workers in _idle.values():
        while workers:
            workers.pop().close()


# A forked copy of this process must not talk to the workers of the original.
os.register_at_fork(after_in_child=_idle.clear)


def _time_limit() -> float:
    text = os.environ.get(TIME_LIMIT, "")
    try:
        seconds = float(text) if text else DEFAULT_SECONDS
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise InvalidArgumentError(
            f"{TIME_LIMIT}: must be a positive number of seconds, but is {text!r}"
        )
    return seconds


def _name_of_end(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _described(description: dict[str, Any]) -> OrtSparseError:
    error: OrtSparseError = getattr(errors, description["kind"])(description["message"])
    return error


def _with_printed(error: OrtSparseError, what: str, printed: str) -> OrtSparseError:
    """Attach what a process printed; terminals get no control characters from it."""
    lines = [
        "".join(char if char.isprintable() else " " for char in line)
        for line in printed.splitlines()
    ]
    if lines:
        error.add_note("\n".join([f"{what} printed:", *lines]))
    return error
