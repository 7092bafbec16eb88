"""Makes mutants of model files and sees how each is taken.

    make mutants MODELS="a.tflite b.onnx"

A mutant must be refused with an error of ours, or run: no signal, no other exception, no more than
10 s of processor time, no more than 2 GB of memory. Exit code 1 where one breaks that.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mutants.mutate import mutate

MAX_SECONDS = 10
MAX_BYTES = 2 * 2**30
PATIENCE = 300.0
"""Seconds after which a mutant counts as hanging, whatever the load of the machine."""


@dataclass
class Summary:
    """How the mutants of one file ended."""

    file: str
    mutants: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0
    slowest_mutant: int = -1
    peak_bytes: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, number: int, answer: dict[str, object], peak: int) -> None:
        kind = answer.get("kind")
        outcome = f"{answer['outcome']}" + (f": {kind}" if kind else "")
        seconds = float(str(answer["seconds"]))
        self.mutants += 1
        self.outcomes[outcome] += 1
        if seconds > self.slowest_seconds:
            self.slowest_seconds, self.slowest_mutant = seconds, number
        self.peak_bytes = max(self.peak_bytes, peak)
        problem = None
        if answer["outcome"] not in ("ran", "refused"):
            problem = f"{outcome} {answer.get('message', '')}"
        elif seconds > MAX_SECONDS:
            problem = f"took {seconds:.1f} s"
        elif peak > MAX_BYTES:
            problem = f"took {peak / 2**20:.0f} MiB"
        if problem:
            self.failures.append(f"mutant {number}: {problem}")


class Judge:
    """A process that takes mutants until one kills it."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("judge.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "2"},
        )

    def take(self, mutant: Path) -> tuple[dict[str, object], int]:
        """Return how a mutant ended, and the peak memory of the processes that took it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{mutant}\n".encode())
        self._process.stdin.flush()
        end, peak = time.monotonic() + PATIENCE, 0
        while time.monotonic() < end:
            ready, _, _ = select.select([self._process.stdout], [], [], 0.05)
            peak = max([peak, *map(peak_memory, self._processes())])
            if ready:
                break
        line = self._process.stdout.readline() if ready else b""
        if line:
            return json.loads(line), peak
        self.close()
        outcome = f"ended with {self._process.returncode}" if ready else "hang"
        self._start()
        return {"outcome": outcome, "seconds": 0.0}, peak

    def _processes(self) -> list[int]:
        found, todo = [], [self._process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                continue
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def peak_memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run_mutants(
    name: str, data: bytes, count: int, *, first: int = 0, keep: Path | None = None
) -> Summary:
    """Take ``count`` mutants of a file; keep those that break a rule in the folder ``keep``."""
    summary = Summary(name)
    judge = Judge()
    with tempfile.TemporaryDirectory(prefix="mutants_") as folder:
        path = Path(folder) / "mutant"
        for number in range(first, first + count):
            mutant = mutate(data, name, number)
            path.write_bytes(mutant)
            failures = len(summary.failures)
            summary.add(number, *judge.take(path))
            if len(summary.failures) > failures:
                print(name, summary.failures[-1], flush=True)
                if keep:
                    (keep / f"{name}.{number}").write_bytes(mutant)
            if summary.mutants % 100 == 0:
                print(f"{name}: {summary.mutants} mutants, {dict(summary.outcomes)}", flush=True)
    judge.close()
    return summary


def table(summaries: list[Summary]) -> str:
    kinds = sorted({kind for summary in summaries for kind in summary.outcomes})
    rows = [["file", "mutants", *kinds, "slowest, CPU s", "peak, MiB"]]
    rows += [
        [
            summary.file,
            str(summary.mutants),
            *(str(summary.outcomes[kind]) for kind in kinds),
            f"{summary.slowest_seconds:.1f}",
            f"{summary.peak_bytes / 2**20:.0f}",
        ]
        for summary in summaries
    ]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--keep", type=Path, help="folder for mutants that break a rule")
    options = parser.parse_args()
    summaries = []
    for path in options.models:
        data = path.read_bytes()
        summaries.append(
            run_mutants(path.name, data, options.count, first=options.first, keep=options.keep)
        )
        print(table(summaries), flush=True)
    if options.json:
        options.json.write_text(json.dumps([vars(summary) for summary in summaries], indent=2))
    sys.exit(any(summary.failures for summary in summaries))


if __name__ == "__main__":
    main()
