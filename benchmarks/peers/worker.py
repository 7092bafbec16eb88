"""Runs one model in one engine, in a process of its own, as another process tells it.

It is started with the Python of the engine's environment, which need have only the engine and
NumPy. Requests and replies are JSON objects, one a line, on stdin and stdout:

    {"load": {"engine", "model", "threads", "inputs", "outputs"}}  ->  {"version": "1.2.3"}
    {"run": {"warm_up_seconds", "runs"}}                           ->  {"milliseconds": [...]}

``load`` runs the model once, on the arrays in the file ``inputs`` (.npz, in the order of the
model's inputs), and writes what it computes to the file ``outputs``. ``run`` runs it unmeasured
for a while, then measures. What goes wrong is replied as {"error": "..."}. The process ends when
its stdin does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np


class Model(NamedTuple):
    """A loaded model with its inputs."""

    version: str
    run: Callable[[], Any]
    outputs: Callable[[], list[Any]]
    """Run, and return the outputs in order."""


def load_onnxruntime(path: str, threads: int, inputs: list[Any]) -> Model:
    import onnxruntime

    return onnxruntime_model(path, threads, inputs, onnxruntime.SessionOptions(), "onnxruntime")


def load_ort_sparse(path: str, threads: int, inputs: list[Any]) -> Model:
    import onnxruntime

    import ort_sparse

    options = onnxruntime.SessionOptions()
    ort_sparse.register(options)
    return onnxruntime_model(path, threads, inputs, options, "ort-sparse")


def onnxruntime_model(
    path: str, threads: int, inputs: list[Any], options: Any, package: str
) -> Model:
    import onnxruntime

    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in session.get_inputs()]
    feeds = dict(zip(names, inputs, strict=True))

    def run() -> Any:
        return session.run(None, feeds)

    return Model(version(package), run, run)


def load_litert(path: str, threads: int, inputs: list[Any]) -> Model:
    """Load a TFLite file; XNNPACK is the default delegate."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    for tensor, array in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(tensor["index"], array)

    def outputs() -> list[Any]:
        interpreter.invoke()
        return [interpreter.get_tensor(out["index"]) for out in interpreter.get_output_details()]

    return Model(version("ai-edge-litert"), interpreter.invoke, outputs)


def load_openvino(path: str, threads: int, inputs: list[Any]) -> Model:
    """Compile in the default precision: bfloat16 where the CPU has instructions for it."""
    return openvino_model(path, threads, inputs, {})


def load_openvino_f32(path: str, threads: int, inputs: list[Any]) -> Model:
    return openvino_model(path, threads, inputs, {"INFERENCE_PRECISION_HINT": "f32"})


def openvino_model(
    path: str, threads: int, inputs: list[Any], properties: dict[str, object]
) -> Model:
    import openvino

    properties = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        **properties,
    }
    compiled = openvino.Core().compile_model(path, "CPU", properties)
    request = compiled.create_infer_request()
    for index, array in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(array))

    def outputs() -> list[Any]:
        request.infer()
        return [request.get_output_tensor(i).data for i in range(len(compiled.outputs))]

    return Model(version("openvino"), request.infer, outputs)


def load_deepsparse(path: str, threads: int, inputs: list[Any]) -> Model:
    os.environ["NM_DISABLE_ANALYTICS"] = "1"  # or it reports each import over the network
    import deepsparse

    engine = deepsparse.Engine(path, batch_size=1, num_cores=threads)

    def run() -> Any:
        return engine.run(inputs, val_inp=False)

    return Model(version("deepsparse"), run, run)


LOADERS: dict[str, Callable[[str, int, list[Any]], Model]] = {
    "onnxruntime": load_onnxruntime,
    "litert": load_litert,
    "openvino_f32": load_openvino_f32,
    "openvino": load_openvino,
    "deepsparse": load_deepsparse,
    "ort_sparse": load_ort_sparse,
}


def load(engine: str, model: str, threads: int, inputs: str, outputs: str) -> Model:
    with np.load(inputs) as arrays:
        loaded = LOADERS[engine](model, threads, [arrays[name] for name in arrays.files])
    np.savez(outputs, *loaded.outputs())
    return loaded


def measure(model: Model, warm_up_seconds: float, runs: int) -> list[float]:
    """Return the milliseconds of each run after the warm-up."""
    end = time.perf_counter() + warm_up_seconds
    while time.perf_counter() < end:
        model.run()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        model.run()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def main() -> None:
    # What engines print goes to stderr; stdout is for replies.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    model = None
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any]
        try:
            if "load" in request:
                model = load(**request["load"])
                reply = {"version": model.version}
            else:
                assert model is not None, "no model is loaded"
                reply = {"milliseconds": measure(model, **request["run"])}
        except Exception as error:  # engines raise what they like
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
