"""The application that deployment.py starts: one model, one run, then what it took as JSON."""

import json
import re
import sys
import time

import numpy as np
import onnxruntime


def main(model: str, *libraries: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    for library in libraries:
        options.register_custom_ops_library(library)
    session = onnxruntime.InferenceSession(model, options)
    feeds = {
        tensor.name: np.zeros([max(int(size or 1), 1) for size in tensor.shape], np.float32)
        for tensor in session.get_inputs()
    }
    session.run(None, feeds)
    with open("/proc/self/status") as file:
        status = dict(re.findall(r"^(\w+):\s+(\d+) kB", file.read(), re.MULTILINE))
    found = {
        "processor": time.process_time(),  # seconds
        "resident": int(status["VmRSS"]) * 1024,
        "private": int(status["RssAnon"]) * 1024,
    }
    print(json.dumps(found), flush=True)
    sys.stdin.read()  # until what started us has looked


if __name__ == "__main__":
    main(*sys.argv[1:])
