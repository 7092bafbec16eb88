"""A model in ONNX Runtime, with ort_sparse: what batches and the service have in common."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import ort_sparse

from .images import MODES, as_input, decode

SCALING = MappingProxyType({"mean": 127.5, "scale": 127.5})
"""Pixels between -1 and 1."""


class ModelError(ValueError):
    """The model is not one that classifies images."""


class ImageInput(NamedTuple):
    """What a model takes.

    Parameters
    ----------
    name : str
    height, width, channels : int
    channels_last : bool
        Whether it wants [n, height, width, channels] rather than [n, channels, height, width].
    batch : int or None
        How many images at a time, where the model says so.
    """

    name: str
    height: int
    width: int
    channels: int
    channels_last: bool
    batch: int | None


class Model:
    """A session, and what it takes.

    Parameters
    ----------
    model : bytes
        An ONNX file, converted or not.
    threads : int
        ``intra_op_num_threads`` of the session.
    scaling : mapping
        ``mean`` and ``scale`` of pixels, see `images.as_input`.
    regions : {"auto", "all", "off"}, optional
        See `ort_sparse.register`.

    Raises
    ------
    ModelError
        If the model is none that takes images and gives one row of scores for each.
    """

    def __init__(
        self,
        model: bytes,
        *,
        threads: int,
        scaling: Mapping[str, float] = SCALING,
        regions: str | None = None,
    ) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort_sparse.session(model, options, regions=regions)
        self.input = image_input(self.session)
        self.scaling = dict(scaling)

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Return an image as the model takes it; see `images.decode`."""
        return decode(data, self.input.height, self.input.width, self.input.channels)

    def scores(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the scores [n, classes] of images [n, height, width, channels].

        Raises
        ------
        ModelError
            If they are not finite, or not one row an image.
        """
        pixels = as_input(images, self.scaling, channels_last=self.input.channels_last)
        step = self.input.batch or len(pixels)
        parts = []
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            filled = np.resize(part, (step, *part.shape[1:]))  # the last one may be too short
            (scores, *_) = self.session.run(None, {self.input.name: filled})
            parts.append(scores.reshape(step, -1)[: len(part)])
        result = np.concatenate(parts)
        if not np.isfinite(result).all():
            raise ModelError("scores: must be finite, but some are not")
        return result


def image_input(session: onnxruntime.InferenceSession) -> ImageInput:
    """Return what a model takes.

    Raises
    ------
    ModelError
        If that is not one float32 input of images of a fixed size.
    """
    rule = (
        "the model must have one float32 input [n, channels, height, width] or with channels last"
    )
    inputs = session.get_inputs()
    found = ", ".join(f"{each.name}: {each.type} {each.shape}" for each in inputs)
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ModelError(f"{rule}, but has {found}")
    batch, *image = inputs[0].shape
    channels_last = image[2] in MODES and image[0] not in MODES
    height, width, channels = image if channels_last else (*image[1:], image[0])
    sizes = (height, width)
    if channels not in MODES or not all(isinstance(size, int) for size in sizes):
        raise ModelError(f"{rule}, 1 or 3 channels and a fixed size, but has {found}")
    fixed = batch if isinstance(batch, int) else None
    return ImageInput(inputs[0].name, height, width, channels, channels_last, fixed)
