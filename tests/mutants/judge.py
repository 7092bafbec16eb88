"""Uses one model file after the other, as a user would, and says how each ended.

Started by `runner`: reads paths from stdin, answers on stdout, one JSON object a line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.converters import isolation
from ort_sparse.errors import OrtSparseError
from ort_sparse.options import ConvertOptions
from ort_sparse.verification import compare


def use(data: bytes) -> None:
    """Convert the file and run what came out; run it as it is, if it is ONNX."""
    if data[4:8] == b"TFL3":
        convert_and_report(data, ConvertOptions(layers="all"))
        return
    failures = []
    for action in (
        lambda: densify(data),
        lambda: convert_and_report(data, ConvertOptions(layers="all")),
        lambda: compare(data, data),
    ):
        try:
            action()
        except OrtSparseError as error:
            failures.append(error)
    if failures:
        raise failures[-1]


def judge(data: bytes) -> dict[str, str]:
    try:
        use(data)
    except OrtSparseError as error:
        return {"outcome": "refused", "kind": type(error).__name__, "message": str(error)[:300]}
    except BaseException as error:
        return {"outcome": "exception", "kind": type(error).__name__, "message": str(error)[:300]}
    return {"outcome": "ran"}


def cpu_seconds() -> float:
    """Return the processor time of this process and of the models that workers ran for it."""
    ticks = 0
    for worker in (worker for idle in isolation._idle.values() for worker in idle):
        stat = Path(f"/proc/{worker._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += sum(map(int, stat[13:15]))
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        before = cpu_seconds()
        answer = judge(Path(line.rstrip("\n")).read_bytes())
        print(json.dumps({**answer, "seconds": cpu_seconds() - before}), file=replies, flush=True)


if __name__ == "__main__":
    main()
