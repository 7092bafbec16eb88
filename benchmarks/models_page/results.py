"""What is known of each network, kept in a JSON file that grows network by network."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ort_sparse.files import write_atomically

from .facts import Facts

THREADS = (1, 2)
"""Numbers of threads that are timed."""


@dataclass(frozen=True)
class Timing:
    """Median latencies with a number of threads."""

    dense_ms: float
    sparse_ms: float

    @property
    def speed_up(self) -> float:
        """How many times faster the sparse form is."""
        return self.dense_ms / self.sparse_ms


@dataclass(frozen=True)
class Machine:
    """What latencies were measured on."""

    cpu: str
    isa: str
    onnxruntime: str


@dataclass
class Results:
    """Facts and latencies by network; latencies are of one machine.

    Attributes
    ----------
    facts : dict of str to Facts
    timings : dict of str to dict of str to Timing
        By network and number of threads.
    machine : Machine, optional
    """

    facts: dict[str, Facts] = field(default_factory=dict)
    timings: dict[str, dict[str, Timing]] = field(default_factory=dict)
    machine: Machine | None = None

    def write(self, path: Path) -> None:
        """Write the file that `read` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, (json.dumps(asdict(self), indent=2) + "\n").encode())


def read(path: Path) -> Results:
    """Return what was found so far."""
    if not path.exists():
        return Results()
    data = json.loads(path.read_text())
    return Results(
        facts={network: Facts(**facts) for network, facts in data["facts"].items()},
        timings={
            network: {threads: Timing(**timing) for threads, timing in timings.items()}
            for network, timings in data["timings"].items()
        },
        machine=data["machine"] and Machine(**data["machine"]),
    )
