"""The engines that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .environments import Environment


class Form(StrEnum):
    """What an engine reads."""

    DENSE = "dense.onnx"
    """Standard operators, zeros among the weights."""
    SPARSE = "sparse.onnx"
    """With SparseConv1x1, ``--layers auto``."""
    TFLITE = "model.tflite"
    """The file as it came. LiteRT expands sparse weights when it loads them, at no cost to runs."""


@dataclass(frozen=True)
class Engine:
    """An engine with its settings.

    Parameters
    ----------
    name : str
        What people call it.
    loader : str
        Its entry in ``worker.LOADERS``.
    form : Form
    environment : Environment, optional
        By default the one that this runs in.
    """

    name: str
    loader: str
    form: Form
    environment: Environment | None = None


BASELINE = Engine("ONNX Runtime", "onnxruntime", Form.DENSE)

_OPENVINO = Environment("openvino", ("openvino",))
_DEEPSPARSE = Environment("deepsparse", ("deepsparse==1.8.0", "numpy<2"), newest_python=(3, 11))

ENGINES = (
    BASELINE,
    Engine("LiteRT", "litert", Form.TFLITE),
    Engine("OpenVINO f32", "openvino_f32", Form.DENSE, _OPENVINO),
    Engine("OpenVINO default", "openvino", Form.DENSE, _OPENVINO),
    Engine("DeepSparse", "deepsparse", Form.DENSE, _DEEPSPARSE),
    Engine("ort_sparse", "ort_sparse", Form.SPARSE),
)
