"""What a process may do with the execution provider; the tests run them in processes of their own.

`python provider_cases.py NAME...` runs the groups of functions of these names, on the ONNX Runtime
that Python finds, and exits with 0 if they held. Versions that cannot have the provider run the
same models without.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path[:0] = [os.fspath(Path(__file__).parents[1]), os.fspath(Path(__file__).parent)]

import numpy as np
import onnx
import onnxruntime
import pytest
from provider_models import (
    CHANNELS,
    branching_network,
    converted_network,
    looping_network,
    network,
)

import ort_sparse

LIBRARY = ort_sparse.get_library_path()
PROVIDER = "OrtSparseExecutionProvider"
CPU = "CPUExecutionProvider"
VERSION = tuple(int(number) for number in re.findall(r"\d+", onnxruntime.__version__)[:3])
HAS_PROVIDER = VERSION >= (1, 23, 1)
SEVERAL_CLAIMS = VERSION >= (1, 24)
BRINGS_DOMAIN = VERSION >= (1, 24)  # the provider brings the custom ops along

FILES = tempfile.TemporaryDirectory()
FOLDER = Path(FILES.name)
X = np.random.default_rng(1).standard_normal((2, CHANNELS, 14, 14), np.float32)
MODEL = network().SerializeToString()

Options = onnxruntime.SessionOptions
Session = onnxruntime.InferenceSession

numbers = itertools.count()  # of profiles: their names tell seconds apart, no more


def plain_options(*, threads: int = 2, regions: str | None = "all") -> Options:
    """Return options that write a profile; `regions` is the entry of the configuration."""
    options = Options()
    options.intra_op_num_threads = threads
    if regions is not None:
        options.add_session_config_entry("ort_sparse.regions", regions)
    return with_profile(options)


def with_profile(options: Options) -> Options:
    """Have the next session write a profile of its own."""
    options.enable_profiling = True
    options.profile_file_prefix = os.fspath(FOLDER / f"profile-{next(numbers)}")
    return options


def registered_options(**arguments: Any) -> Options:
    options = plain_options(**arguments)
    options.register_custom_ops_library(LIBRARY)
    return options


def our_devices() -> list[Any]:
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == PROVIDER]


def append_provider(options: Options, **provider_options: str) -> Options:
    options.add_provider_for_devices(our_devices(), provider_options)
    return options


def reference(model: bytes, feeds: dict[str, Any]) -> np.ndarray:
    """Return what ONNX Runtime computes without the provider."""
    options = Options()
    options.add_session_config_entry("ort_sparse.regions", "off")
    options.register_custom_ops_library(LIBRARY)
    return Session(model, options).run(None, feeds)[0]


def assert_right(
    session: Session, model: bytes = MODEL, feeds: dict[str, Any] | None = None
) -> None:
    feeds = feeds or {"X": X}
    (y,) = session.run(None, feeds)
    assert_close(y, reference(model, feeds))


def assert_close(y: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def kernels_of(session: Session) -> dict[str, list[str]]:
    """End the profile; return the operators that ran, by provider."""
    ran: dict[str, list[str]] = {}
    for event in json.loads(Path(session.end_profiling()).read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            ran.setdefault(event["args"]["provider"], []).append(event["args"]["op_name"])
    return ran


def took_part(session: Session) -> bool:
    return PROVIDER in kernels_of(session)


def assert_takes_part(session: Session, model: bytes = MODEL, feeds=None) -> None:
    assert_right(session, model, feeds)
    assert took_part(session) == HAS_PROVIDER


def assert_stays_out(session: Session, model: bytes = MODEL, feeds=None) -> None:
    assert_right(session, model, feeds)
    assert not took_part(session)


def converted() -> bytes:
    return converted_network().SerializeToString()


# --- The two lines.


def two_lines() -> None:
    for model in (MODEL, converted()):
        session = Session(model, registered_options())
        assert session.get_providers() == ([PROVIDER, CPU] if HAS_PROVIDER else [CPU])
        assert_takes_part(session, model)


def two_lines_by_default() -> None:
    """Without any setting, whatever is claimed; 'auto' may claim nothing of so small a network."""
    session = Session(MODEL, registered_options(regions=None))
    assert (PROVIDER in session.get_providers()) == HAS_PROVIDER
    assert_right(session)


def off() -> None:
    assert_stays_out(Session(MODEL, registered_options(regions="off")))
    later = registered_options()
    later.add_session_config_entry("ort_sparse.regions", "off")
    assert_stays_out(Session(MODEL, later))
    os.environ["ORT_SPARSE_REGIONS"] = "off"
    assert_stays_out(Session(MODEL, registered_options(regions=None)))
    assert_takes_part(Session(MODEL, registered_options(regions="all")))  # entries come first
    option = registered_options()
    option.add_session_config_entry(f"ep.{PROVIDER.lower()}.regions", "off")
    assert_stays_out(Session(MODEL, option))


def wrong_values() -> None:
    rule = "must be one of auto, all, off, but is"
    with pytest.raises(Exception, match=f"entry ort_sparse.regions: {rule} 'some'"):
        registered_options(regions="some")
    with pytest.raises(Exception, match=f"{rule} '.200 characters.'"):
        registered_options(regions="x" * 200)
    later = registered_options()
    later.add_session_config_entry("ort_sparse.regions", "")
    if HAS_PROVIDER:
        with pytest.raises(Exception, match=f"entry ort_sparse.regions: {rule} ''"):
            Session(MODEL, later)
    os.environ["ORT_SPARSE_REGIONS"] = "none"
    with pytest.raises(Exception, match=f"environment variable ORT_SPARSE_REGIONS: {rule} 'none'"):
        registered_options(regions=None)
    assert_takes_part(Session(MODEL, registered_options()))


def wrong_instruction_set() -> None:
    os.environ["ORT_SPARSE_ISA"] = "mmx"
    options = registered_options()
    if HAS_PROVIDER:
        with pytest.raises(Exception, match=r"ORT_SPARSE_ISA: .*'mmx'"):
            Session(MODEL, options)
    else:
        assert_right(Session(MODEL, options))


def options_used_again() -> None:
    options = registered_options()
    sessions = [Session(MODEL, with_profile(options)) for _ in range(3)]
    del options
    gc.collect()
    for index in (1, 0, 0):
        assert_takes_part(sessions.pop(index))
        gc.collect()


def registered_twice() -> None:
    options = registered_options()
    options.register_custom_ops_library(LIBRARY)
    assert_takes_part(Session(converted(), options), converted())


def list_of_providers() -> None:
    """A list switches the provider off."""
    session = Session(MODEL, registered_options(), providers=[CPU])
    assert session.get_providers() == [CPU]
    assert_stays_out(session)
    session = Session(converted(), registered_options(), providers=[CPU])
    assert "SparseConv1x1" in kernels_after_a_run(session)[CPU]


def kernels_after_a_run(session: Session) -> dict[str, list[str]]:
    session.run(None, {"X": X})
    return kernels_of(session)


# --- The explicit way.


def explicit() -> None:
    onnxruntime.register_execution_provider_library("ort_sparse", LIBRARY)
    if not HAS_PROVIDER:
        assert our_devices() == []
        return
    assert our_devices()[0].ep_metadata["version"] == ort_sparse.__version__
    session = Session(MODEL, append_provider(plain_options()))
    assert session.get_providers() == [PROVIDER, CPU]
    assert_takes_part(session)
    assert_takes_part(Session(MODEL, append_provider(plain_options(regions=None), regions="all")))
    assert_stays_out(Session(MODEL, append_provider(plain_options(), regions="off")))
    if BRINGS_DOMAIN:
        assert_takes_part(Session(converted(), append_provider(plain_options())), converted())


def explicit_and_registered() -> None:
    """In both orders."""
    onnxruntime.register_execution_provider_library("ort_sparse", LIBRARY)
    provider_first = append_provider(plain_options())
    provider_first.register_custom_ops_library(LIBRARY)
    ops_first = append_provider(registered_options())
    for options in (provider_first, ops_first):
        for model in (MODEL, converted()):
            assert_takes_part(Session(model, with_profile(options)), model)
    provider_first = append_provider(plain_options())
    provider_first.add_session_config_entry("ort_sparse.threading", "openmp")
    if BRINGS_DOMAIN:
        with pytest.raises(Exception, match="must be session where the provider was added first"):
            provider_first.register_custom_ops_library(LIBRARY)


def explicit_after_automatic() -> None:
    """Who looks for the provider by name finds one device, and can use it."""
    assert_takes_part(Session(MODEL, registered_options()))
    onnxruntime.register_execution_provider_library("ort_sparse", LIBRARY)
    assert len(our_devices()) == 1
    model = converted()
    if BRINGS_DOMAIN:
        assert_takes_part(Session(model, append_provider(plain_options())), model)
    options = append_provider(plain_options())
    options.register_custom_ops_library(LIBRARY)
    assert_takes_part(Session(model, options), model)
    onnxruntime.unregister_execution_provider_library("ort_sparse")
    assert_takes_part(Session(model, registered_options()), model)


def library_registered_twice() -> None:
    onnxruntime.register_execution_provider_library("one", LIBRARY)
    onnxruntime.register_execution_provider_library("two", LIBRARY)
    with pytest.raises(Exception, match="already registered"):
        onnxruntime.register_execution_provider_library("two", LIBRARY)
    assert len(our_devices()) == 2
    assert_takes_part(Session(MODEL, append_provider(plain_options())))
    onnxruntime.unregister_execution_provider_library("one")
    assert len(our_devices()) == 1
    assert_takes_part(Session(MODEL, append_provider(plain_options())))
    assert_takes_part(Session(MODEL, registered_options()))


def unregistered_with_a_live_session() -> None:
    onnxruntime.register_execution_provider_library("ort_sparse", LIBRARY)
    live = Session(MODEL, append_provider(plain_options()))
    selected = registered_options()
    also_live = Session(MODEL, selected)
    onnxruntime.unregister_execution_provider_library("ort_sparse")
    gc.collect()
    assert our_devices() == []
    assert_stays_out(Session(MODEL, with_profile(selected)))  # there is the CPU
    for session in (live, also_live):
        assert_takes_part(session)
    assert_takes_part(Session(MODEL, registered_options()))  # which brings it back


def device_of_the_automatic_use() -> None:
    """Appended by an application that has not registered the library by itself."""
    assert_takes_part(Session(MODEL, registered_options()))
    for options in (append_provider(plain_options()), append_provider(registered_options())):
        options.register_custom_ops_library(LIBRARY)
        for model in (MODEL, converted()):
            assert_takes_part(Session(model, with_profile(options)), model)


def policy_of_the_application() -> None:
    options = registered_options()
    policy = onnxruntime.OrtExecutionProviderDevicePolicy.MAX_PERFORMANCE
    options.set_provider_selection_policy(policy)
    assert_takes_part(Session(MODEL, options))


# --- Models.


def branches() -> None:
    model = branching_network().SerializeToString()
    options = registered_options()
    for which in (True, False):
        session = Session(model, with_profile(options))
        assert_right(session, model, {"X": X, "which": np.array(which)})
        expected = (2 if SEVERAL_CLAIMS else 1) if HAS_PROVIDER else 0
        assert len(kernels_of(session).get(PROVIDER, [])) >= expected


def loops() -> None:
    model = looping_network().SerializeToString()
    session = Session(model, registered_options())
    for times in (0, 1, 3):
        assert_right(session, model, {"X": X, "times": np.array(times)})
    assert took_part(session) == HAS_PROVIDER


def external_data() -> None:
    model = network()
    path = FOLDER / "external.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    session = Session(os.fspath(path), registered_options())
    for file in FOLDER.glob("external*"):
        file.unlink()
    (FOLDER / "weights").unlink()
    assert_takes_part(session)


def ort_format() -> None:
    path = os.fspath(FOLDER / "model.ort")
    writing = Options()
    writing.register_custom_ops_library(LIBRARY)
    writing.add_session_config_entry("session.save_model_format", "ORT")
    writing.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    writing.optimized_model_filepath = path
    Session(converted(), writing)
    assert_takes_part(Session(path, registered_options()), converted())


def no_optimizations() -> None:
    for model in (MODEL, converted()):
        options = registered_options()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        assert_takes_part(Session(model, options), model)


def saving_the_optimized_model() -> None:
    """What ONNX Runtime cannot write with compiled nodes, it writes with regions off."""
    path = FOLDER / "optimized.onnx"
    options = registered_options()
    options.optimized_model_filepath = os.fspath(path)
    if HAS_PROVIDER:
        with pytest.raises(Exception, match="compiled nodes"):
            Session(MODEL, options)
        options = registered_options(regions="off")
        options.optimized_model_filepath = os.fspath(path)
    Session(MODEL, options)
    assert_right(Session(os.fspath(path)))


def sessions_that_may_not_compile() -> None:
    for key in ("session.disable_model_compile", "ep.context_enable"):
        options = registered_options()
        options.add_session_config_entry(key, "1")
        options.add_session_config_entry("ep.context_file_path", os.fspath(FOLDER / key))
        assert_stays_out(Session(MODEL, options))


# --- Runs.


def io_binding() -> None:
    session = Session(MODEL, registered_options())
    binding = session.io_binding()
    y = np.empty_like(X)
    binding.bind_cpu_input("X", X)
    binding.bind_output("Y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    for _ in range(3):
        y[:] = np.nan
        session.run_with_iobinding(binding)
        assert_close(y, reference(MODEL, {"X": X}))
    assert took_part(session) == HAS_PROVIDER


def unaligned_input() -> None:
    room = np.zeros(X.nbytes + 4, np.uint8)
    x = room[4:].view(np.float32).reshape(X.shape)
    x[:] = X
    assert_takes_part(Session(MODEL, registered_options()), MODEL, {"X": x})


def memory_settings() -> None:
    for pattern in (True, False):
        for arena in (True, False):
            options = registered_options()
            options.enable_mem_pattern = pattern
            options.enable_cpu_mem_arena = arena
            session = Session(MODEL, options)
            assert_right(session)
            assert_takes_part(session)


def runs_at_once() -> None:
    """Of one session, with another shape each."""
    session = Session(MODEL, registered_options())
    feeds = [{"X": X.repeat(n, axis=0)[:, :, : 5 + n, 3:]} for n in range(1, 7)]
    expected = [reference(MODEL, feed) for feed in feeds]

    def check(i: int) -> None:
        (y,) = session.run(None, feeds[i % len(feeds)])
        assert_close(y, expected[i % len(feeds)])

    with ThreadPoolExecutor(6) as pool:
        for _ in pool.map(check, range(120)):
            pass
    assert took_part(session) == HAS_PROVIDER


def parallel_executor() -> None:
    options = registered_options()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    options.inter_op_num_threads = 2
    assert_takes_part(Session(MODEL, options))


def same_bits_for_every_number_of_threads() -> None:
    outputs = [
        Session(MODEL, registered_options(threads=n)).run(None, {"X": X})[0] for n in (1, 2, 4)
    ]
    for y in outputs[1:]:
        np.testing.assert_array_equal(y, outputs[0])


def a_bad_run() -> None:
    """A run on a shape that breaks a rule fails, and the session goes on."""
    session = Session(MODEL, registered_options())
    with pytest.raises(Exception, match=r"INVALID_ARGUMENT|dimensions"):
        session.run(None, {"X": X[:, :-1]})
    assert_takes_part(session)


# --- Processes.


def forks() -> None:
    session = Session(MODEL, registered_options(threads=1))
    assert_right(session)
    options = registered_options(threads=1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert_right(session)
            assert_right(Session(MODEL, options))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert_takes_part(session)


def many_threads_create_sessions() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                assert_right(Session(MODEL, registered_options()))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def exit_with_live_sessions() -> None:
    globals()["kept"] = [Session(MODEL, registered_options()), registered_options()]
    globals()["kept"].append(globals()["kept"])
    assert_right(globals()["kept"][0])


def sessions_again_and_again() -> None:
    for _ in range(20):
        assert_right(Session(MODEL, registered_options()))
        gc.collect()


# --- The report.


def report() -> None:
    path = FOLDER / "report.json"
    options = registered_options()
    options.add_session_config_entry("ort_sparse.regions_report", os.fspath(path))
    model = branching_network().SerializeToString()
    for _ in range(2):  # the second session begins the file anew
        Session(model, options)
    if not HAS_PROVIDER:
        assert not path.exists()
        return
    found = json.loads(path.read_text())
    assert found["runtime"] == onnxruntime.__version__
    assert found["mode"] == "all"
    names = [graph["name"] for graph in found["graphs"]]
    assert names == (["else", "then", "network"] if SEVERAL_CLAIMS else ["network"])
    nodes = {node["name"]: node for graph in found["graphs"] for node in graph["nodes"]}
    assert nodes["if"]["region"] is None
    assert nodes["if"]["reason"]
    assert nodes["main_expand"]["region"] is not None
    assert nodes["main_clip"]["inputs"] == ["main_c", "", "main_six"]


def report_that_cannot_be_written() -> None:
    options = registered_options()
    options.add_session_config_entry("ort_sparse.regions_report", "/nowhere/at/all.json")
    assert_takes_part(Session(MODEL, options))  # a warning, no failure


def profile() -> None:
    path = FOLDER / "steps.json"
    options = registered_options()
    options.add_session_config_entry("ort_sparse.regions_profile", os.fspath(path))
    model = branching_network().SerializeToString()
    session = Session(model, options)
    for _ in range(3):
        session.run(None, {"X": X, "which": np.array(True)})
    del session
    if not HAS_PROVIDER:
        assert not path.exists()
        return
    found = json.loads(path.read_text())
    assert found["runtime"] == onnxruntime.__version__
    runs = [sum(plan["runs"] for plan in region["plans"]) for region in found["regions"]]
    # The other branch is a region too, which nobody ran.
    assert sorted(runs) == ([0, 3, 3] if SEVERAL_CLAIMS else [3])


def profile_that_cannot_be_written() -> None:
    """Not even at the end of a session, when ONNX Runtime takes itself apart."""
    folder = FOLDER / "gone"
    folder.mkdir()
    options = registered_options()
    path = folder / "steps.json"
    options.add_session_config_entry("ort_sparse.regions_profile", os.fspath(path))
    session = Session(MODEL, options)
    assert_takes_part(session)
    path.unlink(missing_ok=True)
    folder.rmdir()
    del session
    assert_takes_part(Session(MODEL, options))


# Cases that may share a process run one after the other in one.
EVERYWHERE: dict[str, tuple[Callable[[], None], ...]] = {
    "two lines": (
        two_lines,
        two_lines_by_default,
        options_used_again,
        registered_twice,
        list_of_providers,
        sessions_again_and_again,
    ),
    "off": (off,),
    "wrong values": (wrong_values,),
    "wrong instruction set": (wrong_instruction_set,),
    "models": (
        branches,
        loops,
        external_data,
        ort_format,
        no_optimizations,
        saving_the_optimized_model,
    ),
    "runs": (
        io_binding,
        unaligned_input,
        memory_settings,
        runs_at_once,
        parallel_executor,
        same_bits_for_every_number_of_threads,
        a_bad_run,
    ),
    "reports": (
        report,
        report_that_cannot_be_written,
        profile,
        profile_that_cannot_be_written,
    ),
    "forks": (forks,),
    "many threads": (many_threads_create_sessions,),
    "exit": (exit_with_live_sessions,),
}
"""Those of every version, also of one that cannot have the provider."""

WITH_PROVIDER: dict[str, tuple[Callable[[], None], ...]] = {
    "explicit": (explicit,),
    "explicit and registered": (explicit_and_registered,),
    "explicit after automatic": (explicit_after_automatic,),
    "registered twice": (library_registered_twice,),
    "unregistered": (unregistered_with_a_live_session,),
    "automatic device": (device_of_the_automatic_use,),
    "settings of the application": (policy_of_the_application, sessions_that_may_not_compile),
}

if __name__ == "__main__":
    for group in sys.argv[1:]:
        for case in (EVERYWHERE | WITH_PROVIDER)[group]:
            print(case.__name__, flush=True)
            case()
