"""The execution provider, on the ONNX Runtime that is installed."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from provider_models import converted_network, network
from provider_process import (
    GROUPS,
    ORDERS,
    assert_prints_the_output,
    build_host,
    find_runtime,
    run_cases,
    run_host,
)

from ort_sparse.regions import read_regions


@pytest.mark.parametrize("group", GROUPS)
def test_cases(group):
    run_cases(group)


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Path:
    return build_host(tmp_path_factory.mktemp("host"))


@pytest.mark.parametrize("make_model", [network, converted_network])
@pytest.mark.parametrize("order", ORDERS)
def test_c_application(order, make_model, host, tmp_path):
    model, report = tmp_path / "model.onnx", tmp_path / "report.json"
    onnx.save(make_model(), model)
    done = run_host(host, order, find_runtime(), model, report)
    assert_prints_the_output(done, model.read_bytes())
    # Before there is an environment, the provider has no place.
    assert report.exists() == (order != "late")
    if report.exists():
        assert any(region.claimed for region in read_regions(report).graphs[0].regions)
