"""The process that runs other people's C++ code on a model, started by `isolation`.

It imports what a task needs, once, and then forks for each model, so that a crash, a hang or a
changed state ends with that model. It reads requests from stdin and answers on stdout, one JSON
object a line; a closed stdin ends it and what it runs.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import sys
from pathlib import Path
from typing import Any

from ort_sparse.errors import OrtSparseError, UnsupportedModelError

from .isolation import ERROR_FILE

__all__ = ["main"]


def main() -> None:
    """Serve the requests for the task that the command line names."""
    requests, replies = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # C++ code prints
        os.dup2(nowhere, descriptor)
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


def _describe(error: OrtSparseError) -> list[str]:
    return [type(error).__name__, str(error)]


def _serve(task: Any, request: dict[str, Any], requests: int, replies: int) -> dict[str, Any]:
    """Run one request in a process of its own; say how that ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(requests)
            os.close(replies)
            code = _work(task, Path(request["folder"]), request["memory"])
        finally:
            os._exit(code)
    end_of_child = os.pidfd_open(child)
    ready, _, _ = select.select([end_of_child, requests], [], [], request["seconds"])
    os.close(end_of_child)
    if not ready or requests in ready:  # too late, or nobody waits any more
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return {"late": not ready, "code": os.waitstatus_to_exitcode(status)}


def _work(task: Any, folder: Path, memory: int) -> int:
    limit = memory + _data_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        task.work(folder)
    except Exception as error:
        if not isinstance(error, OrtSparseError):
            error = UnsupportedModelError(f"{type(error).__name__}: {error}")
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
