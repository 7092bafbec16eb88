"""TFLite files of TensorFlow's own converter, made in a process that imports TensorFlow.

``python tensorflow_models.py FOLDER`` writes them all, since to import TensorFlow takes longer than
to make one; `build` does so once a session of tests.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESOLUTION = 16
CLASSES = 40  # fewer weights than 1024 stay floats


def build(name: str) -> bytes:
    """Return the file that the function ``name`` of this module describes."""
    return _build_all()[name]


@functools.cache
def _build_all() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, __file__, folder]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
        return {file.stem: file.read_bytes() for file in Path(folder).glob("*.tflite")}


def two_signatures() -> bytes:
    """``encode`` and ``decode``; the second is subgraph 0."""
    return _two_functions("encode")


def default_signature() -> bytes:
    """``serving_default`` and ``decode``; the second is subgraph 0."""
    return _two_functions("serving_default")


def variable() -> bytes:
    """A counter that is added to x."""
    import tensorflow as tf

    class Counter(tf.Module):
        def __init__(self) -> None:
            self.count = tf.Variable(np.zeros(8, np.float32), name="count")

        @tf.function(input_signature=[tf.TensorSpec((1, 8), tf.float32, "x")])
        def step(self, x: Any) -> Any:
            return {"y": x + self.count.assign_add(tf.ones(8))}

    module = Counter()
    return _save_and_convert(
        module,
        {"serving_default": module.step},
        lambda converter: setattr(converter, "experimental_enable_resource_variables", True),
    )


def gelu() -> bytes:
    """What Keras writes for ``activation="gelu"``."""
    return _convert(_network("gelu"))


def gelu_tanh() -> bytes:
    """The approximate form."""
    import tensorflow as tf

    return _convert(_network(lambda x: tf.nn.gelu(x, approximate=True)))


def dynamic_range() -> bytes:
    """The recipe for sparse int8 weights; LiteRT quantizes activations when it runs."""
    return _convert(_network("relu6"), _quantize)


def full_integer() -> bytes:
    """int8 activations, between floats at both ends."""
    return _convert(_network("relu6"), lambda converter: _quantize(converter, images))


def full_integer_inputs() -> bytes:
    """The same, with uint8 images and classes."""

    def configure(converter: Any) -> None:
        import tensorflow as tf

        _quantize(converter, images)
        converter.inference_input_type = converter.inference_output_type = tf.uint8

    return _convert(_network("relu6"), configure)


def int16() -> bytes:
    """int16 activations."""

    def configure(converter: Any) -> None:
        import tensorflow as tf

        _quantize(converter, images)
        kinds = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            kinds.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]

    return _convert(_network("relu6"), configure)


def _quantize(converter: Any, examples: Callable[[], Any] | None = None) -> None:
    import tensorflow as tf

    recipe = tf.lite.Optimize
    converter.optimizations = [recipe.EXPERIMENTAL_SPARSITY, recipe.DEFAULT]
    if examples is not None:
        converter.representative_dataset = examples


def _two_functions(first: str) -> bytes:
    import tensorflow as tf

    rng = np.random.default_rng(0)

    class Codec(tf.Module):
        def __init__(self) -> None:
            self.down = tf.Variable(_sparse(rng, 64, 48))
            self.up = tf.Variable(_sparse(rng, 48, 32))

        @tf.function(input_signature=[tf.TensorSpec((None, 64), tf.float32, "image")])
        def encode(self, image: Any) -> Any:
            return {"code": tf.nn.relu(image @ self.down)}

        @tf.function(
            input_signature=[
                tf.TensorSpec((None, 48), tf.float32, "code"),
                tf.TensorSpec((None, 32), tf.float32, "bias"),
            ]
        )
        def decode(self, code: Any, bias: Any) -> Any:
            return {"image": tf.nn.sigmoid(code @ self.up + bias)}

    module = Codec()
    return _save_and_convert(module, {first: module.encode, "decode": module.decode})


def _save_and_convert(
    module: Any, functions: dict[str, Any], configure: Callable[[Any], None] = lambda _: None
) -> bytes:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures=functions)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(functions))
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        configure(converter)
        return bytes(converter.convert())


def _network(activation: Any) -> Any:
    """A small separable network with 85 % zeros in its 1x1 convolutions."""
    import tensorflow as tf

    layers = tf.keras.layers
    x = image = tf.keras.Input((RESOLUTION, RESOLUTION, 3), batch_size=1, name="image")
    x = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu6")(x)
    for _ in range(3):
        x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
        shortcut = x = layers.Conv2D(64, 1)(x)
        x = layers.Activation(activation)(x)
        x = layers.Add()([layers.Conv2D(64, 1)(x), shortcut])
    x = layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(image, layers.Dense(CLASSES)(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if layer.get_weights():
            weights, bias = layer.get_weights()
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            fan_in = np.prod(weights.shape[:2]) if depthwise else weights[..., 0].size
            drawn = rng.standard_normal(weights.shape) / np.sqrt(fan_in)
            if weights.shape[:2] == (1, 1):
                drawn *= rng.random(weights.shape) >= 0.85
            layer.set_weights([drawn, 0.1 * rng.standard_normal(bias.shape)])
    return model


def _convert(model: Any, configure: Callable[[Any], None] = lambda _: None) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    configure(converter)
    return bytes(converter.convert())


def _sparse(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    values = rng.standard_normal(shape) * (rng.random(shape) >= 0.8)
    return values.astype(np.float32)


def images() -> Iterator[list[NDArray[np.float32]]]:
    """Yield what activations are calibrated on."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        yield [rng.uniform(-1, 1, (1, RESOLUTION, RESOLUTION, 3)).astype(np.float32)]


MODELS = (
    two_signatures,
    default_signature,
    variable,
    gelu,
    gelu_tanh,
    dynamic_range,
    full_integer,
    full_integer_inputs,
    int16,
)

if __name__ == "__main__":
    for model in MODELS:
        Path(sys.argv[1], f"{model.__name__}.tflite").write_bytes(model())
