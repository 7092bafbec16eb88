"""Graph rewriting: ordinary ONNX models to models with SparseConv1x1, and back.

Each pass is one rewrite in one file; `sparsify` and `densify` run those that belong together.
"""

from .cancel_transposes import CancelTransposesPass
from .choice import LayerChoice, LayerCost, choose_layers
from .densify import DensifyPass
from .fuse_activation import FuseActivationPass
from .fuse_affine import FuseAffinePass
from .fuse_residual import FuseResidualPass
from .other_layers import OtherLayer, find_other_layers
from .pipeline import densify, predict_choices, sparsify, to_model_proto, widen_float16
from .repair import RepairPass, complete_imports, make_inputs_constant
from .replace_pointwise import ReplacePointwisePass
from .report import LayerReport
from .store_float16 import StoreFloat16Pass
from .widen_float16 import WidenFloat16Pass

__all__ = [
    "CancelTransposesPass",
    "DensifyPass",
    "FuseActivationPass",
    "FuseAffinePass",
    "FuseResidualPass",
    "LayerChoice",
    "LayerCost",
    "LayerReport",
    "OtherLayer",
    "RepairPass",
    "ReplacePointwisePass",
    "StoreFloat16Pass",
    "WidenFloat16Pass",
    "choose_layers",
    "complete_imports",
    "densify",
    "find_other_layers",
    "make_inputs_constant",
    "predict_choices",
    "sparsify",
    "to_model_proto",
    "widen_float16",
]
