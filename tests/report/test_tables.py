"""Each table of the command on a terminal of 80 columns, with names as exporters give them."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from rich.cells import cell_len
from rich.console import Console

from ort_sparse import zoo
from ort_sparse.converters.cost_model import REFERENCE_MACHINE
from ort_sparse.converters.passes import LayerReport, OtherLayer
from ort_sparse.converters.stored import StoredItem
from ort_sparse.measure.latency import Latency
from ort_sparse.measure.layers import LayerTime, LayerTimes
from ort_sparse.measure.network import Benchmark
from ort_sparse.report.comparison import comparison_table
from ort_sparse.report.layers import layer_table, other_layer_table
from ort_sparse.report.sizes import size_tables
from ort_sparse.report.times import benchmark_tables
from ort_sparse.report.zoo import zoo_table
from ort_sparse.verification import Comparison, OutputComparison

NAMES = [
    "StatefulPartitionedCall/mobilenet_v3/expanded_conv_7/squeeze_excite/Conv_1/BiasAdd;"
    f"StatefulPartitionedCall/mobilenet_v3/expanded_conv_{i}/project/BatchNorm/FusedBatchNormV3_{i}"
    for i in range(3)
]
WHY = "75.0% zeros, but predicted 1131.9 us, dense 1053.6 us, changes of layout +133.1 us"


def render(*tables, width=80):
    file = io.StringIO()
    for table in tables:
        Console(file=file, width=width).print(table)
    lines = file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= width
    return lines


def layers():
    return [
        LayerReport(
            name=name,
            kind="FusedMatMul",
            shape=(1152, 1152),
            zeros=0.75,
            block_rows=None if i else 4,
            bytes_before=5_308_416,
            bytes_after=1_658_880,
            macs_before=1_300_544_512,
            macs_after=325_136_128,
            replaced=not i,
            reason=WHY,
            dense_microseconds=1053.6,
            sparse_microseconds=1131.9,
        )
        for i, name in enumerate(NAMES)
    ]


def test_layers():
    lines = render(layer_table(layers(), machine=REFERENCE_MACHINE))
    heading = next(i for i, line in enumerate(lines) if line.startswith("layer"))
    assert lines[heading - 1].split() == ["kB", "kB", "M", "MACs", "M", "MACs"]
    assert lines[heading].split() == [
        *("layer", "shape", "zeros", "block", "before", "after", "before", "after")
    ]
    figures = "1152 x 1152 75.0% dense 5308.4 1658.9 1300.54 325.14"
    assert sum(figures in " ".join(line.split()) for line in lines) == 2
    text = " ".join(" ".join(lines).split())
    assert text.count(f"FusedMatMul: {WHY}") == 3
    assert f"times in us are those of {REFERENCE_MACHINE}" in text
    assert "3 layers, 1 sparse" in text


def test_predicted_times_are_of_the_machine_that_they_were_fitted_on():
    assert "EPYC" in REFERENCE_MACHINE


def test_other_layers():
    layer = OtherLayer(NAMES[0], "DepthwiseConv", (1, 1152, 5, 5), 0.912, 115_200, "kernel 5x5")
    unknown = OtherLayer(NAMES[1], "Einsum", (), None, 0, "is Einsum, which is not looked into")
    text = " ".join(" ".join(render(other_layer_table([layer, unknown]))).split())
    assert "DepthwiseConv 1 x 1152 x 5 x 5 91.2% 115.2 kB" in text
    assert "Einsum ? ? ?" in text


def test_sizes():
    items = [StoredItem("dense DEPTHWISE_CONV_2D", name, 1_000_000) for name in NAMES]
    text = " ".join(" ".join(render(*size_tables(items, 4_000_000))).split())
    assert text.count("dense DEPTHWISE_CONV_2D 1.00 MB 25.0%") == 3


def test_comparison():
    output = OutputComparison(
        name=NAMES[0],
        shape=(1, 1000, 32, 32, 3),
        largest=1.23456e-09,
        difference=1.23e-15,
        excess=0.5,
        rule="2e-05 of its largest value, or 1.23e-12 by rounding of the input",
    )
    text = " ".join(" ".join(render(comparison_table(Comparison((output,), NAMES[1])))).split())
    assert "1 x 1000 x 32 x 32 x 3 1.23456e-09 1.23e-15 9.96e-07 equal" in text
    assert output.rule in text


def test_times():
    latency = Latency(1234.567, 1234.567, 1234.567, 100)
    times = [
        LayerTime(name, (1152, 1152), 12544, 0.75, 331776, 4, "hard_swish", True, 1234.5, 2345.6)
        for name in NAMES
    ]
    result = Benchmark(
        batch=1,
        times={},
        threads=16,
        isa="avx512",
        fma_peak=271.3,
        dense=latency,
        sparse=latency,
        error=1.2e-6,
        layers=LayerTimes(tuple(times), {"dense": [], "sparse": []}, {"dense": [], "sparse": []}),
    )
    text = " ".join(" ".join(render(*benchmark_tables(result))).split())
    assert "dense 1234.567 1234.567 1234.567 1.00x" in text
    assert text.count("1152 x 1152, 75.0% zeros, blocks of 4, 12544 pixels") == 3
    assert text.count("2345.6 1234.5 1.90x") == 3


def test_names_of_networks_can_be_copied():
    lines = render(zoo_table([zoo.entry(name) for name in zoo.names()]))
    assert [line.split()[0] for line in lines if line.split()[0] in zoo.names()] == list(
        zoo.names()
    )


@pytest.mark.parametrize("command", [["zoo", "list"], ["inspect"]])
def test_on_a_terminal(dense, command):
    """A terminal of 80 columns, as a user has it; what is between figures is not drawn over."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    if command == ["inspect"]:
        command = ["inspect", str(dense)]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ort_sparse", *command],
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
        env={**environment, "TERM": "dumb"},
    )
    os.close(terminal)
    shown = b""
    while chunk := _read(controller):
        shown += chunk
    os.close(controller)
    assert process.wait() == 0
    lines = shown.decode().splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert any(line.startswith(("mbv2_140_85_11-16b2_720  ", "first ")) for line in lines)


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""
