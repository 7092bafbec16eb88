"""The ARM64 library inside the ARM64 build of ONNX Runtime."""

from __future__ import annotations

import re
import subprocess

import numpy as np
import onnx
import pytest
from arm64_toolchain import COMPILER, emulate, tool_output
from c_host import SOURCE, host_flags

import ort_sparse
from ort_sparse import zoo
from ort_sparse.op import OP_TYPE
from ort_sparse.verification import inputs_of

pytestmark = pytest.mark.arm64

TOLERANCE = 2e-5  # of the largest value


def test_library_needs_no_python(arm64_library):
    listing = tool_output("aarch64-linux-gnu-nm", "-D", arm64_library)
    assert " T RegisterCustomOps" in listing
    assert not re.findall(r"\b_?Py\w+", listing)


@pytest.fixture(scope="module")
def run_model(arm64_root, arm64_library, arm64_runtime, tmp_path_factory):
    """The example in C: runs a model on a ramp, with ORT_SPARSE_ISA set."""
    program = tmp_path_factory.mktemp("c") / "run_model"
    subprocess.run(
        [
            *(COMPILER, *host_flags(), SOURCE),
            arm64_runtime / "libonnxruntime.so.1",
            "-Wl,--allow-shlib-undefined",  # C++ of ONNX Runtime, found when it is loaded
            *("-o", program),
        ],
        check=True,
    )

    def run(model, isa):
        return emulate(
            arm64_root,
            program,
            model,
            arm64_library,
            LD_LIBRARY_PATH=arm64_runtime,
            ORT_SPARSE_ISA=isa,
        )

    return run


@pytest.fixture(scope="module", params=["zoo", "shared"])
def model_path(request, tmp_path_factory):
    """A converted network of the zoo, and one that people use."""
    if request.param == "zoo":
        source = zoo.build("mobilenet_v1_025_128", resolution=64)
    else:
        models = request.getfixturevalue("shared_models")
        source = models / "face_detection_full_range_sparse.tflite"
    model = ort_sparse.convert(source, layers="all", verify=False)
    assert OP_TYPE in {node.op_type for node in model.graph.node}
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def expected(model_path):
    """The first output on the host."""
    (tensor,) = inputs_of(onnx.load(model_path))
    shape = [max(size, 1) for size in tensor.shape]  # dynamic sizes are 1
    ramp = 2 * np.arange(np.prod(shape), dtype=np.float32) / np.float32(np.prod(shape)) - 1
    return ort_sparse.session(model_path).run(None, {tensor.name: ramp.reshape(shape)})[0].ravel()


@pytest.mark.parametrize("isa", ["neon", "portable"])
def test_model_gives_the_same_numbers(run_model, model_path, expected, isa):
    done = run_model(model_path, isa)
    assert done.returncode == 0, done.stderr
    printed = np.array(done.stdout.split(), np.float32)
    np.testing.assert_allclose(printed, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_foreign_instruction_set_is_refused(run_model, model_path):
    done = run_model(model_path, "avx2")
    assert done.returncode == 1
    assert "is 'avx2', which it lacks; this CPU has neon portable" in done.stderr
