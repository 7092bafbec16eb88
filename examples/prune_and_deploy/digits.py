"""The task: handwritten digits, which scikit-learn carries, as images of 32 x 32 pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

CLASSES = 10
SIZE = 32
"""Height and width of an image: four pixels for each of the data set's 8 x 8."""

BACKGROUND = -1.0
"""Value of a pixel without ink."""

TEST_SHARE = 1 / 3


class Images(NamedTuple):
    """Images and what they show.

    Parameters
    ----------
    pixels : float32 array [n, 1, 32, 32]
        Between -1 and 1.
    labels : int64 array [n]
        0 to 9.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]


def load() -> tuple[Images, Images]:
    """Return the images to train on, 1198, and those to test on, 599; the same every time."""
    digits = load_digits()
    scale = SIZE // digits.images.shape[1]
    pixels = (digits.images / 8 - 1).astype(np.float32)
    pixels = pixels.repeat(scale, axis=1).repeat(scale, axis=2)[:, None]
    train_pixels, test_pixels, train_labels, test_labels = train_test_split(
        pixels, digits.target, test_size=TEST_SHARE, stratify=digits.target, random_state=0
    )
    return Images(train_pixels, train_labels), Images(test_pixels, test_labels)
