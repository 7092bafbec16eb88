"""examples/ray on a cluster of several nodes, all on this machine.

Run by test_ray_example.py with the Python of the example's own environment; pytest does not find
this file by itself.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import select
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest

# Read when Ray starts. It would make its processes yield to all others, and beside other tests they
# would starve until its timeouts end them.
os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}

import ray
from ray import serve
from ray.cluster_utils import Cluster

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "ray"
sys.path.insert(0, str(EXAMPLE))

import classify as command  # noqa: E402
import sample  # noqa: E402
from image_classification import results  # noqa: E402
from image_classification import service as module  # noqa: E402
from image_classification.batch import Classifier, Settings, classify  # noqa: E402
from image_classification.model import Model, ModelError  # noqa: E402
from image_classification.sources import Source  # noqa: E402

NODES = 3
SETTINGS = Settings(actors=(2, 2), batch_size=16)
OBJECT_STORE = 80 << 20  # bytes; Ray takes no less

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


def add_node(cluster: Cluster) -> Any:
    """Add a node of one CPU. Ray gives it 30 seconds to start, which a busy machine may exceed."""
    for _ in range(3):
        try:
            return cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE)
        except Exception as error:
            last = error
    raise last


@pytest.fixture(scope="module")
def cluster():
    """A head that does no work, and nodes of one CPU each; processes as on several machines."""
    made = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 0,
            "object_store_memory": OBJECT_STORE,
            "include_dashboard": False,
            # Processes that have nothing to do stay: starting one takes seconds here.
            "_system_config": {
                "idle_worker_killing_time_threshold_ms": 3_600_000,
                "num_workers_soft_limit": 8,
            },
        },
    )
    for _ in range(NODES):
        add_node(made)
    ray.init(address=made.address, runtime_env=command.SHIPPED, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def model() -> bytes:
    """A converted model."""
    import ort_sparse

    dense = sample.network(size=64, width=0.25, classes=10)
    converted = ort_sparse.convert(dense, layers="all", verify=False)
    assert any(node.op_type == "SparseConv1x1" for node in converted.graph.node)
    return converted.SerializeToString()


def jpeg(seed: int, size: int = 80) -> bytes:
    stream = io.BytesIO()
    sample.photograph(np.random.default_rng(seed), size, size + 7).save(stream, "JPEG")
    return stream.getvalue()


GOOD = {
    **{f"{number:03d}.jpg": jpeg(number) for number in range(60)},
    "with space.jpg": jpeg(100),
    "100%25 #1?ü.jpg": jpeg(101),
    "deep/er/000.jpg": jpeg(102),
}
BAD = {
    "empty.jpg": (b"", "no bytes"),
    "cut.jpg": (jpeg(0)[:600], "OSError"),
    "text.png": (b"hello", "no format"),
    "bomb.png": (
        # A header that claims 60000 x 60000 pixels: nothing may try to hold them.
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x02\x00\x00\x00"
        b"\xa8\x7f\x3d\x0b",
        "no image",
    ),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, data in (GOOD | {name: data for name, (data, _) in BAD.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def rows_of(folder: Path) -> dict[str, dict]:
    rows = pyarrow.dataset.dataset(str(folder), format="parquet").to_table().to_pylist()
    assert max(Counter(row["path"] for row in rows).values()) == 1
    return {row["path"]: row for row in rows}


def expect_single_process(rows: dict[str, dict], model: bytes, files: dict[str, bytes]) -> None:
    """Compare rows with what this process computes, image by image."""
    alone = Model(model, threads=1)
    for name, data in files.items():
        (scores,) = alone.scores(alone.decode(data)[None])
        assert rows[name]["error"] is None
        assert rows[name]["label"] == scores.argmax()
        assert rows[name]["score"] == pytest.approx(scores.max(), rel=1e-4)


def test_every_image_once_as_a_single_process_classifies_it(cluster, model, images, tmp_path):
    summary = classify(model, Source(str(images)), str(tmp_path / "out"), SETTINGS)
    rows = rows_of(tmp_path / "out")
    assert set(rows) == {str(images / name) for name in (*GOOD, *BAD)}
    assert (summary.images, summary.errors) == (len(GOOD) + len(BAD), len(BAD))
    expect_single_process(rows, model, {str(images / name): GOOD[name] for name in GOOD})
    assert len({row["label"] for row in rows.values()}) > 1
    for name, (_, reason) in BAD.items():
        row = rows[str(images / name)]
        assert reason in row["error"]
        assert (row["label"], row["score"]) == (None, None)
    assert json.loads((tmp_path / "out" / results.SUCCESS).read_text())["images"] == len(rows)


def test_parquet_in(cluster, model, tmp_path):
    (tmp_path / "in").mkdir()
    for part in range(3):
        numbers = range(part * 20, part * 20 + 20)
        table = pa.table(
            {"id": list(numbers), "photo": [GOOD[f"{number:03d}.jpg"] for number in numbers]}
        )
        table = table.append_column("unused", pa.array(["x"] * 20))
        pyarrow.parquet.write_table(table, tmp_path / "in" / f"{part}.parquet")
    source = Source(str(tmp_path / "in"), "id", "photo")
    classify(model, source, str(tmp_path / "out"), SETTINGS)
    expected = {str(number): GOOD[f"{number:03d}.jpg"] for number in range(60)}
    rows = rows_of(tmp_path / "out")
    assert set(rows) == set(expected)
    expect_single_process(rows, model, expected)


class Doomed(Classifier):
    """On one node it never ends its third batch; on others it waits until that node is killed.

    So the node dies in the middle of work, of which some was delivered and some not, however fast
    the machine is.
    """

    node_id: str
    folder: Path
    batches = 0

    def __call__(self, batch):
        node = ray.get_runtime_context().get_node_id()
        (self.folder / f"begun-{node}-{os.getpid()}-{time.monotonic_ns()}").touch()
        self.batches += 1
        if node == self.node_id and self.batches == 3:
            (self.folder / "middle").touch()
        while (self.batches == 3 or node != self.node_id) and not (self.folder / "killed").exists():
            time.sleep(0.05)
        return super().__call__(batch)


def test_a_killed_node_costs_time_but_no_rows(cluster, model, tmp_path):
    count, size = 480, 8
    files = {str(number): GOOD[f"{number % 60:03d}.jpg"] for number in range(count)}
    (tmp_path / "in").mkdir()
    for part in range(20):
        names = list(files)[part::20]
        table = pa.table({"id": names, "photo": [files[name] for name in names]})
        pyarrow.parquet.write_table(table, tmp_path / "in" / f"{part}.parquet")
    doomed = add_node(cluster)

    class DoomedHere(Doomed):
        node_id = doomed.node_id
        folder = tmp_path

    def kill():
        while not (tmp_path / "middle").exists():
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)
        (tmp_path / "killed").touch()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    settings = Settings(actors=(NODES + 1, NODES + 1), batch_size=size)
    source = Source(str(tmp_path / "in"), "id", "photo")
    classify(model, source, str(tmp_path / "out"), settings, DoomedHere)
    killer.join()
    assert len(list(tmp_path.glob("begun-*"))) > count // size, "nothing was done again"
    rows = rows_of(tmp_path / "out")
    assert set(rows) == set(files)
    expect_single_process(rows, model, files)


class Weighed(Classifier):
    """Notes the memory of its process before each batch."""

    notes: Path

    def __call__(self, batch):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        with self.notes.open("a") as stream:
            print(pages * os.sysconf("SC_PAGE_SIZE"), file=stream)
        return super().__call__(batch)


def test_memory_of_an_actor_is_flat_over_10000_images(cluster, model, tmp_path):
    count, size = 10_000, 32
    photos = [GOOD[f"{number % 60:03d}.jpg"] for number in range(count)]
    (tmp_path / "in").mkdir()
    table = pa.table({"id": list(map(str, range(count))), "photo": photos})
    pyarrow.parquet.write_table(table, tmp_path / "in" / "all.parquet", row_group_size=500)

    class WeighedHere(Weighed):
        notes = tmp_path / "memory"

    settings = Settings(actors=(1, 1), batch_size=size)
    source = Source(str(tmp_path / "in"), "id", "photo")
    summary = classify(model, source, str(tmp_path / "out"), settings, WeighedHere)
    assert summary.images == count
    memory = np.array((tmp_path / "memory").read_text().split(), int)
    assert len(memory) >= count // size
    quarter = len(memory) // 4
    # 10,000 decoded images are 123 MB.
    assert np.median(memory[-quarter:]) - np.median(memory[quarter : 2 * quarter]) < 8e6


def test_what_is_refused(cluster, model, images, tmp_path):
    def run(model=model, folder=images, out=tmp_path / "out"):
        classify(model, Source(str(folder)), str(out), SETTINGS)

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("mine")
    with pytest.raises(FileExistsError, match="must be empty or absent"):
        run(out=tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["kept"]
    (tmp_path / "none").mkdir()
    for folder in (tmp_path / "none", tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=folder.name):
            run(folder=folder)
    text_model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["x"], ["y"])],
            "g",
            [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 7])],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 7])],
        ),
        opset_imports=[onnx.helper.make_opsetid("", 17)],
        ir_version=8,
    )
    with pytest.raises(ModelError, match=r"must have one float32 input .* x: tensor\(float\)"):
        run(model=text_model.SerializeToString())
    assert not (tmp_path / "out").exists()


def test_lost_and_doubled_rows_are_found(tmp_path):
    def write(*names):
        pyarrow.parquet.write_table(pa.table({"path": names}), tmp_path / "rows.parquet")
        results.check(results.fingerprint(["a", "b", "c"]), str(tmp_path))

    write("c", "a", "b")
    for wrong in (("a", "b"), ("a", "b", "c", "c"), ("a", "b", "b"), ("a", "b", "d")):
        with pytest.raises(results.LostRowsError, match="for each"):
            write(*wrong)


OPTIONS = {"batch_size": 4, "batch_wait": 0.5, "queue": 3}


@pytest.fixture(scope="module")
def service(cluster, model, tmp_path_factory):
    """Address of a running service of one replica."""
    path = tmp_path_factory.mktemp("service") / "model.onnx"
    path.write_bytes(model)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # All nodes have one address here: proxies on each would share the port.
    serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
    options = module.Options(model=str(path), **OPTIONS)
    serve.run(module.build(options))
    yield f"http://127.0.0.1:{port}"
    serve.shutdown()


def post(address: str, data: bytes) -> tuple[int, dict]:
    request = urllib.request.Request(f"{address}/classify", data, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        return error.code, json.loads(text) if text.startswith("{") else {"detail": text}


def test_the_service_classifies_as_a_single_process(service, model):
    alone = Model(model, threads=1)
    for data in list(GOOD.values())[:5]:
        status, answer = post(service, data)
        (scores,) = alone.scores(alone.decode(data)[None])
        assert status == 200, answer
        assert answer == {"label": scores.argmax(), "score": answer["score"], "batch": 1}
        assert isinstance(answer["label"], int)
        assert answer["score"] == pytest.approx(scores.max(), rel=1e-4)


def test_the_service_answers_what_is_no_image_with_a_reason(service):
    for data, reason in BAD.values():
        status, answer = post(service, data)
        assert status == 415
        assert reason in answer["detail"]
    status, answer = post(service, bytes(20_000_001))
    assert status == 413
    assert "20000000 bytes" in answer["detail"]
    assert post(service, GOOD["000.jpg"])[0] == 200


def hold(address: str) -> http.client.HTTPConnection:
    """Begin a request of which the last byte is missing."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/classify")
    connection.putheader("Content-Length", str(len(GOOD["000.jpg"])))
    connection.endheaders(GOOD["000.jpg"][:-1])
    return connection


