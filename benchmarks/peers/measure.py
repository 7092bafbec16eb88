"""One network in all engines, which take turns."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import numpy as np

from ort_sparse.measure.latency import WARM_UP_SECONDS, Feeds, Latency, summarise
from ort_sparse.verification import compare_outputs

from .engines import BASELINE, Engine, Form
from .environments import set_up
from .process import EngineError, Worker, start
from .results import Row

WORKER = Path(__file__).with_name("worker.py")

RUNS_A_TURN = 20

T = TypeVar("T")

Reasons = dict[Engine, str]
"""Why engines dropped out."""


def attempt(
    engines: Iterable[Engine], action: Callable[[Engine], T], reasons: Reasons
) -> dict[Engine, T]:
    """Do something with each engine; those with which it fails are left out, with a reason."""
    done = {}
    for engine in engines:
        try:
            done[engine] = action(engine)
        except EngineError as error:
            reasons[engine] = str(error)
    return done


def worker_command(engine: Engine, environments: Path) -> list[str]:
    """Return how to start an engine's worker; raises EngineError if it cannot be installed."""
    python = sys.executable
    if engine.environment is not None:
        python = str(set_up(engine.environment, environments))
    # Isolated, or the modules beside the worker could hide those of the engine.
    return [python, "-I", str(WORKER)]


def measure(
    network: str,
    files: Mapping[Form, Path],
    feeds: Feeds,
    *,
    commands: Mapping[Engine, Sequence[str]],
    threads: int,
    rounds: int,
) -> list[Row]:
    """Measure a network in every engine, with the same input.

    Parameters
    ----------
    network : str
        What the rows call it.
    files : mapping of Form to Path
        The network, in the forms that there are.
    feeds : mapping of str to ndarray
        Inputs, in the network's order.
    commands : mapping of Engine to sequence of str
        What starts the engines' workers.
    threads : int
    rounds : int
        Turns of each engine, of `RUNS_A_TURN` runs.

    Returns
    -------
    list of Row
        One for each engine.
    """
    reasons: Reasons = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workers = {
            engine: stack.enter_context(start(command)) for engine, command in commands.items()
        }
        versions = _load(workers, files, feeds, threads, folder, reasons)
        errors = _errors(versions, folder)
        latencies = _take_turns({engine: workers[engine] for engine in versions}, rounds, reasons)
    return [
        Row(
            network,
            threads,
            engine.name,
            version=versions.get(engine),
            latency_ms=latencies.get(engine),
            error=errors.get(engine),
            reason=reasons.get(engine),
        )
        for engine in commands
    ]


def _load(
    workers: Mapping[Engine, Worker],
    files: Mapping[Form, Path],
    feeds: Feeds,
    threads: int,
    folder: Path,
    reasons: Reasons,
) -> dict[Engine, str]:
    """Let all workers load at the same time; return the versions of their engines."""
    inputs = folder / "inputs.npz"
    np.savez(inputs, *feeds.values())

    def request(engine: Engine) -> None:
        if engine.form not in files:
            raise EngineError(f"the network has no form {engine.form}")
        workers[engine].send(
            load={
                "engine": engine.loader,
                "model": str(files[engine.form]),
                "threads": threads,
                "inputs": str(inputs),
                "outputs": str(_outputs(engine, folder)),
            }
        )

    asked = attempt(workers, request, reasons)
    return attempt(asked, lambda engine: str(workers[engine].receive()["version"]), reasons)


def _outputs(engine: Engine, folder: Path) -> Path:
    return folder / f"{engine.loader}.npz"


def _errors(engines: Iterable[Engine], folder: Path) -> dict[Engine, float]:
    """Compare the outputs of the engines with those of the baseline, if that has loaded."""
    outputs = {}
    for engine in engines:
        with np.load(_outputs(engine, folder)) as arrays:
            outputs[engine] = dict(arrays)
    if BASELINE not in outputs:
        return {}
    expected = outputs.pop(BASELINE)
    return {engine: compare_outputs(expected, actual).error for engine, actual in outputs.items()}


def _take_turns(
    workers: Mapping[Engine, Worker], rounds: int, reasons: Reasons
) -> dict[Engine, Latency]:
    """Time the engines in turn, so that noise hits all alike."""

    def turn(engine: Engine) -> list[float]:
        worker = workers[engine]
        worker.send(run={"warm_up_seconds": WARM_UP_SECONDS, "runs": RUNS_A_TURN})
        return list(worker.receive()["milliseconds"])

    times: dict[Engine, list[float]] = {engine: [] for engine in workers}
    for _ in range(rounds):
        for engine, taken in attempt(times, turn, reasons).items():
            times[engine] += taken
        times = {engine: taken for engine, taken in times.items() if engine not in reasons}
    return {engine: summarise(taken) for engine, taken in times.items()}
