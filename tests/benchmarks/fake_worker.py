"""A worker whose engines are fakes; it logs their runs to the file that it is given."""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.peers import worker

LOG = Path(sys.argv[1])


def load(path, threads, inputs, *, name, factor=1.0):
    print("noise on stdout")

    def run():
        with LOG.open("a") as log:
            log.write(f"{name} {threads}\n")

    return worker.Model("1.0", run, lambda: [np.asarray(array) * factor for array in inputs])


def refuse(path, threads, inputs):
    raise ValueError("cannot read\nthis model")


def load_and_die(path, threads, inputs):
    def run():
        print("dying", file=sys.stderr)
        os._exit(3)

    return worker.Model("1.0", run, lambda: inputs)


worker.LOADERS = {
    "exact": partial(load, name="exact"),
    "rough": partial(load, name="rough", factor=0.9),
    "refusing": refuse,
    "dying": load_and_die,
}
worker.main()
