"""The operator ``SparseConv1x1``: names, schema, and how its parts become a node and back.

``docs/SparseConv1x1.md`` specifies the operator. The names here serve the converter, the
checker and the tests; the native library is tested against them.
"""

from __future__ import annotations

import atexit
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.defs import OpSchema

from .bcsr import BlockCSR
from .errors import InvalidArgumentError

__all__ = [
    "ACTIVATIONS",
    "DOMAIN",
    "INPUTS",
    "OP_TYPE",
    "OP_VERSION",
    "Activation",
    "SparseConv1x1",
    "read_layers",
    "register_schema",
]

DOMAIN = "ort_sparse"
OP_TYPE = "SparseConv1x1"
OP_VERSION = 1

INPUTS = ("X", "values", "indices", "indptr", "bias", "residual", "slope")
"""Inputs in order. ``bias``, ``residual`` and ``slope`` are optional; all but X and ``residual``
must be constant."""

ACTIVATIONS = ("none", "clip", "hard_swish", "silu", "sigmoid", "leaky_relu", "prelu")
"""Values of the attribute ``activation``."""

MAX_RANK = 5

AttributeValue = int | float | str | list[int]


@dataclass(frozen=True)
class Activation:
    """The function applied to each output value.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    minimum, maximum : float
        Bounds of ``clip``. ReLU is ``(0, inf)``, ReLU6 is ``(0, 6)``.
    alpha : float
        Slope of ``leaky_relu`` below zero.

    Raises
    ------
    InvalidArgumentError
        If the name is unknown, or ``minimum`` is not at most ``maximum``.
    """

    name: str = "none"
    minimum: float = -np.inf
    maximum: float = np.inf
    alpha: float = 0.01

    def __post_init__(self) -> None:
        if self.name not in ACTIVATIONS:
            raise InvalidArgumentError(
                f"activation: must be one of {', '.join(ACTIVATIONS)}, but is {self.name!r}"
            )
        if self.name == "clip" and not self.minimum <= self.maximum:
            raise InvalidArgumentError(
                "activation_min: must be at most activation_max, "
                f"but they are {self.minimum} and {self.maximum}"
            )

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the node attributes that say this; defaults are left out."""
        if self.name == "none":
            return {}
        result: dict[str, AttributeValue] = {"activation": self.name}
        if self.name == "clip":
            if self.minimum != -np.inf:
                result["activation_min"] = float(self.minimum)
            if self.maximum != np.inf:
                result["activation_max"] = float(self.maximum)
        elif self.name == "leaky_relu":
            result["activation_alpha"] = float(self.alpha)
        return result


@dataclass(frozen=True, eq=False)
class SparseConv1x1:
    """Everything that one node of the operator holds: attributes and constant inputs.

    Parameters
    ----------
    weights : BlockCSR
        Output channels by input channels.
    bias : ndarray, shape (output channels,), float32 or float16, optional
    slope : ndarray, shape (output channels,), float32 or float16, optional
        Slope of ``prelu`` below zero; required by that activation and by no other.
    strides : sequence of int
        One positive stride for each spatial axis, or empty for all ones.
    activation : Activation

    Raises
    ------
    InvalidArgumentError
        If the parts contradict each other.
    """

    weights: BlockCSR
    bias: NDArray[Any] | None = None
    slope: NDArray[Any] | None = None
    strides: tuple[int, ...] = ()
    activation: Activation = field(default_factory=Activation)

    def __post_init__(self) -> None:
        rows = self.weights.shape[0]
        for name in ("bias", "slope"):
            array = getattr(self, name)
            if array is None:
                continue
            if array.shape != (rows,) or array.dtype not in (np.float32, np.float16):
                raise InvalidArgumentError(
                    f"{name}: must be float32 or float16 of shape {(rows,)}, "
                    f"but is {array.dtype} of shape {array.shape}"
                )
        if (self.slope is not None) != (self.activation.name == "prelu"):
            raise InvalidArgumentError(
                "slope: must be given with activation prelu and with no other, "
                f"but activation is {self.activation.name}"
            )
        in_range = all(1 <= stride < 2**31 for stride in self.strides)
        if not in_range or len(self.strides) > MAX_RANK - 2:
            raise InvalidArgumentError(
                f"strides: must be at most {MAX_RANK - 2} positive numbers, which fit int32, "
                f"but are {self.strides}"
            )

    def attributes(self) -> dict[str, AttributeValue]:
        """Return the attributes of the node; defaults are left out."""
        result: dict[str, AttributeValue] = {"in_channels": self.weights.shape[1]}
        if self.weights.block_rows != 1:
            result["block_rows"] = self.weights.block_rows
        if any(stride != 1 for stride in self.strides):
            result["strides"] = list(self.strides)
        return result | self.activation.attributes()

    def constants(self) -> dict[str, NDArray[Any]]:
        """Return the constant inputs by name, in the order of `INPUTS`."""
        weights = self.weights
        result = {
            "values": weights.values,
            "indices": weights.indices,
            "indptr": weights.indptr,
        }
        if self.bias is not None:
            result["bias"] = self.bias
        if self.slope is not None:
            result["slope"] = self.slope
        return result

    @classmethod
    def from_node(
        cls, attributes: Mapping[str, Any], constants: Mapping[str, NDArray[Any]]
    ) -> SparseConv1x1:
        """Rebuild the parts from what `attributes` and `constants` return.

        Raises
        ------
        InvalidArgumentError
            If something is missing or contradicts the operator's specification.
        """
        for name in ("values", "indices", "indptr"):
            if name not in constants:
                raise InvalidArgumentError(f"{name}: must be a constant, but is none")
        if "in_channels" not in attributes:
            raise InvalidArgumentError("in_channels: must be given, but is missing")
        block_rows = int(attributes.get("block_rows", 1))
        rows = (constants["indptr"].size - 1) * block_rows
        weights = BlockCSR(
            values=constants["values"],
            indices=constants["indices"],
            indptr=constants["indptr"],
            shape=(rows, int(attributes["in_channels"])),
            block_rows=block_rows,
        )
        default = Activation()
        return cls(
            weights=weights,
            bias=constants.get("bias"),
            slope=constants.get("slope"),
            strides=tuple(attributes.get("strides", ())),
            activation=Activation(
                name=attributes.get("activation", default.name),
                minimum=attributes.get("activation_min", default.minimum),
                maximum=attributes.get("activation_max", default.maximum),
                alpha=attributes.get("activation_alpha", default.alpha),
            ),
        )


def read_layers(model: onnx.ModelProto) -> dict[str, SparseConv1x1]:
    """Return what the SparseConv1x1 nodes of a model hold, by name."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    return {
        node.name: SparseConv1x1.from_node(
            {
                attribute.name: _plain(onnx.helper.get_attribute_value(attribute))
                for attribute in node.attribute
            },
            {
                name: onnx.numpy_helper.to_array(constants[value])
                for name, value in zip(INPUTS, node.input, strict=False)
                if value in constants
            },
        )
        for node in model.graph.node
        if node.domain == DOMAIN
    }


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


