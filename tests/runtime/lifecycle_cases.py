"""What a process may do to the library in its life; test_lifecycle.py runs each in a child.

`python lifecycle_cases.py NAME` runs the function of that name and exits with 0 if it held.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).parents[1]))

import numpy as np
import onnxruntime
import pytest
from models import sparse_model
from oracle import random_op, sparse_conv

import ort_sparse
from ort_sparse import BlockCSR
from ort_sparse.kernels import Layer
from ort_sparse.op import Activation, SparseConv1x1
from ort_sparse.runtime import THREADING

Runner = onnxruntime.InferenceSession | Layer

OP = random_op(np.random.default_rng(0), 128, 64, activation=Activation("clip", 0, 6))
MODEL = sparse_model(OP, ["n", "c", "h", "w"]).SerializeToString()
X = np.random.default_rng(1).standard_normal((2, 64, 28, 28), np.float32)
EXPECTED = sparse_conv(OP, X)


def options(threads: int = 2) -> onnxruntime.SessionOptions:
    result = onnxruntime.SessionOptions()
    result.intra_op_num_threads = threads
    return result


def session(threads: int = 2, driver: str = "session") -> onnxruntime.InferenceSession:
    return ort_sparse.session(MODEL, options(threads), threading=driver)


def assert_runs(runner: Runner) -> None:
    y = runner(X) if isinstance(runner, Layer) else runner.run(None, {"X": X})[0]
    np.testing.assert_allclose(y, EXPECTED, rtol=0, atol=1e-4)


def assert_runs_in_fork(make_runner: Callable[[], Runner]) -> None:
    """Check what `make_runner` returns in a forked child, and that the parent goes on."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert_runs(make_runner())
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def fork_before_any_use() -> None:
    for driver in THREADING:
        assert_runs_in_fork(partial(session, driver=driver))
    assert_runs_in_fork(partial(Layer, OP))
    assert_runs(Layer(OP))


def fork_after_openmp() -> None:
    """GNU OpenMP's team does not survive a fork; the child needs one of its own."""
    layer, one_thread = Layer(OP), session(1, "openmp")
    for _ in range(3):
        assert_runs(layer)
        assert_runs(one_thread)
        assert_runs_in_fork(lambda: layer)
        assert_runs_in_fork(partial(Layer, OP))
        assert_runs_in_fork(lambda: one_thread)
        assert_runs_in_fork(partial(session, 2, "openmp"))


def fork_after_sessions() -> None:
    """The child makes its own sessions; the parent's that has no threads works there too."""
    live = [session(), session(1), session(2, "openmp")]
    for runner in live:
        assert_runs(runner)
    assert_runs_in_fork(lambda: live[1])  # what ORT does in a pool without threads is its affair
    for driver in THREADING:
        assert_runs_in_fork(partial(session, 2, driver))
    for runner in live:
        assert_runs(runner)


def fork_on_another_thread() -> None:
    assert_runs(Layer(OP))
    worker = threading.Thread(target=assert_runs_in_fork, args=[partial(Layer, OP)])
    worker.start()
    worker.join()
    assert_runs(Layer(OP))


def load_again_and_again() -> None:
    for _ in range(30):
        for driver in THREADING:
            assert_runs(session(2, driver))
        gc.collect()  # the last session is gone, and ORT unloads its libraries


def register_twice() -> None:
    for driver, other in (THREADING, THREADING[::-1]):
        shared = options()
        for _ in range(3):
            assert_runs(ort_sparse.session(MODEL, shared, threading=driver))
        with pytest.raises(ort_sparse.InvalidArgumentError, match=f"must stay '{driver}'"):
            ort_sparse.register(shared, threading=other)
        shared.add_session_config_entry("ort_sparse.threading", other)
        with pytest.raises(Exception, match=f"registered with '{driver}' and cannot change"):
            shared.register_custom_ops_library(ort_sparse.get_library_path())


def two_copies() -> None:
    """Two copies of the library serve a session each, and one registers for both."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(ort_sparse.get_library_path(), os.fspath(Path(folder, "copy.so")))
        its_options = options()
        its_options.register_custom_ops_library(copy)
        its_session = onnxruntime.InferenceSession(
            MODEL, its_options, providers=["CPUExecutionProvider"]
        )
        ours = session()
        for _ in range(5):
            assert_runs(its_session)
            assert_runs(ours)
        assert_runs(ort_sparse.session(MODEL, its_options))


def run_at_once(runners: list[Runner], times: int) -> None:
    """Run each on a Python thread of its own."""
    with ThreadPoolExecutor(len(runners)) as pool:
        for _ in pool.map(assert_runs, runners * times):
            pass


def different_thread_counts_at_once() -> None:
    run_at_once([session(n, driver) for n in (1, 2, 4) for driver in THREADING], 20)


def kernels_beside_sessions() -> None:
    run_at_once([session(), Layer(OP), session(2, "openmp"), Layer(OP)], 20)


def many_python_threads() -> None:
    for driver in THREADING:
        run_at_once([session(2, driver)] * 24, 5)


def shutdown_with_live_sessions() -> None:
    """Leave sessions to the interpreter, one of them in a cycle."""
    kept = [session(2, driver) for driver in THREADING]
    for runner in kept:
        assert_runs(runner)
    globals()["kept"] = [kept, Layer(OP)]
    globals()["kept"].append(globals()["kept"])


def good_runs_after_bad_ones() -> None:
    for driver in THREADING:
        runner = session(2, driver)
        for _ in range(20):
            with pytest.raises(Exception, match="X: must have 64 channels"):
                runner.run(None, {"X": X[:, :63]})
            assert_runs(runner)


def interrupted_runs() -> None:
    """SIGINT reaches Python when a run ends, and the session goes on."""
    for driver in THREADING:
        runner = session(2, driver)
        interrupts = 0
        for i in range(10):
            timer = threading.Timer(0.002 * i, os.kill, [os.getpid(), signal.SIGINT])
            try:
                timer.start()
                while True:
                    runner.run(None, {"X": X})
            except KeyboardInterrupt:
                interrupts += 1
            timer.join()
            assert_runs(runner)
        assert interrupts == 10


def subnormals_flushed_by_the_session() -> None:
    """ORT sets the flag for some threads only, so each subnormal result is itself or zero."""
    x = np.tile(np.float32([2.0**-149, 2.0**-130, 1.0, -0.75]), 64 * 196).reshape(1, 64, 28, 28)
    for driver in THREADING:
        flushing = options()
        flushing.add_session_config_entry("session.set_denormal_as_zero", "1")
        op = SparseConv1x1(BlockCSR.from_dense(np.eye(64, dtype=np.float32)))
        runner = ort_sparse.session(sparse_model(op, [1, 64, 28, 28]), flushing, threading=driver)
        for _ in range(20):
            (y,) = runner.run(None, {"X": x})
            assert ((y == x) | ((y == 0) & (np.abs(x) < 2.0**-126))).all()
        if driver == "session":  # both threads are among those that flush
            assert not y.flat[0]


CASES: dict[str, Callable[[], None]] = {
    case.__name__: case
    for case in (
        fork_before_any_use,
        fork_after_openmp,
        fork_after_sessions,
        fork_on_another_thread,
        load_again_and_again,
        register_twice,
        two_copies,
        different_thread_counts_at_once,
        kernels_beside_sessions,
        many_python_threads,
        shutdown_with_live_sessions,
        good_runs_after_bad_ones,
        interrupted_runs,
        subnormals_flushed_by_the_session,
    )
}

if __name__ == "__main__":
    CASES[sys.argv[1]]()
