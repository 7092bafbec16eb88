"""Options are checked once, before any work is done, wherever they come from."""

from __future__ import annotations

import pytest

import ort_sparse
from ort_sparse import InvalidArgumentError
from ort_sparse.conversion import convert_and_report
from ort_sparse.options import ComparisonOptions, ConvertOptions

CASES = {
    "layers": ({"layers": "some"}, "layers: must be 'auto' or 'all', but is 'some'"),
    "layers to tune": ({"layers": "all", "tune": True}, "layers: must be 'auto' to be tuned"),
    "min_sparsity": ({"min_sparsity": 1.5}, r"min_sparsity: must lie in 0\.\.1, but is 1.5"),
    "min_sparsity in percent": ({"min_sparsity": 90}, r"but is 90; 90 % is 0\.9"),
    "min_sparsity NaN": ({"min_sparsity": float("nan")}, "min_sparsity: must lie"),
    "block_rows": ({"block_rows": 3}, "block_rows: must be one of 1, 2, 4 or 'auto', but is 3"),
    "opset": ({"opset": 12}, "opset: must be one of 13, 14, 15, 16, 17, 18 for TFLite models"),
    "tolerance": ({"tolerance": -1}, "tolerance: must be at least 0, but is -1"),
    "tolerance NaN": ({"tolerance": float("nan")}, "tolerance: must be at least 0, but is nan"),
    "seed": ({"seed": -1}, "seed: must be a whole number of at least 0, but is -1"),
    "batch": ({"batch": 0}, "batch: must be a whole number of at least 1, but is 0"),
    "batch of a half": ({"batch": 0.5}, "batch: must be a whole number of at least 1"),
    "shapes": ({"shapes": [1, 77]}, r"shapes: must map names of inputs to shapes, but is \[1, 77"),
    "a size": ({"shapes": {"x": (1, -1)}}, r"shapes: the shape of input 'x' must be .* \(1, -1\)"),
    "no sizes": ({"shapes": {"x": 77}}, "shapes: the shape of input 'x' must be .* but is 77"),
}


@pytest.mark.parametrize(("options", "message"), CASES.values(), ids=CASES.keys())
def test_every_option_is_checked_before_the_model_is_read(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ConvertOptions(**options)
    with pytest.raises(InvalidArgumentError, match=message):
        ort_sparse.convert("there is no such file", **options)


def test_options_without_meaning_for_the_source(tmp_path):
    with pytest.raises(InvalidArgumentError, match="a: opset must be given for TFLite models only"):
        ConvertOptions(opset=17).check_source("a", is_tflite=False)
    with pytest.raises(InvalidArgumentError, match=r"signature must .* but this is an ONNX model"):
        ConvertOptions(signature="s").check_source("a", is_tflite=False)
    with pytest.raises(InvalidArgumentError, match="keep_weight_inputs must be given for ONNX"):
        ConvertOptions(keep_weight_inputs=True).check_source("a", is_tflite=True)
    ConvertOptions(opset=17, signature="s", inputs_as_nchw=True).check_source("a", is_tflite=True)
    ConvertOptions(keep_weight_inputs=True).check_source("a", is_tflite=False)
    path = tmp_path / "damaged.tflite"
    path.write_bytes(b"\0\0\0\0TFL3")
    with pytest.raises(InvalidArgumentError, match="keep_weight_inputs"):
        convert_and_report(path, ConvertOptions(keep_weight_inputs=True))


def test_options_do_not_change():
    with pytest.raises(AttributeError):
        ComparisonOptions().seed = 1


def test_convert_has_every_option():
    """`convert` spells out, with the same defaults, what ConvertOptions has."""
    import inspect
    from dataclasses import MISSING, fields

    parameters = dict(inspect.signature(ort_sparse.convert).parameters)
    del parameters["source"]
    assert parameters.keys() == {option.name for option in fields(ConvertOptions)}
    for option in fields(ConvertOptions):
        default = None if option.default is MISSING else option.default
        assert parameters[option.name].default == default