_DOC = """
A sparse 1x1 convolution, fully connected layer or grouped 1x1 convolution:
`Y[n, m, p] = act(sum_k W[m, k] * X[n, k, p * strides] + bias[m] + residual[n, m, p])`,
where the weights W are a block-CSR matrix with blocks of `block_rows` output channels by one
input channel. docs/SparseConv1x1.md of the project ort_sparse specifies it in full.
"""


def register_schema() -> None:
    """Make the operator known to ``onnx.checker`` and ``onnx.shape_inference``.

    Calling it again does nothing. `ort_sparse.convert` and the command line call it themselves.
    """
    if not onnx.defs.has(OP_TYPE, DOMAIN):
        onnx.defs.register_schema(schema())
        # Before 1.23, onnx crashes or hangs if it still has a Python function when Python ends.
        atexit.register(onnx.defs.deregister_schema, OP_TYPE, OP_VERSION, DOMAIN)


@functools.cache
def schema() -> OpSchema:
    """Return the operator's ONNX schema."""
    formal, option = OpSchema.FormalParameter, OpSchema.FormalParameterOption
    attribute, kind = OpSchema.Attribute, OpSchema.AttrType
    default = Activation()
    result = OpSchema(
        OP_TYPE,
        DOMAIN,
        OP_VERSION,
        _DOC,
        inputs=[
            formal("X", "T", "Input, (N, in_channels) or (N, in_channels, D1, ...), rank 2 to 5."),
            formal("values", "TV", "Blocks, (blocks, block_rows). Constant."),
            formal("indices", "TI", "Input channel of each block, (blocks,). Constant."),
            formal("indptr", "TP", "First block of each block row, (block rows + 1,). Constant."),
            formal("bias", "TB", "(output channels,). Constant.", param_option=option.Optional),
            formal(
                "residual",
                "T",
                "Added before the activation; shape of Y.",
                param_option=option.Optional,
            ),
            formal(
                "slope",
                "TS",
                "Slopes of prelu, (output channels,). Constant.",
                param_option=option.Optional,
            ),
        ],
        outputs=[formal("Y", "T", "Output, (N, output channels, E1, ...).")],
        type_constraints=[
            ("T", ["tensor(float)"], "Activations are float32."),
            ("TV", ["tensor(float)", "tensor(float16)"], "Weights; computed in float32."),
            ("TI", ["tensor(uint8)", "tensor(uint16)", "tensor(int32)"], "Channel numbers."),
            ("TP", ["tensor(uint8)", "tensor(uint16)", "tensor(int32)"], "Block numbers."),
            ("TB", ["tensor(float)", "tensor(float16)"], "Bias; computed in float32."),
            ("TS", ["tensor(float)", "tensor(float16)"], "Slopes; computed in float32."),
        ],
        attributes=[
            attribute("in_channels", kind.INT, "Number of input channels.", required=True),
            _attribute("block_rows", 1, "Height of a block in output channels."),
            attribute(
                "strides",
                kind.INTS,
                "Stride along each spatial axis; ones by default.",
                required=False,
            ),
            _attribute("activation", default.name, f"One of {', '.join(ACTIVATIONS)}."),
            _attribute("activation_min", default.minimum, "Lower bound of clip."),
            _attribute("activation_max", default.maximum, "Upper bound of clip."),
            _attribute("activation_alpha", default.alpha, "Slope of leaky_relu below zero."),
        ],
    )
    result.set_type_and_shape_inference_function(_infer_shape)
    return result


