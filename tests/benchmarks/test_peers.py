"""Comparing engines: with fakes, and with those that are always there."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers import __main__ as command
from benchmarks.peers import measure as measuring
from benchmarks.peers.chart import draw
from benchmarks.peers.engines import BASELINE, ENGINES, Engine, Form
from benchmarks.peers.environments import Environment, set_up
from benchmarks.peers.measure import attempt, measure, worker_command
from benchmarks.peers.process import EngineError, start
from benchmarks.peers.results import Results, Row, read
from benchmarks.peers.tables import tables
from ort_sparse.measure.latency import Latency
from ort_sparse.model_pair import model_pair

ROOT = Path(__file__).parents[2]
FEEDS = {"x": np.arange(4, dtype=np.float32)}


def fake(loader, form=Form.DENSE):
    return Engine(loader, loader, form)


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Measure fake engines in two rounds; "exact" is the baseline."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(measuring, "BASELINE", fake("exact"))
    start_fake = [sys.executable, str(Path(__file__).with_name("fake_worker.py"))]

    def run(*engines, threads=1):
        rows = measure(
            "net",
            {Form.DENSE: tmp_path / "unread.onnx"},
            FEEDS,
            commands={engine: [*start_fake, str(tmp_path / "log")] for engine in engines},
            threads=threads,
            rounds=2,
        )
        return {row.engine: row for row in rows}

    return run


def test_engines_take_turns(compare, tmp_path):
    rows = compare(fake("exact"), fake("rough"), threads=2)
    runs = (tmp_path / "log").read_text().splitlines()
    assert [run for run, _ in itertools.groupby(runs)] == ["exact 2", "rough 2"] * 2
    assert all(row.latency_ms.runs == 2 * measuring.RUNS_A_TURN for row in rows.values())
    assert all(
        (row.network, row.threads, row.version) == ("net", 2, "1.0") for row in rows.values()
    )


def test_outputs_are_compared_with_the_baseline(compare):
    rows = compare(fake("exact"), fake("rough"))
    assert rows["rough"].error == pytest.approx(0.1)
    assert rows["exact"].error is None


def test_failing_engines_do_not_stop_the_others(compare):
    engines = [fake("refusing"), fake("dying"), fake("exact"), fake("rough", Form.TFLITE)]
    rows = compare(*engines)
    assert rows["exact"].latency_ms is not None
    assert {name: row.reason for name, row in rows.items()} == {
        "refusing": "ValueError: cannot read this model",
        "dying": "process ended with code 3: dying",
        "exact": None,
        "rough": "the network has no form model.tflite",
    }
    assert all(row.latency_ms is None for name, row in rows.items() if name != "exact")


def test_without_a_baseline_there_are_no_errors(compare):
    row = compare(fake("rough"))["rough"]
    assert row.latency_ms is not None
    assert row.error is None


def test_workers_that_cannot_be_started_say_why():
    with start([sys.executable, "-c", "import no_such_module"]) as worker:
        for _ in range(2):  # the second time it has ended before it is asked
            worker.send(load={})
            with pytest.raises(EngineError, match=r"code 1: .*no_such_module"):
                worker.receive()


def test_sessions_of_this_environment(tmp_path):
    """The real worker, with the two engines that need nothing installed."""
    weights = np.zeros((16, 16, 1, 1), np.float32)
    weights[::4] = np.random.default_rng(0).standard_normal((4, 16, 1, 1))
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 8, 8])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    pair = model_pair(helper.make_model(graph, opset_imports=opsets, ir_version=8), layers="all")
    files = {form: tmp_path / form for form in (Form.DENSE, Form.SPARSE)}
    onnx.save(pair.dense, files[Form.DENSE])
    onnx.save(pair.sparse, files[Form.SPARSE])
    engines = [engine for engine in ENGINES if engine.loader in ("onnxruntime", "ort_sparse")]
    commands = {engine: worker_command(engine, tmp_path) for engine in engines}
    feeds = {"x": np.random.default_rng(1).standard_normal((1, 16, 8, 8)).astype(np.float32)}
    dense, sparse = measure("net", files, feeds, commands=commands, threads=1, rounds=1)
    assert (dense.reason, sparse.reason) == (None, None)
    assert sparse.error < 1e-5


def test_environments_that_are_there_are_used(tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "installed.txt").write_text("numpy")
    assert set_up(Environment("e", ("numpy",)), tmp_path) == tmp_path / "e" / "bin" / "python"


def test_environments_that_need_an_older_python(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    engine = replace(fake("old"), environment=Environment("old", (), newest_python=(3, 10)))
    reasons = {}
    assert attempt([engine], lambda each: worker_command(each, tmp_path), reasons) == {}
    assert reasons == {engine: "needs Python 3.10, and there is none"}


def row(network, threads, engine, median, error=None):
    latency = Latency(0.9 * median, median, 1.1 * median, 100)
    return Row(network, threads, engine.name, "1.0", latency, error)


@pytest.fixture
def results():
    """Two networks: ort_sparse is 2 and 8 times faster, one peer failed with one of them."""
    openvino, *_, ours = ENGINES[2:]
    rows = []
    for network, dense, sparse in (("a", 8, 4), ("b", 16, 2)):
        rows += [row(network, 1, BASELINE, dense), row(network, 1, ours, sparse, 1e-6)]
        rows += [row(network, 1, each, dense) for each in ENGINES[1:-1] if each != openvino]
    rows += [row("a", 1, openvino, 8, 0.5), Row("b", 1, openvino.name, reason="too hot")]
    return Results("cpu", tuple(rows))


def test_results_are_read_as_written(results, tmp_path):
    path = tmp_path / "new" / "results.json"
    results.write(path)
    assert read(path) == results
    assert json.loads(path.read_text())["rows"][0]["latency_ms"]["p50"] == 8


def test_speed_ups(results):
    assert results.speed_up("a", 1, "ort_sparse") == 2
    assert results.speed_up("b", 1, "OpenVINO f32") is None
    assert results.mean_speed_up(1, "ort_sparse") == pytest.approx(4)
    assert results.mean_speed_up(1, "OpenVINO f32") is None


def test_tables(results):
    lines = tables(results).splitlines()
    assert "| a | 1 | 8.00 | 8.00 (1.00x) | 8.00 (1.00x) " in "\n".join(lines)
    assert "| b | 1 | 16.00 | 16.00 (1.00x) | - | " in "\n".join(lines)
    means = next(line for line in lines if line.startswith("| geometric mean"))
    assert means == "| geometric mean | 1 | 1.00x | 1.00x | - | 1.00x | 1.00x | 4.00x |"
    assert "| a | - | 5.0e-01 | - | - | 1.0e-06 |" in lines
    assert "- OpenVINO f32: too hot" in lines


def test_charts_leave_gaps(results):
    pytest.importorskip("matplotlib")
    assert draw(results, form="png").startswith(b"\x89PNG")


def test_what_was_measured_is_only_printed(results, tmp_path, monkeypatch, capsys):
    path = tmp_path / "results.json"
    results.write(path)
    monkeypatch.setattr(command, "complete", lambda *given: pytest.fail("measures again"))
    monkeypatch.setattr(sys, "argv", ["peers", "b", "a", "--threads", "1", "--json", str(path)])
    command.main()
    printed = capsys.readouterr().out
    assert printed.index("| b |") < printed.index("| a |")


def test_a_run_goes_on_where_it_stopped(results, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    replace(results, cpu=command.cpu_name()).write(path)
    asked = []

    def fake_measure(network, *given, threads, commands, rounds):
        asked.append((network, threads, rounds))
        return [row(network, threads, engine, 1) for engine in ENGINES]

    monkeypatch.setattr(command, "measure", fake_measure)
    monkeypatch.setattr(command, "worker_command", lambda *given: [])
    monkeypatch.setattr(command, "prepare", lambda *given: ({}, FEEDS))
    monkeypatch.setattr(
        sys,
        "argv",
        ["peers", "a", "c", "--threads", "1", "2", "--rounds", "3", "--json", str(path)],
    )
    command.main()
    assert asked == [("a", 2, 3), ("c", 1, 3), ("c", 2, 3)]
    assert read(path).networks == ["a", "b", "c"]


def test_a_network_is_measured_again(results, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    replace(results, cpu=command.cpu_name()).write(path)
    monkeypatch.setattr(
        command,
        "measure",
        lambda network, *given, threads, **options: [row(network, threads, ENGINES[-1], 99)],
    )
    monkeypatch.setattr(command, "worker_command", lambda *given: [])
    monkeypatch.setattr(command, "prepare", lambda *given: ({}, FEEDS))
    monkeypatch.setattr(command, "tables", lambda shown: "")
    monkeypatch.setattr(
        sys, "argv", ["peers", "a", "--threads", "1", "--again", "--json", str(path)]
    )
    command.main()
    found = read(path)
    assert found.contest("a", 1) == {"ort_sparse": row("a", 1, ENGINES[-1], 99)}
    assert found.contest("b", 1) == results.contest("b", 1)


def test_disturbed_measurements_are_named(results):
    noisy = [
        replace(each, latency_ms=Latency(1, 2, 4, 100)) if each.network == "b" else each
        for each in results.rows
    ]
    text = tables(Results("cpu", tuple(noisy)))
    assert "- b, 1 thread(s): the 95th percentile is 4.0 times the 5th" in text
    assert "- a, 1 thread(s)" not in text
    assert "Disturbed" not in tables(results)


def test_results_of_another_machine_are_not_mixed_in(results, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    results.write(path)
    monkeypatch.setattr(sys, "argv", ["peers", "c", "--threads", "1", "--json", str(path)])
    with pytest.raises(SystemExit, match=r"must be of .*, but is of cpu"):
        command.main()
