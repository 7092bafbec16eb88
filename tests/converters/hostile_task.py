"""A task for `run_isolated` that does what broken C++ code would, as its file says."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ort_sparse.errors import InvalidModelError, MissingDependencyError


def prepare() -> None:
    print("noise of importing", flush=True)
    match os.environ.get("HOSTILE_PREPARE"):
        case "raise":
            raise MissingDependencyError("not here")
        case "abort":
            os.abort()


def work(folder: Path) -> None:
    order = (folder / "order").read_text()
    print("noise on stdout", flush=True)
    match order.split():
        case ["answer"]:
            (folder / "answer").write_text(f"{os.getpid()} {os.getppid()}")
        case ["signal", number]:
            os.kill(os.getpid(), int(number))
        case ["exit", code]:
            os._exit(int(code))
        case ["memory", size]:
            bytearray(int(size))
        case ["hang"]:
            (Path(os.environ["HOSTILE_PIDS"])).write_text(f"{os.getpid()} {os.getppid()}")
            time.sleep(600)
        case ["flood"]:
            while True:
                print("noise without end")
        case ["print", size, "and", "exit"]:
            print("\n" * int(size) + "the \x1b[31m end", end="")
            os._exit(3)
        case ["refuse"]:
            raise InvalidModelError("no good")
        case ["raise"]:
            raise LookupError("what is this")
