"""From a Keras network to the bytes of a sparse TFLite file."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from ort_sparse.errors import MissingDependencyError

__all__ = ["INPUT_NAME", "calibrate", "import_tensorflow", "to_tflite"]

INPUT_NAME = "float_image_input"
"""Name of the input tensor, as in the files of Fast Sparse ConvNets."""

_CALIBRATION_PIXELS = 256 * 32 * 32
"""Enough that layers at a 32nd of the resolution have 256 pixels to take statistics from."""


def import_tensorflow() -> Any:
    """Import and return TensorFlow.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module("tensorflow")
    except ImportError as error:
        raise MissingDependencyError(
            'building a network needs TensorFlow: pip install "ort_sparse[tflite]"'
        ) from error


def calibrate(model: Any, rng: np.random.Generator) -> None:
    """Set the statistics of each batch norm to those of one batch of random images.

    The batch norms have momentum 0, so that one pass in training mode replaces their statistics,
    and each layer sees an input that the layers before it have already normalised.
    """
    _, height, width, channels = model.input_shape
    images = math.ceil(_CALIBRATION_PIXELS / (height * width))
    batch = rng.standard_normal((images, height, width, channels), np.float32)
    model(batch, training=True)


def to_tflite(model: Any) -> bytes:
    """Convert a Keras model for batch 1 with TensorFlow's own converter, sparsity on.

    The converter stores each weight tensor of rank 2 or 4 with at least 30 % zeros in sparse
    form, behind a DENSIFY operator.
    """
    tf = import_tensorflow()
    image = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, INPUT_NAME)
    function = tf.function(lambda x: model(x, training=False), input_signature=[image])
    # Without a second argument the converter freezes the variables and keeps the input's name.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
    return bytes(converter.convert())
