"""The process that runs other people's C++ code on a model, started by `isolation`.

It imports what a task needs, once, and then forks for each model, so that a crash, a hang or a
changed state ends with that model. It reads requests from stdin and answers on stdout, one JSON
object a line; a closed stdin ends it and what it runs.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from ort_sparse.errors import OrtSparseError, UnsupportedModelError

from .isolation import ERROR_FILE, PRINTED_BYTES

__all__ = ["main"]


def main() -> None:
    """Serve the requests for the task that the command line names."""
    requests, replies = os.dup(0), os.dup(1)
    # C++ code prints: on stderr, which is a file that `isolation` reads if this process fails.
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(2, 1)
    task = importlib.import_module(sys.argv[1])
    try:
        task.prepare()
    except OrtSparseError as error:
        _reply(replies, {"error": _describe(error)})
        return
    _reply(replies, {})
    with os.fdopen(requests, "rb", closefd=False) as lines:
        for line in lines:
            _reply(replies, _serve(task, json.loads(line), requests, replies))


def _reply(replies: int, answer: dict[str, Any]) -> None:
    os.write(replies, json.dumps(answer).encode() + b"\n")


def _describe(error: Exception) -> dict[str, Any]:
    if isinstance(error, OrtSparseError):
        return {"kind": type(error).__name__, "message": str(error), "unexpected": False}
    message = f"{type(error).__name__}: {error}"
    return {"kind": UnsupportedModelError.__name__, "message": message, "unexpected": True}


def _serve(task: Any, request: dict[str, Any], requests: int, replies: int) -> dict[str, Any]:
    """Run one request in a process of its own; say how that ended and what it printed."""
    from_child, to_parent = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for descriptor in (1, 2):
                os.dup2(to_parent, descriptor)
            for descriptor in (requests, replies, from_child, to_parent):
                os.close(descriptor)
            code = _work(task, Path(request["folder"]), request["memory"])
        finally:
            os._exit(code)
    os.close(to_parent)
    os.set_blocking(from_child, False)
    printed = _Tail(from_child)
    end_of_child = os.pidfd_open(child)
    late = _wait(end_of_child, requests, printed, request["seconds"])
    os.kill(child, signal.SIGKILL)  # a child that has ended does not notice
    _, status = os.waitpid(child, 0)
    printed.read()
    os.close(end_of_child)
    os.close(from_child)
    return {"late": late, "code": os.waitstatus_to_exitcode(status), "printed": printed.text}


def _wait(end_of_child: int, requests: int, printed: _Tail, seconds: float | None) -> bool:
    """Wait until the child ends, nobody waits any more, or it is late; say whether it is that."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        watched = [end_of_child, requests, *([printed.descriptor] if printed.open else [])]
        ready, _, _ = select.select(watched, [], [], None if left == math.inf else left)
        if end_of_child in ready or requests in ready:
            return False
        if ready:
            printed.read()
    return True


class _Tail:
    """The end of what comes through a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.open = True
        self._data = b""

    @property
    def text(self) -> str:
        return self._data.decode(errors="replace")

    def read(self) -> None:
        """Take what is there, at most as much as a pipe holds."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.descriptor, 2**16)
            self.open = bool(data)
            self._data = (self._data + data)[-PRINTED_BYTES:]


def _work(task: Any, folder: Path, memory: int | None) -> int:
    if memory is not None:
        limit = memory + _data_bytes()
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        task.work(folder)
    except Exception as error:
        if not isinstance(error, OrtSparseError):
            traceback.print_exc()
        (folder / ERROR_FILE).write_text(json.dumps(_describe(error)))
    return 0


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    main()
