"""The layers that the networks are made of, with seeded weights.

A builder receives a `Layers` and calls its methods on tensors; it needs to know neither Keras
nor pruning. Every convolution is followed by a batch norm and an activation, unless it is told
otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .export import INPUT_NAME, import_tensorflow
from .prune import prune

__all__ = ["Layers", "Tensor", "divisible"]

Tensor = Any
"""A symbolic tensor of Keras, (batch, height, width, channels)."""

_LEAKY_SLOPE = 0.1
_EPSILON = 1e-3


def divisible(channels: float, divisor: int = 8) -> int:
    """Return the multiple of ``divisor`` nearest to ``channels``, but at least 90 % of it.

    This is how the authors of MobileNetV2, MobileNetV3 and EfficientNet round channel counts.
    """
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


class Layers:
    """Makes layers with weights drawn from one random generator.

    Weights are normal, and scaled (after pruning) so that inputs of unit variance give outputs of
    unit variance.

    Parameters
    ----------
    resolution : int
        Height and width of the input image in pixels.
    sparsity : float
        Share of zeros in the weights of pruned layers.
    rng : numpy.random.Generator

    Attributes
    ----------
    image : Tensor
        The input of the network, (batch, resolution, resolution, 3).
    """

    def __init__(self, resolution: int, sparsity: float, rng: np.random.Generator) -> None:
        self._tf = import_tensorflow()
        self._layer_count = 0
        self._sparsity = sparsity
        self._rng = rng
        self.image: Tensor = self._tf.keras.Input((resolution, resolution, 3), name=INPUT_NAME)

    def conv(
        self,
        x: Tensor,
        filters: int,
        size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] = 1,
        dilation: int = 1,
        act: str = "linear",
        norm: bool = True,
    ) -> Tensor:
        """Add a dense convolution; without batch norm it has a bias."""
        layer = self._layer(
            "Conv2D", filters, size, stride, "same", dilation_rate=dilation, use_bias=not norm
        )
        return self._finish(self._with_weights(layer, x, filters), act, norm)

    def pointwise(
        self,
        x: Tensor,
        filters: int,
        *,
        groups: int = 1,
        block_rows: int = 1,
        act: str = "linear",
        norm: bool = True,
    ) -> Tensor:
        """Add a pruned 1x1 convolution; without batch norm it has a bias."""
        layer = self._layer("Conv2D", filters, 1, groups=groups, use_bias=not norm)
        return self._finish(self._with_weights(layer, x, filters, block_rows), act, norm)

    def depthwise(
        self,
        x: Tensor,
        size: int | tuple[int, int] = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        act: str = "linear",
        norm: bool = True,
    ) -> Tensor:
        """Add a dense depthwise convolution without bias."""
        layer = self._layer(
            "DepthwiseConv2D", size, stride, "same", dilation_rate=dilation, use_bias=False
        )
        return self._finish(self._with_weights(layer, x, x.shape[-1]), act, norm)

    def upsampling_conv(self, x: Tensor, filters: int) -> Tensor:
        """Add a dense transposed 2x2 convolution of stride 2 with a bias."""
        layer = self._layer("Conv2DTranspose", filters, 2, 2)
        # Each of the four pixels that an input pixel becomes has a filter of its own.
        return self._with_weights(layer, x, 4 * filters)

    def fully_connected(self, x: Tensor, units: int, *, pruned: bool = False) -> Tensor:
        """Add a fully connected layer with a bias, dense or pruned."""
        layer = self._layer("Dense", units)
        return self._with_weights(layer, x, units, 1 if pruned else None)

    def squeeze_excite(
        self, x: Tensor, reduced: int, act: str = "relu", gate: str = "hard_sigmoid"
    ) -> Tensor:
        """Scale channels by a gate computed from their means (arXiv:1709.01507), pruned."""
        s = self.global_pool(x, keep_dims=True)
        s = self.pointwise(s, reduced, act=act, norm=False)
        s = self.pointwise(s, x.shape[-1], act=gate, norm=False)
        return self._layer("Multiply")([x, s])

    def batch_norm(self, x: Tensor) -> Tensor:
        """Normalise each channel; `calibrate` sets the statistics."""
        layer = self._layer("BatchNormalization", momentum=0.0, epsilon=_EPSILON)
        y = layer(x)
        channels = x.shape[-1]
        layer.gamma.assign(self._rng.uniform(0.8, 1.2, channels))
        layer.beta.assign(self._rng.normal(0, 0.1, channels))
        return y

    def activation(self, x: Tensor, name: str) -> Tensor:
        """Apply an activation function by its Keras name, or ``prelu``, or ``leaky_relu``."""
        if name == "prelu":
            layer = self._layer("PReLU", shared_axes=[1, 2])
            y = layer(x)
            layer.alpha.assign(self._rng.uniform(0.1, 0.4, layer.alpha.shape))
            return y
        if name == "leaky_relu":
            return self._layer("LeakyReLU", _LEAKY_SLOPE)(x)
        return self._layer("Activation", name)(x)

    def add(self, *tensors: Tensor) -> Tensor:
        """Add tensors of one shape."""
        return self._layer("Add")(list(tensors))

    def concat(self, *tensors: Tensor) -> Tensor:
        """Join tensors along the channels."""
        return self._layer("Concatenate")(list(tensors))

    def max_pool(
        self, x: Tensor, size: int | tuple[int, int], stride: int | tuple[int, int]
    ) -> Tensor:
        """Pool with padding."""
        return self._layer("MaxPooling2D", size, stride, "same")(x)

    def avg_pool(self, x: Tensor, size: int, stride: int) -> Tensor:
        """Pool with padding, which does not count."""
        return self._layer("AveragePooling2D", size, stride, "same")(x)

    def global_pool(self, x: Tensor, *, keep_dims: bool = False) -> Tensor:
        """Average over the pixels."""
        return self._layer("GlobalAveragePooling2D", keepdims=keep_dims)(x)

    def flatten(self, x: Tensor) -> Tensor:
        """Join height, width and channels to one axis."""
        return self._layer("Flatten")(x)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cut the channels into halves."""
        halves = self._layer("Lambda", lambda t: self._tf.split(t, 2, axis=-1))(x)
        return halves[0], halves[1]

    def shuffle(self, x: Tensor, groups: int) -> Tensor:
        """Interleave the channels of ``groups`` groups (arXiv:1707.01083, section 3.1)."""
        _, height, width, channels = x.shape
        x = self._layer("Reshape", (height, width, groups, channels // groups))(x)
        x = self._layer("Permute", (1, 2, 4, 3))(x)
        return self._layer("Reshape", (height, width, channels))(x)

    def _layer(self, kind: str, *arguments: Any, **options: Any) -> Any:
        """Make a Keras layer; its own name keeps files equal whatever was built before."""
        self._layer_count += 1
        name = f"{kind.lower()}_{self._layer_count}"
        return getattr(self._tf.keras.layers, kind)(*arguments, name=name, **options)

    def _finish(self, x: Tensor, act: str, norm: bool) -> Tensor:
        if norm:
            x = self.batch_norm(x)
        return x if act == "linear" else self.activation(x, act)

    def _with_weights(
        self, layer: Any, x: Tensor, filters: int, block_rows: int | None = None
    ) -> Tensor:
        """Apply ``layer`` to ``x`` and fill its weights; prune them if ``block_rows`` is given."""
        y = layer(x)
        weights = self._rng.standard_normal(layer.kernel.shape, np.float32)
        if block_rows is not None:
            weights = self._pruned(weights, block_rows)
        squares_per_filter = np.square(weights).sum() / filters
        if squares_per_filter > 0:
            weights /= np.sqrt(squares_per_filter)
        layer.kernel.assign(weights)
        if layer.use_bias:
            layer.bias.assign(self._rng.normal(0, 0.1, layer.bias.shape))
        return y

    def _pruned(self, weights: NDArray[np.float32], block_rows: int) -> NDArray[np.float32]:
        """Prune weights of shape (..., input channels, output channels)."""
        matrix = weights.reshape(-1, weights.shape[-1]).T
        return prune(matrix, self._sparsity, block_rows).T.reshape(weights.shape)
