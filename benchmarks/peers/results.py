"""What was measured, kept in a JSON file that grows row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean, median

from ort_sparse.files import write_atomically
from ort_sparse.measure.latency import Latency

from .engines import BASELINE


@dataclass(frozen=True)
class Row:
    """One engine with one network and number of threads: either measured, or with a reason why not.

    Parameters
    ----------
    network : str
    threads : int
    engine, version : str
    latency_ms : Latency, optional
    error : float, optional
        Largest difference to the outputs of dense ONNX Runtime, relative to their largest value.
    reason : str, optional
        Why there is no latency.
    """

    network: str
    threads: int
    engine: str
    version: str | None = None
    latency_ms: Latency | None = None
    error: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Results:
    """Rows, and the processor they were measured on."""

    cpu: str
    rows: tuple[Row, ...] = ()

    def contest(self, network: str, threads: int) -> dict[str, Row]:
        """Return the rows of a network by engine; none if it was not measured."""
        return {
            row.engine: row
            for row in self.rows
            if row.network == network and row.threads == threads
        }

    @property
    def networks(self) -> list[str]:
        """The networks, in the order in which they were measured."""
        return list(dict.fromkeys(row.network for row in self.rows))

    @property
    def threads(self) -> list[int]:
        """The numbers of threads."""
        return sorted({row.threads for row in self.rows})

    def speed_up(self, network: str, threads: int, engine: str) -> float | None:
        """Return how many times faster than the baseline an engine is, by medians, if known."""
        rows = self.contest(network, threads)
        latency, baseline = rows[engine].latency_ms, rows[BASELINE.name].latency_ms
        if latency is None or baseline is None:
            return None
        return baseline.p50 / latency.p50

    def spread(self, network: str, threads: int) -> float | None:
        """Return how far the times of an engine are apart, 95th percentile by 5th, typically."""
        latencies = [row.latency_ms for row in self.contest(network, threads).values()]
        spreads = [latency.p95 / latency.p5 for latency in latencies if latency is not None]
        return median(spreads) if spreads else None

    def mean_speed_up(self, threads: int, engine: str) -> float | None:
        """Return the geometric mean over all networks, unless one is not known."""
        speed_ups = [self.speed_up(network, threads, engine) for network in self.networks]
        known = [value for value in speed_ups if value is not None]
        return geometric_mean(known) if known and len(known) == len(speed_ups) else None

    def add(self, network: str, threads: int, rows: Iterable[Row]) -> Results:
        """Return these results with rows of a network in place of those there are of it."""
        old = self.contest(network, threads).values()
        return Results(self.cpu, (*(row for row in self.rows if row not in old), *rows))

    def restrict(self, networks: Iterable[str], threads: Sequence[int]) -> Results:
        """Return the rows of these networks, in this order, and of these numbers of threads."""
        rows = [
            row
            for network in networks
            for row in self.rows
            if row.network == network and row.threads in threads
        ]
        return Results(self.cpu, tuple(rows))

    def write(self, path: Path) -> None:
        """Write the file that `read` reads."""
        path.parent.mkdir(parents=True, exist_ok=True)
        data = {"cpu": self.cpu, "rows": [asdict(row) for row in self.rows]}
        write_atomically(path, (json.dumps(data, indent=2) + "\n").encode())


def read(path: Path) -> Results:
    data = json.loads(path.read_text())
    rows = []
    for row in data["rows"]:
        latency = row.pop("latency_ms")
        rows.append(Row(latency_ms=latency and Latency(**latency), **row))
    return Results(data["cpu"], tuple(rows))