def test_the_service_refuses_what_its_queue_cannot_hold_and_batches_the_rest(service):
    """Requests come until one is refused, which it is before those that wait are answered."""
    held, refused = [], []
    while not refused:
        assert len(held) < 60, "none was refused"
        held.append(hold(service))
        refused, _, _ = select.select([each.sock for each in held], [], [], 0.2)
    for each in held:
        if each.sock not in refused:
            each.send(GOOD["000.jpg"][-1:])
    answers = [each.getresponse() for each in held]
    assert {answer.status for answer in answers} == {200, 503}
    served = [json.load(answer) for answer in answers if answer.status == 200]
    for each in held:
        each.close()  # or the service would wait for more requests when it ends
    assert len(served) >= 2 * OPTIONS["batch_size"]
    assert max(answer["batch"] for answer in served) == OPTIONS["batch_size"]
    assert post(service, GOOD["000.jpg"])[0] == 200


def test_health(service, model):
    with urllib.request.urlopen(f"{service}/health", timeout=60) as answer:
        assert json.load(answer) == {"status": "ok"}
    sick = onnx.load_from_string(model)
    bias = next(each for each in sick.graph.initializer if each.dims == [10])
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(10, np.nan, np.float32), bias.name))
    replica = SimpleNamespace(model=Model(sick.SerializeToString(), threads=1))
    with pytest.raises(ModelError, match="finite"):
        module.Service.func_or_class.check_health(replica)
    replica.model = Model(model, threads=1)
    module.Service.func_or_class.check_health(replica)
