"""The lines of docs/HOSTS.md for C++, in an application of its own."""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from provider.provider_models import CHANNELS, converted_network, network

pytestmark = pytest.mark.complete

PROJECT = Path(__file__).parents[2]
MACHINE = os.uname().machine
SIDE = 14

PROGRAM = """
#include <cstdio>
#include <vector>
#include <onnxruntime_cxx_api.h>

int main(int, char** arguments) {
    DOCUMENTED
    std::vector<float> x(COUNT);
    for (int i = 0; i < COUNT; i++) x[i] = 2.0f * i / COUNT - 1.0f;
    std::vector<int64_t> shape{1, CHANNELS, SIDE, SIDE};
    auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    auto input = Ort::Value::CreateTensor<float>(
        memory, x.data(), x.size(), shape.data(), shape.size());
    const char* names[] = {"X", "Y"};
    auto outputs = session.Run(Ort::RunOptions{}, &names[0], &input, 1, &names[1], 1);
    const float* y = outputs[0].GetTensorData<float>();
    for (int i = 0; i < COUNT; i++) std::printf("%.9g\\n", y[i]);
}
"""


def documented(language: str) -> str:
    """Return the lines for a language."""
    text = (PROJECT / "docs" / "HOSTS.md").read_text()
    (lines,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return lines


@pytest.fixture(scope="module")
def application(runtime, tmp_path_factory) -> Path:
    """Return the program, which takes a library, a model and where to write the report."""
    folder = tmp_path_factory.mktemp("cpp")
    headers = folder / "headers"
    subprocess.run([Path(__file__).with_name("onnxruntime_headers.sh"), headers], check=True)
    lines = documented("cpp")
    for old, new in (
        ('"/opt/ort_sparse/lib/libort_sparse.so"', "arguments[1]"),
        ('"model.onnx"', "arguments[2]"),
        (
            "Ort::Session session",
            'options.AddConfigEntry("ort_sparse.regions_report", arguments[3]);\n'
            '    options.AddConfigEntry("ort_sparse.regions", "all");\nOrt::Session session',
        ),
    ):
        assert old in lines
        lines = lines.replace(old, new)
    source = folder / "application.cc"
    source.write_text(PROGRAM.replace("DOCUMENTED", lines))
    numbers = {"CHANNELS": CHANNELS, "SIDE": SIDE, "COUNT": CHANNELS * SIDE * SIDE}
    program = folder / "application"
    subprocess.run(
        [
            *("g++", "-std=c++17", *(f"-D{name}={value}" for name, value in numbers.items())),
            *(f"-I{headers}/usr/include/onnxruntime", source, f"-L{runtime}/lib", "-lonnxruntime"),
            *(f"-Wl,-rpath,{runtime}/lib", "-o", program),
        ],
        check=True,
    )
    return program


@pytest.mark.parametrize("make_model", [network, converted_network])
def test_cpp(make_model, application, libraries, tmp_path):
    with tarfile.open(libraries[MACHINE]) as packed:
        packed.extractall(tmp_path, filter="data")
    (library,) = tmp_path.glob("*/lib/libort_sparse.so")
    onnx.save(make_model(), tmp_path / "model.onnx")
    report = tmp_path / "report.json"
    done = subprocess.run(
        [application, library, tmp_path / "model.onnx", report],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert report.exists()  # the provider took part
    dense = onnxruntime.InferenceSession(
        network().SerializeToString(), providers=["CPUExecutionProvider"]
    )
    count = CHANNELS * SIDE * SIDE
    x = (2 * np.arange(count, dtype=np.float32) / np.float32(count) - 1).astype(np.float32)
    (expected,) = dense.run(None, {"X": x.reshape(1, CHANNELS, SIDE, SIDE)})
    y = np.array(done.stdout.split(), np.float32).reshape(expected.shape)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