def _attribute(name: str, default: AttributeValue, description: str) -> OpSchema.Attribute:
    return OpSchema.Attribute(name, onnx.helper.make_attribute(name, default), description)


def _infer_shape(context: onnx.shape_inference.InferenceContext) -> None:
    """Set the type of Y from the types of X and indptr; unknown dimensions stay unknown."""
    output = onnx.TypeProto()
    output.tensor_type.elem_type = onnx.TensorProto.FLOAT
    x = context.get_input_type(0).tensor_type
    if x.HasField("shape") and len(x.shape.dim) >= 2:
        attribute = context.get_attribute("strides")
        strides = list(attribute.ints) if attribute is not None else []
        shape = output.tensor_type.shape
        shape.dim.add().CopyFrom(x.shape.dim[0])
        channels = shape.dim.add()
        indptr = context.get_input_type(3).tensor_type.shape.dim
        if len(indptr) == 1 and indptr[0].HasField("dim_value"):
            attribute = context.get_attribute("block_rows")
            block_rows = attribute.i if attribute is not None else 1
            channels.dim_value = (indptr[0].dim_value - 1) * block_rows
        for axis, dim in enumerate(x.shape.dim[2:]):
            stride = strides[axis] if axis < len(strides) else 1
            if stride == 1:
                shape.dim.add().CopyFrom(dim)
            elif dim.HasField("dim_value"):
                shape.dim.add().dim_value = output_size(dim.dim_value, stride)
            else:
                shape.dim.add()
    context.set_output_type(0, output)


def output_size(size: int, stride: int) -> int:
    """Return the output size of a spatial axis: ceil(size / stride)."""
    return -(-size // stride)


def output_shape(x_shape: Sequence[int], rows: int, strides: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of Y for an X of shape ``x_shape`` and ``rows`` output channels."""
    spatial = x_shape[2:]
    steps = strides or (1,) * len(spatial)
    return (x_shape[0], rows, *(output_size(n, s) for n, s in zip(spatial, steps, strict=True)))
