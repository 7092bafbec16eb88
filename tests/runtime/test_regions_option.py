"""`regions=` of `ort_sparse.session` and `ort_sparse.register`."""

from __future__ import annotations

import warnings

import numpy as np
import onnxruntime
import pytest
from models import sparse_model
from oracle import random_op, sparse_conv

import ort_sparse
from ort_sparse.claims import examine_regions
from ort_sparse.runtime import REGION_MODES

RULE = "must be one of auto, all, off, but is"
PROVIDER = "OrtSparseExecutionProvider"


def model():
    return sparse_model(random_op(np.random.default_rng(7)), [1, 24, 6, 6])


def options(entry=None):
    created = onnxruntime.SessionOptions()
    created.log_severity_level = 4
    if entry is not None:
        created.add_session_config_entry("ort_sparse.regions", entry)
    return created


@pytest.mark.parametrize("regions", [None, *REGION_MODES])
def test_every_mode_gives_the_same_numbers(regions):
    op = random_op(np.random.default_rng(7))
    session = ort_sparse.session(sparse_model(op, [1, 24, 6, 6]), regions=regions)
    x = np.random.default_rng(8).standard_normal((1, 24, 6, 6), np.float32)
    np.testing.assert_allclose(session.run(None, {"X": x})[0], sparse_conv(op, x), atol=1e-5)


@pytest.mark.parametrize("regions", ["", "on", "All", "\u00e9", 1])
def test_other_words_are_refused_alike(regions):
    for refuse in (
        lambda: ort_sparse.register(options(), regions=regions),
        lambda: ort_sparse.session(model(), regions=regions),
        lambda: ort_sparse.verify(model(), model(), regions=regions),
        lambda: examine_regions(model(), mode=regions),
    ):
        with pytest.raises(ort_sparse.InvalidArgumentError, match=f"^regions: {RULE}"):
            refuse()


@pytest.mark.parametrize("regions", ["on", "All", "\u00e9", "x" * 5000])
def test_the_library_has_the_same_rule(regions):
    with pytest.raises(Exception, match=rf"ort_sparse\.regions: {RULE}"):
        ort_sparse.session(model(), options(regions))


def test_the_environment_has_the_same_rule(monkeypatch):
    monkeypatch.setenv("ORT_SPARSE_REGIONS", "on")
    with pytest.raises(Exception, match=f"ORT_SPARSE_REGIONS: {RULE} 'on'"):
        ort_sparse.session(model())


def test_options_stay_as_they_were_registered():
    registered = options()
    ort_sparse.register(registered, regions="all")
    ort_sparse.register(registered, regions="all")
    ort_sparse.register(registered)
    with pytest.raises(ort_sparse.InvalidArgumentError, match=r"regions: must stay 'all', .*'off'"):
        ort_sparse.register(registered, regions="off")
    registered = options()
    ort_sparse.register(registered)
    with pytest.raises(ort_sparse.InvalidArgumentError, match=r"regions: must stay unset, .*'off'"):
        ort_sparse.session(model(), registered, regions="off")


def test_the_environment_says_what_nobody_else_says(monkeypatch):
    def claimed(regions=None):
        created = ort_sparse.session(model(), options(), regions=regions)
        return PROVIDER in created.get_providers()

    assert claimed()
    monkeypatch.setenv("ORT_SPARSE_REGIONS", "off")
    assert not claimed()
    assert claimed("all")
    monkeypatch.setenv("ORT_SPARSE_REGIONS", "all")
    assert claimed()


def test_a_list_of_providers_leaves_regions_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # ONNX Runtime would say that there were two choices
        created = ort_sparse.session(model(), providers=["CPUExecutionProvider"])
    assert created.get_providers() == ["CPUExecutionProvider"]
    x = np.zeros((1, 24, 6, 6), np.float32)
    assert created.run(None, {"X": x})[0].shape == (1, 16, 6, 6)


def test_examine_regions():
    report = examine_regions(model(), mode="all")
    assert (report.mode, report.claimed, report.claimed_nodes) == ("all", 1, 1)
    with pytest.raises(ort_sparse.InvalidArgumentError, match="regions: must be auto or all"):
        examine_regions(model(), mode="off")


def test_examine_regions_of_no_model(tmp_path):
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ort_sparse.InvalidModelError, match=r"bad\.onnx: onnxruntime cannot load"):
        examine_regions(path)
