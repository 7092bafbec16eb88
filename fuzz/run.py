"""Fuzz one part of ort_sparse: ``python fuzz/run.py native --runs 1000000``.

Seeds and dictionary are made anew, the corpus is kept under build/fuzz between runs. Exits with an
error, and names the file with the input, as soon as one crashes, leaks, hangs or takes more than
2 GB. To see it again: ``python fuzz/run.py native --input FILE``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import graph_seeds
import native_seeds
import reader_seeds

PROJECT = Path(__file__).resolve().parent.parent
WORK = PROJECT / "build" / "fuzz"
TARGETS = ("native", "graph", "reader", "sparsity")
LONGEST_INPUT = {"native": 104, "graph": 160, "reader": 2048, "sparsity": 200}  # bytes
PROGRAMS = {"native": "fuzz_node", "graph": "fuzz_graph"}
SEEDS = {"native": native_seeds, "graph": graph_seeds}


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=-1, help="executions; by default no limit")
    parser.add_argument("--seconds", type=int, default=0, help="time; by default no limit")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations")
    parser.add_argument("--timeout", type=int, default=10, help="seconds that an input may take")
    parser.add_argument("--input", type=Path, help="run this input only")
    options = parser.parse_args()
    folder = WORK / options.target
    seeds, corpus, dictionary = folder / "seeds", folder / "corpus", folder / "dictionary"
    corpus.mkdir(parents=True, exist_ok=True)
    maker = SEEDS.get(options.target, reader_seeds)
    maker.write_seeds(seeds)
    maker.write_dictionary(dictionary)
    arguments: list[str | Path] = [
        f"-runs={options.runs}",
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-max_len={LONGEST_INPUT[options.target]}",
        # libFuzzer takes no empty dictionary.
        *([f"-dict={dictionary}"] if dictionary.stat().st_size > 0 else []),
        f"-artifact_prefix={folder}/",
        f"-timeout={options.timeout}",
        "-rss_limit_mb=2048",
        "-len_control=0",
        "-reduce_inputs=0",
        "-entropic=0",  # its tables take a quarter of the time
        "-print_final_stats=1",
        *((corpus, seeds) if options.target != "sparsity" else (corpus,)),
    ]
    if options.input is not None:
        arguments = [options.input]
    command, environment = target_command(options.target)
    sys.exit(subprocess.run([*command, *arguments], env=os.environ | environment).returncode)


def target_command(target: str) -> tuple[list[str | Path], dict[str, str]]:
    """Return how the target is started, and the environment that it needs."""
    if target in PROGRAMS:
        program = PROJECT / "build" / "address" / PROGRAMS[target]
        make = ["make", "-f", "tests/native/Makefile", "KIND=address", f"PYTHON={sys.executable}"]
        subprocess.run(
            [*make, f"-j{os.cpu_count()}", program.relative_to(PROJECT)], cwd=PROJECT, check=True
        )
        # Little memory is kept from reuse, as fetching new pages would cost most of the time.
        return [program], {"ASAN_OPTIONS": "quarantine_size_mb=4"}
    builder = PROJECT / "tests" / "converters" / "tflite"
    harness = PROJECT / "fuzz" / "fuzz_reader.py"
    return [sys.executable, harness, target], {"PYTHONPATH": os.fspath(builder)}


if __name__ == "__main__":
    main()
