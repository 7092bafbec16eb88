"""Runs many sessions for minutes: every result is checked, and memory must stay flat.

    python tests/soak/soak.py --minutes 5

Threads run networks in sessions that they share and replace all the time. Now and then all stop
and let go of their sessions; what the process then still holds must not grow from the end of the
warm-up on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.append(os.fspath(Path(__file__).parents[1] / "converters" / "passes"))

import onnxruntime
from rich.console import Console
from rich.table import Table
from soak_memory import limit_fragmentation, measure_memory
from soak_networks import Network, build_networks

import ort_sparse
from ort_sparse.verification import TOLERANCE, compare_outputs

GROWTH_LIMIT = 0.02
"""Growth of memory after the warm-up that counts as flat."""
ROUNDS = 20
WARM_UP_ROUNDS = 5
RUNS_OF_A_SESSION = 12
"""How often, on average, a session is run before another one takes its place."""

SETTINGS = [(1, "session"), (2, "session"), (2, "openmp")]
"""Threads of the session, and what runs the operator."""


@dataclass(frozen=True)
class Round:
    """The process between two rounds, without any session."""

    seconds: float
    sessions: int
    runs: int
    allocated_mb: float
    resident_mb: float
    threads: int
    worst_error: float


class Soak:
    """Places for sessions, which several threads use and refill."""

    def __init__(self, networks: list[Network], places: int, seed: int) -> None:
        self._networks = networks
        self._places = places
        self._seed = seed
        self._lock = threading.Lock()
        self._live: list[tuple[Network, onnxruntime.InferenceSession]] = []
        self.sessions = 0
        self.runs = 0
        self.worst_error = 0.0

    def run_round(self, workers: int, seconds: float) -> None:
        """Let the workers work for a while; the first error of any of them is raised."""
        end = time.monotonic() + seconds
        self._live = [self._create(random.Random(self._seed)) for _ in range(self._places)]
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(lambda worker: self._work(worker, end), range(workers)):
                pass
        self._live = []

    def _work(self, worker: int, end: float) -> None:
        rng = random.Random(f"{self._seed} {worker} {self.runs}")
        while time.monotonic() < end:
            place = rng.randrange(self._places)
            if rng.random() < 1 / RUNS_OF_A_SESSION:
                self._live[place] = self._create(rng)  # others may still be running the old one
            network, session = self._live[place]
            self._run(network, session, rng.randrange(len(network.inputs)))

    def _create(self, rng: random.Random) -> tuple[Network, onnxruntime.InferenceSession]:
        network = rng.choice(self._networks)
        threads, driver = rng.choice(SETTINGS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        if driver == "openmp":
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = ort_sparse.session(network.model, options, threading=driver)
        with self._lock:
            self.sessions += 1
        return network, session

    def _run(self, network: Network, session: onnxruntime.InferenceSession, i: int) -> None:
        name = session.get_inputs()[0].name
        (y,) = session.run(None, {name: network.inputs[i]})
        error = compare_outputs({"y": network.expected[i]}, {"y": y}).error
        if not error <= TOLERANCE:
            raise AssertionError(
                f"{network.name}, input {network.inputs[i].shape}: must agree with dense ORT "
                f"to {TOLERANCE}, but differs by {error}"
            )
        with self._lock:
            self.runs += 1
            self.worst_error = max(self.worst_error, error)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--workers", type=int, default=4, help="threads that run sessions")
    parser.add_argument("--places", type=int, default=6, help="sessions that are alive at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the rounds to this file")
    arguments = parser.parse_args()
    limit_fragmentation()
    soak = Soak(build_networks(arguments.seed), arguments.places, arguments.seed)
    start = time.monotonic()
    rounds: list[Round] = []
    for number in range(1, ROUNDS + 1):
        soak.run_round(arguments.workers, 60 * arguments.minutes / ROUNDS)
        time.sleep(0.2)  # for threads that are about to end
        rounds.append(_measure(soak, start))
        print(f"round {number} of {ROUNDS}: {rounds[-1]}", file=sys.stderr, flush=True)

    summary = summarize(rounds)
    Console(width=100).print(_table(rounds))
    print(json.dumps(summary))
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"summary": summary, "rounds": [asdict(r) for r in rounds]}, indent=1)
        )
    return report_failures(rounds)


def _measure(soak: Soak, start: float) -> Round:
    allocated, resident = measure_memory()
    return Round(
        seconds=time.monotonic() - start,
        sessions=soak.sessions,
        runs=soak.runs,
        allocated_mb=allocated / 1e6,
        resident_mb=resident / 1e6,
        threads=len(os.listdir("/proc/self/task")),
        worst_error=soak.worst_error,
    )


def summarize(rounds: list[Round]) -> dict[str, float]:
    """Return the totals, and growth from the end of the warm-up on."""
    warm, last = rounds[WARM_UP_ROUNDS - 1], rounds[-1]
    return {
        "seconds": last.seconds,
        "sessions": last.sessions,
        "runs": last.runs,
        "worst_error": last.worst_error,
        "allocated_growth": last.allocated_mb / warm.allocated_mb - 1,
        "resident_growth": last.resident_mb / warm.resident_mb - 1,
        "allocated_bytes_a_session": 1e6
        * (last.allocated_mb - warm.allocated_mb)
        / (last.sessions - warm.sessions),
        "thread_growth": last.threads - warm.threads,
    }


def report_failures(rounds: list[Round]) -> int:
    """Say what did not stay flat; return the exit code."""
    summary = summarize(rounds)
    failures = [
        f"{name}: must be at most {GROWTH_LIMIT:.0%}, but is {summary[name]:.1%}"
        for name in ("allocated_growth", "resident_growth")
        if summary[name] > GROWTH_LIMIT
    ]
    if summary["thread_growth"] > 0:
        failures.append(f"thread_growth: must be at most 0, but is {summary['thread_growth']}")
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _table(rounds: list[Round]) -> Table:
    table = Table(
        "seconds", "sessions", "runs", "MB allocated", "MB resident", "threads", "worst error"
    )
    for r in rounds:
        table.add_row(
            f"{r.seconds:.0f}",
            f"{r.sessions}",
            f"{r.runs}",
            f"{r.allocated_mb:.2f}",
            f"{r.resident_mb:.1f}",
            f"{r.threads}",
            f"{r.worst_error:.1e}",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
