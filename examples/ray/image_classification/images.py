"""From the bytes of an image file to what a network takes; whatever the bytes are."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 50_000_000
"""Images that claim more are refused before they are decoded."""

MODES = {1: "L", 3: "RGB"}
"""Pillow's name of an image with so many channels."""


class ImageError(ValueError):
    """The bytes are no image that can be read; the message says why."""


def decode(data: bytes, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Return an image, resized to what the network takes.

    Parameters
    ----------
    data : bytes
        A file in a format that Pillow knows: JPEG, PNG, WebP and others.
    height, width : int
        In pixels. The image is stretched to them.
    channels : {1, 3}
        Gray, or red, green and blue.

    Returns
    -------
    uint8 array [height, width, channels]

    Raises
    ------
    ImageError
        If this is not the whole of an image, or it has more than `MAX_PIXELS` pixels.
    """
    if not data:
        raise ImageError("no image: no bytes at all")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; what matters is an error
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > MAX_PIXELS:
                raise ImageError(
                    f"too large: may have {MAX_PIXELS} pixels, but has "
                    f"{image.width} x {image.height}"
                )
            # A JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, in a part of the time.
            image.draft(MODES[channels], (width, height))
            resized = image.convert(MODES[channels]).resize((width, height), Image.BILINEAR)
    except ImageError:
        raise
    except UnidentifiedImageError as error:  # its message names an object in memory
        raise ImageError("no image: in no format that can be read") from error
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"no image: {type(error).__name__}: {error}") from error
    return np.asarray(resized).reshape(height, width, channels)


def as_input(
    images: NDArray[np.uint8], scaling: Mapping[str, float], *, channels_last: bool
) -> NDArray[np.float32]:
    """Return ``(pixel - mean) / scale`` of images [n, height, width, channels], as float32.

    In this order where ``channels_last``, otherwise as [n, channels, height, width].
    """
    ordered = images if channels_last else np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    result = ordered.astype(np.float32)
    result -= np.float32(scaling["mean"])
    result /= np.float32(scaling["scale"])
    return result
