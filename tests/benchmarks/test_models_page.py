"""The page of networks: counting, keeping results, writing; no network is built or timed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.models_page.facts import Facts, count_macs, count_parameters
from benchmarks.models_page.page import page
from benchmarks.models_page.results import Machine, Results, Timing, read
from ort_sparse import zoo

FACTS = Facts(
    image_height=224,
    image_width=192,
    parameters=4_000_000,
    zeros=3_000_000,
    macs=500_000_000,
    nonzero_macs=100_000_000,
    tflite_bytes=6_000_000,
    dense_tflite_bytes=16_000_000,
    onnx_bytes=6_300_000,
    dense_onnx_bytes=16_100_000,
    layers=14,
    sparse_layers=13,
    chosen_layers=12,
    error=2.5e-6,
)


@pytest.fixture
def results():
    eleven = [name for name in zoo.names() if zoo.entry(name).published]
    return Results(
        facts={
            **dict.fromkeys([*eleven, "effnet"], FACTS),
            "pose_detection": replace(FACTS, dense_tflite_bytes=None),
        },
        timings={
            **{name: {"1": Timing(4.0, 2.0), "2": Timing(3.0, 3.0)} for name in eleven},
            "effnet": {"1": Timing(16.0, 1.0), "2": Timing(3.0, 3.0)},
        },
        machine=Machine("a processor", "avx512", "1.31.1"),
    )


def rows_of(text: str, network: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith(f"| {network} |")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_results_are_what_was_written(results, tmp_path):
    path = tmp_path / "new" / "results.json"
    results.write(path)
    assert read(path) == results


def test_there_are_no_results_before_the_first(tmp_path):
    assert read(tmp_path / "results.json") == Results()


def test_a_network_has_a_row_in_each_table(results):
    published, work, outcome = rows_of(page(results), "mbv1_100_90_12b4_684")
    assert published[1:5] == ["90% zeros", zoo.entry("mbv1_100_90_12b4_684").pattern, "68.4", "31"]
    assert f"({zoo.BASE_URL}/mbv1_100_90_12b4_684.tflite)" in published[5]
    assert work[1:6] == ["224 x 192", "4.00 M", "75.0%", "500.00 M", "100.00 M"]
    assert work[6:] == ["16.00", "6.00", "16.10", "6.30", "1.050"]
    assert outcome[1:5] == ["14", "13", "12", "2.5e-06"]
    assert outcome[5:] == ["4.00", "2.00", "2.00x", "3.00", "3.00", "1.00x"]


def test_a_real_file_lacks_what_is_not_known(results):
    work, outcome = rows_of(page(results), "pose_detection")
    assert work[6] == "-"
    assert outcome[5:] == ["-"] * 6


def test_the_page_tells_machine_and_means(results):
    text = page(results)
    assert "a processor (avx512) with onnxruntime 1.31.1" in text
    assert "- the eleven: 2.00x with 1 thread, 1.00x with 2 threads" in text
    assert "- all networks of the zoo: 2.38x with 1 thread" in text  # (2^11 * 16)^(1/12)


def test_the_page_can_be_written_before_anything_was_timed(results):
    assert "not measured yet" in page(replace(results, timings={}, machine=None))


def test_every_weight_counts_once_a_position():
    """A strided convolution in 2 groups, a transposed one, a product; zeros in each."""
    weights = {
        "grouped": np.ones((6, 2, 3, 3), np.float32),
        "transposed": np.ones((6, 5, 2, 2), np.float32),
        "product": np.ones((320, 7), np.float32),
    }
    weights["grouped"][0] = 0
    weights["product"][:, :3] = 0
    nodes = [
        helper.make_node(
            "Conv", ["x", "grouped"], ["a"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        helper.make_node("ConvTranspose", ["a", "transposed"], ["b"], strides=[2, 2]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("MatMul", ["c", "product"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 7])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model, full_check=True)
    grouped, transposed, product = 6 * 2 * 9 * 16, 6 * 5 * 4 * 16, 320 * 7
    assert count_macs(model) == (
        grouped + transposed + product,
        grouped * 5 // 6 + transposed + product * 4 // 7,
    )
    sizes = [array.size for array in weights.values()]
    assert count_parameters(model) == (sum(sizes), 2 * 9 + 320 * 3)
