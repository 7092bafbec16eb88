"""What examples/ray does without Ray: decoding whatever comes, and models of every layout."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "ray"
MODULES = ("sample", "image_classification.images", "image_classification.model")


@pytest.fixture
def example(monkeypatch):
    """The example's modules that need no Ray."""
    monkeypatch.syspath_prepend(EXAMPLE)
    sample, images, model = map(importlib.import_module, MODULES)
    yield SimpleNamespace(
        sample=sample,
        decode=images.decode,
        images=images,
        Model=model.Model,
        ModelError=model.ModelError,
    )
    for name in (*MODULES, "image_classification"):
        del sys.modules[name]


def jpeg(seed: int = 0, size: tuple[int, int] = (80, 87), mode: str = "RGB") -> bytes:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
    stream = io.BytesIO()
    coarse.resize(size, Image.BICUBIC).convert(mode).save(stream, "JPEG", quality=95)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_images_of_every_kind_are_resized(example, mode):
    data = jpeg(size=(400, 300), mode=mode)
    found = example.decode(data, 30, 40, 3)
    assert (found.shape, found.dtype) == ((30, 40, 3), np.uint8)
    exact = Image.open(io.BytesIO(data)).convert("RGB").resize((40, 30), Image.BOX)
    # A picture this soft looks the same, however it was made smaller.
    assert np.abs(found.astype(float) - np.asarray(exact)).mean() < 3
    gray = example.decode(data, 30, 40, 1)
    assert np.abs(gray[..., 0].astype(float) - np.asarray(exact.convert("L"))).mean() < 3


def test_what_is_no_image_has_a_reason(example, monkeypatch):
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(stream, "PNG")
    png = stream.getvalue()
    for data, reason in (
        (b"", "no bytes at all"),
        (b"hello", "in no format that can be read$"),
        (jpeg()[:600], "Truncated"),
        (png[:5000] + b"\0\0\0" + png[5003:], "no image: "),
    ):
        with pytest.raises(example.images.ImageError, match=reason):
            example.decode(data, 8, 8, 3)
    monkeypatch.setattr(example.images, "MAX_PIXELS", 64 * 63)
    with pytest.raises(example.images.ImageError, match=r"too large: .* 64 x 64"):
        example.decode(png, 8, 8, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_models_of_every_layout(example, channels, channels_last, fixed):
    network = example.sample.network(size=32, width=0.125, classes=5, channels=channels)
    graph = network.graph
    if fixed:
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    plain = example.Model(network.SerializeToString(), threads=1)
    if channels_last:
        turned = onnx.helper.make_node("Transpose", ["given"], ["image"], perm=[0, 3, 1, 2])
        graph.node.insert(0, turned)
        dims = graph.input[0].type.tensor_type.shape.dim
        sizes = [dims[0].dim_value or "batch", 32, 32, channels]
        graph.input[0].CopyFrom(
            onnx.helper.make_tensor_value_info("given", onnx.TensorProto.FLOAT, sizes)
        )
    model = example.Model(network.SerializeToString(), threads=1)
    assert model.input.channels_last == channels_last
    assert (model.input.channels, model.input.batch) == (channels, 2 if fixed else None)
    photos = np.stack([model.decode(jpeg(number)) for number in range(5)])
    assert photos.shape == (5, 32, 32, channels)
    each = np.concatenate([plain.scores(photo[None]) for photo in photos])
    np.testing.assert_allclose(model.scores(photos), each, rtol=1e-4)


def test_other_models_are_refused(example):
    network = example.sample.network(size=32, width=0.125, channels=2)
    with pytest.raises(example.ModelError, match=r"1 or 3 channels .* image: tensor\(float\)"):
        example.Model(network.SerializeToString(), threads=1)


def test_scores_that_are_not_finite_are_an_error(example):
    network = example.sample.network(size=32, width=0.125, classes=5)
    bias = next(each for each in network.graph.initializer if each.dims == [5])
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(5, np.nan, np.float32), bias.name))
    model = example.Model(network.SerializeToString(), threads=1)
    with pytest.raises(example.ModelError, match="must be finite"):
        model.scores(np.zeros((1, 32, 32, 3), np.uint8))
