"""What a model costs where it is deployed: start, memory, and what has to be installed.

Starts a small application in Python (deployment_app.py) anew for each figure. It imports ONNX
Runtime, loads the model, runs it once, and says how much memory it has. For the sparse model it
registers libort_sparse by its path; it does not import ort_sparse, which only conversion needs.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import markdown
import models

import ort_sparse
from ort_sparse.conversion import convert_and_report, densify
from ort_sparse.files import write_model
from ort_sparse.options import ConvertOptions

APPLICATION = Path(__file__).with_name("deployment_app.py")
HEADINGS = ["", "file, MB", "first result, ms", "processor, ms", "resident, MB", "private, MB"]
HEADINGS += ["two processes, MB"]
MEGABYTE = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    models.add_arguments(parser, ["mbv1_100_90_12b4_684"])
    parser.add_argument("--runs", type=int, default=9, help="of each application (%(default)s)")
    arguments = parser.parse_args()
    for model in arguments.models:
        path = models.find(model, arguments.folder)
        print(f"{models.title(model)}:\n")
        with tempfile.TemporaryDirectory() as folder:
            print(markdown.table(HEADINGS, deployment_rows(path, Path(folder), arguments.runs)))
        print()
    print(markdown.table(["installed", "MB"], installed_rows()))


def deployment_rows(path: Path, folder: Path, runs: int) -> list[list[object]]:
    sparse = convert_and_report(path, ConvertOptions(verify=False)).model
    forms = {"dense": densify(sparse), "sparse": sparse}
    commands: dict[str, list[str]] = {}
    sizes: dict[str, float] = {}
    for form, model in forms.items():
        for external in (False, True):
            name = f"{form}, weights {'mapped from a file of their own' if external else 'inside'}"
            target = folder / f"{form}{'-external' if external else ''}.onnx"
            write_model(target, model, external_data=external)
            files = folder.glob(f"{target.name}*")
            sizes[name] = sum(file.stat().st_size for file in files)
            commands[name] = [sys.executable, str(APPLICATION), str(target)]
            if form == "sparse":
                commands[name].append(ort_sparse.get_library_path())
    found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(runs):  # in turns, so that a busy moment spares nobody
        for name, command in commands.items():
            found[name].append(start(command))
    rows: list[list[object]] = []
    for name, measured in found.items():
        middle = {key: statistics.median(run[key] for run in measured) for key in measured[0]}
        both = two_at_once(commands[name])
        figures = [sizes[name], middle["resident"], middle["private"], both]
        file, resident, private, shared = (f"{figure / MEGABYTE:.1f}" for figure in figures)
        times = [f"{middle[key] * 1e3:.0f}" for key in ("seconds", "processor")]
        rows.append([name, file, *times, resident, private, shared])
    return rows


def start(command: list[str]) -> dict[str, float]:
    """Run the application; return seconds to its first result, and what it says of itself."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    seconds = time.monotonic() - began
    process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: failed")
    return {"seconds": seconds, **json.loads(line)}


def two_at_once(command: list[str]) -> float:
    """Return the memory of two such processes together, in bytes: what they share counts once."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # both have a result and wait
    sizes = [proportional_bytes(process.pid) for process in processes]
    for process in processes:
        process.communicate()
    return sum(sizes)


def proportional_bytes(pid: int) -> float:
    """Return a process's memory; pages that several processes share count by their share."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (kilobytes,) = re.findall(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return float(kilobytes) * 1024


def installed_rows() -> list[list[object]]:
    """Return sizes of what an application installs, in MB."""
    library = Path(ort_sparse.get_library_path()).stat().st_size
    running = packages_of(["onnxruntime"])
    everything = packages_of(["onnxruntime", "onnx", "onnx-ir", "rich", "typer"])
    package = sum(
        file.stat().st_size
        for file in Path(ort_sparse.__file__).parent.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    )
    rows = {
        "onnxruntime and what it needs": sum(running.values()),
        "the same and libort_sparse.so": sum(running.values()) + library,
        "the same and all of ort_sparse, to convert ONNX models": (
            sum(everything.values()) + package
        ),
    }
    return [[name, f"{size / MEGABYTE:.1f}"] for name, size in rows.items()]


def packages_of(names: Iterable[str]) -> dict[str, int]:
    """Return the size in bytes of each of these packages and of all that they need."""
    sizes: dict[str, int] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        if name in sizes:
            continue
        sizes[name] = sum(
            Path(str(file.locate())).stat().st_size
            for file in distribution.files or ()
            if Path(str(file.locate())).is_file() and file.suffix != ".pyc"
        )
        for requirement in distribution.requires or ():
            if "extra ==" not in requirement:
                waiting.append(re.split(r"[\s<>=!~;\[(]", requirement)[0])
    return sizes


if __name__ == "__main__":
    main()
