"""The profile of the steps of regions, which a session writes when it ends."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import numpy as np
import onnxruntime
import pytest
from onnx import numpy_helper
from region_models import Maker, Value

import ort_sparse
from ort_sparse.regions_profile import ProfiledPlan, RegionsProfile, read_profile

RUNS = 5

SHAPE = (1, 32, 14, 14)


def conv(m: Maker, x: Value, *, kernel: int, groups: int = 1) -> Value:
    weights = m.constant(
        m.weights(x.channels, x.channels // groups, kernel, kernel, sparse=kernel == 1)
    )
    pad = kernel // 2
    return m.node(
        "Conv",
        [x.name, weights],
        x.shape,
        kernel_shape=[kernel] * 2,
        pads=[pad] * 4,
        group=groups,
    )


def network(*, cut: bool = False):
    """Return a network of five steps in planes too small for chains; `cut` makes two regions."""
    m = Maker(Random(0), 17)
    x = m.input(SHAPE, ("n", SHAPE[1], "h", "w"))
    y = conv(m, x, kernel=1)
    y = m.node("Clip", [y.name, m.constant(np.float32(0)), m.constant(np.float32(6))], y.shape)
    y = conv(m, y, kernel=3, groups=y.channels)
    if cut:
        y = m.node("CumSum", [y.name, m.constant(np.int64([1]))], y.shape)
    y = conv(m, y, kernel=1)
    y = m.node("Add", [x.name, y.name], y.shape)
    y = m.node("MaxPool", [y.name], (1, 32, 7, 7), kernel_shape=[2, 2], strides=[2, 2])
    y = m.node("Concat", [y.name, y.name], (1, 64, 7, 7), axis=1)
    return m.model([y])


def session(model, profile: Path | str | None, *, threads: int = 1):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if profile is not None:
        options.add_session_config_entry("ort_sparse.regions_profile", str(profile))
    return ort_sparse.session(model, options, regions="all")


def feeds(shape=SHAPE):
    return {"x0": np.random.default_rng(0).standard_normal(shape).astype(np.float32)}


def run(created, shape=SHAPE):
    return created.run(None, feeds(shape))[0]


def total_of_steps(plan: ProfiledPlan) -> float:
    """Return whole nanoseconds, of which sums are exact, as microseconds."""
    return sum(round(taken.total * 1e3) for _, taken in plan.steps) / 1e3


def only_plan(profile: RegionsProfile) -> ProfiledPlan:
    (region,) = profile.regions
    (plan,) = region.plans
    assert region.left_out == 0
    return plan


def test_steps_are_timed(tmp_path):
    path = tmp_path / "profile.json"
    created = session(network(), path)
    assert read_profile(path).regions == ()  # what cannot be written shows at the begin
    begin = time.perf_counter()
    for _ in range(RUNS):
        run(created)
    wall = (time.perf_counter() - begin) * 1e6
    del created
    profile = read_profile(path)
    assert profile.runtime == onnxruntime.__version__
    assert profile.regions[0].name.startswith("OrtSparseExecutionProvider")
    plan = only_plan(profile)
    assert (plan.runs, plan.inputs) == (RUNS, (SHAPE,))
    assert 0 < total_of_steps(plan) <= plan.time.total <= wall
    assert 0 < plan.time.minimum <= plan.time.median <= plan.time.total
    for _, taken in plan.steps:
        assert 0 < taken.minimum <= taken.median < taken.total
        assert RUNS * taken.minimum <= taken.total


def test_steps_are_named(tmp_path):
    path = tmp_path / "profile.json"
    model = network()
    model.graph.node[6].name = ""  # the Concat
    created = session(model, path)
    run(created)
    del created
    steps = [step for step, _ in only_plan(read_profile(path)).steps]
    assert [(step.kind, step.nodes) for step in steps] == [
        ("layer", ("n0_Conv", "n1_Clip")),
        ("layer", ("n2_Conv",)),
        ("layer", ("n3_Conv", "n4_Add")),
        ("layer", ("n5_MaxPool",)),
        ("copy", (model.graph.output[0].name,)),
    ]
    first, depthwise, last, pool, _ = (step.ops[0] for step in steps)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for op, node in ((first, model.graph.node[0]), (last, model.graph.node[3])):
        assert (op.kind, op.weights) == ("pointwise", 32 * 32)
        assert np.count_nonzero(arrays[node.input[1]]) <= op.stored < 0.5 * op.weights
        assert op.multiply_adds == op.stored * 14 * 14
    assert depthwise.title == "depthwise convolution 3x3"
    assert depthwise.multiply_adds == 9 * 32 * 14 * 14
    assert (pool.title, pool.multiply_adds) == ("pooling 2x2", 0)
    assert (pool.input, pool.output) == (SHAPE, (1, 32, 7, 7))


def test_steps_that_come_from_nhwc_are_named(tmp_path):
    """Padding moves behind the turn to planes, and into the layer that reads them."""
    path = tmp_path / "profile.json"
    m = Maker(Random(0), 17)
    x = m.input((1, 14, 14, 32))
    ends = m.constant(np.array([0, 1, 1, 0, 0, 1, 1, 0]))
    y = m.node("Pad", [x.name, ends], (1, 16, 16, 32))
    y = m.node("Transpose", [y.name], (1, 32, 16, 16), perm=[0, 3, 1, 2])
    weights = m.constant(m.weights(32, 1, 3, 3, sparse=False))
    y = m.node("Conv", [y.name, weights], SHAPE, kernel_shape=[3, 3], group=32)
    created = session(m.model([y]), path)
    run(created, (1, 14, 14, 32))
    del created
    steps = [step for step, _ in only_plan(read_profile(path)).steps]
    assert [(step.ops[0].kind, step.nodes) for step in steps] == [
        ("transpose", ("n1_Transpose",)),
        ("depthwise convolution", ("n0_Pad", "n2_Conv")),
    ]


def test_each_shape_has_its_plan(tmp_path):
    path = tmp_path / "profile.json"
    created = session(network(), path)
    shapes = [(1, 32, size, 14) for size in range(8, 28)]  # more than the plans that are kept
    for shape in (*shapes, *shapes[:3]):
        run(created, shape)
    del created
    (region,) = read_profile(path).regions
    assert [plan.inputs for plan in region.plans] == [(shape,) for shape in shapes[:16]]
    assert [plan.runs for plan in region.plans] == [2, 2, 2] + 13 * [1]
    assert region.left_out == 4


def test_regions_of_a_session_share_a_file(tmp_path):
    path = tmp_path / "profile.json"
    created = session(network(cut=True), path)
    run(created)
    del created
    first, second = read_profile(path).regions
    assert first.name != second.name
    nodes = [[step.nodes for step, _ in region.plans[0].steps] for region in (first, second)]
    assert sorted(nodes) == [
        [("n0_Conv", "n1_Clip"), ("n2_Conv",)],
        # Two inputs of unknown sizes, of which nothing says that they are equal.
        [("n4_Conv",), ("n5_Add",), ("n6_MaxPool",), ("n7_Concat",)],
    ]


def test_two_sessions(tmp_path):
    paths = [tmp_path / "one.json", tmp_path / "two.json"]
    created = [session(network(), path) for path in paths]
    for number, one in enumerate(created):
        for _ in range(number + 1):
            run(one)
    del one
    while created:
        created.pop()
    assert [only_plan(read_profile(path)).runs for path in paths] == [1, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_at_the_same_time(tmp_path, threads):
    path = tmp_path / "profile.json"
    created = session(network(), path, threads=threads)
    with ThreadPoolExecutor(2) as pool:
        begin = time.perf_counter()
        results = list(pool.map(run, [created] * 400))
        wall = (time.perf_counter() - begin) * 1e6
    assert all(np.array_equal(result, results[0]) for result in results)
    del created
    plan = only_plan(read_profile(path))
    assert plan.runs == 400
    assert total_of_steps(plan) <= plan.time.total <= 2 * wall


def test_nothing_is_written_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    created = session(network(), None)
    run(created)
    del created
    assert not [*tmp_path.iterdir()]


def test_a_file_that_cannot_be_written(tmp_path, capfd):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("ort_sparse.regions_profile", str(tmp_path / "no" / "file"))
    created = ort_sparse.session(network(), options, regions="all")
    message = "ort_sparse.regions_profile: profile of regions"
    assert message in capfd.readouterr().err
    expected = run(session(network(), None))
    assert np.array_equal(run(created), expected)
    del created
    assert message not in capfd.readouterr().err  # once is enough


def test_a_folder_that_is_gone_at_the_end(tmp_path, capfd):
    folder = tmp_path / "folder"
    folder.mkdir()
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("ort_sparse.regions_profile", str(folder / "profile.json"))
    created = ort_sparse.session(network(), options, regions="all")
    run(created)
    (folder / "profile.json").unlink()
    folder.rmdir()
    del created
    assert "cannot be written: No such file or directory" in capfd.readouterr().err
