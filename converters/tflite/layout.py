"""The layout of the tables in a TFLite file, as far as they hold or reach offsets.

Source: tensorflow/lite/schema/schema.fbs, whose notation and order of fields `LAYOUT` keeps.
Tables of operator options that are not listed hold plain numbers only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

__all__ = ["NUMBER_SIZES", "Field", "Vector", "fields_of"]

NUMBER_SIZES = {"bool": 1, "byte": 1, "ubyte": 1, "ushort": 2, "int": 4, "uint": 4, "float": 4} | {
    "long": 8,
    "ulong": 8,
}
"""Bytes of each plain type."""

# `[x]` is a vector of x, `<x>` the member of union x that the field before it names.
LAYOUT = {
    "Model": "version:uint operator_codes:[OperatorCode] subgraphs:[SubGraph] "
    "description:string buffers:[Buffer] metadata_buffer:[int] metadata:[Metadata] "
    "signature_defs:[SignatureDef] external_buffer_groups:[ExternalBufferGroup] "
    "external_buffers:[ExternalBuffer]",
    "OperatorCode": "deprecated_builtin_code:byte custom_code:string version:int builtin_code:int",
    "SubGraph": "tensors:[Tensor] inputs:[int] outputs:[int] operators:[Operator] name:string "
    "debug_metadata_index:int",
    "Tensor": "shape:[int] type:byte buffer:uint name:string quantization:QuantizationParameters "
    "is_variable:bool sparsity:SparsityParameters shape_signature:[int] has_rank:bool "
    "variant_tensors:[VariantSubType] external_buffer:uint",
    "VariantSubType": "shape:[int] type:byte has_rank:bool",
    "QuantizationParameters": "min:[float] max:[float] scale:[float] zero_point:[long] "
    "details_type:ubyte details:<QuantizationDetails> quantized_dimension:int",
    "CustomQuantization": "custom:[ubyte]",
    "BlockwiseQuantization": "scales:int zero_points:int block_size:int block_shape:[int]",
    "MultiAxisQuantization": "scales:int zero_points:int block_size:int quantized_dimensions:[int]",
    "SparsityParameters": "traversal_order:[int] block_map:[int] dim_metadata:[DimensionMetadata]",
    "DimensionMetadata": "format:byte dense_size:int "
    "array_segments_type:ubyte array_segments:<SparseIndexVector> "
    "array_indices_type:ubyte array_indices:<SparseIndexVector>",
    "Int32Vector": "values:[int]",
    "Uint16Vector": "values:[ushort]",
    "Uint8Vector": "values:[ubyte]",
    "Operator": "opcode_index:uint inputs:[int] outputs:[int] "
    "builtin_options_type:ubyte builtin_options:<BuiltinOptions> custom_options:[ubyte] "
    "custom_options_format:byte mutating_variable_inputs:[bool] intermediates:[int] "
    "large_custom_options_offset:ulong large_custom_options_size:ulong "
    "builtin_options_2_type:ubyte builtin_options_2:<BuiltinOptions2> debug_metadata_index:int",
    "Buffer": "data:[ubyte] offset:ulong size:ulong",
    "Metadata": "name:string buffer:uint",
    # schema.fbs has a deprecated field before subgraph_index.
    "SignatureDef": "inputs:[TensorMap] outputs:[TensorMap] signature_key:string "
    "deprecated_tag:string subgraph_index:uint",
    "TensorMap": "name:string tensor_index:uint",
    "ExternalBufferGroup": "name:string",
    "ExternalBuffer": "id:uint group:uint offset:ulong length:ulong packing:string",
    "BucketizeOptions": "boundaries:[float]",
    "ConcatEmbeddingsOptions": "num_channels:int num_columns_per_channel:[int] "
    "embedding_dim_per_channel:[int]",
    "FullyConnectedOptions": "fused_activation_function:byte weights_format:byte "
    "keep_num_dims:bool asymmetric_quantize_inputs:bool quantized_bias_type:byte "
    "quant_spec:[ubyte]",
    "ReshapeOptions": "new_shape:[int]",
    "SqueezeOptions": "squeeze_dims:[int]",
    "VarHandleOptions": "container:string shared_name:string",
    "StableHLOCompositeOptions": "name:string decomposition_subgraph_index:int "
    "composite_attributes:[ubyte] composite_attributes_format:byte version:int",
    "StablehloBroadcastInDimOptions": "broadcast_dimensions:[long]",
    "StablehloCaseOptions": "branch_subgraph_indices:[int]",
    "StablehloConvolutionOptions": "window_strides:[long] padding:[long] lhs_dilation:[long] "
    "rhs_dilation:[long] window_reversal:[bool] input_batch_dimension:long "
    "input_feature_dimension:long input_spatial_dimensions:[long] "
    "kernel_input_feature_dimension:long kernel_output_feature_dimension:long "
    "kernel_spatial_dimensions:[long] output_batch_dimension:long "
    "output_feature_dimension:long output_spatial_dimensions:[long] feature_group_count:long "
    "batch_group_count:long precision_config:[uint]",
    "StablehloCustomCallOptions": "call_target_name:string has_side_effect:bool "
    "backend_config:string api_version:int called_computations:[int] custom_attributes:[ubyte]",
    "StablehloDotGeneralOptions": "lhs_batching_dimensions:[long] rhs_batching_dimensions:[long] "
    "lhs_contracting_dimensions:[long] rhs_contracting_dimensions:[long] precision_config:[uint]",
    "StablehloDynamicSliceOptions": "slice_sizes:[long]",
    "StablehloGatherOptions": "offset_dims:[long] collapsed_slice_dims:[long] "
    "start_index_map:[long] index_vector_dim:long slice_sizes:[long] indices_are_sorted:bool",
    "StablehloPadOptions": "edge_padding_low:[long] edge_padding_high:[long] "
    "interior_padding:[long]",
    "StablehloReduceOptions": "dimensions:[long] body_subgraph_index:int",
    "StablehloReduceWindowOptions": "window_dimensions:[long] window_strides:[long] "
    "base_dilations:[long] window_dilations:[long] padding:[long] body_subgraph_index:int",
    "StablehloScatterOptions": "indices_are_sorted:bool update_window_dims:[long] "
    "inserted_window_dims:[long] scatter_dims_to_operand_dims:[long] index_vector_dim:long "
    "unique_indices:bool update_computation_subgraph_index:int",
    "StablehloSliceOptions": "start_indices:[long] limit_indices:[long] strides:[long]",
    "StablehloTransposeOptions": "permutation:[long]",
}


@dataclass(frozen=True)
class Vector:
    """A vector of plain numbers or of tables, whichever ``item`` names."""

    item: str


@dataclass(frozen=True)
class Field:
    """A field of a table.

    ``kind`` is a plain type, ``string``, a table, a `Vector`, or a union; then ``is_union``.
    """

    name: str
    kind: str | Vector
    is_union: bool = False


@functools.cache
def fields_of(table: str) -> tuple[Field, ...]:
    """Return the fields of ``table`` in the order of their slots; none if it is not listed."""
    return tuple(_parse(*item.split(":")) for item in LAYOUT.get(table, "").split())


def _parse(name: str, kind: str) -> Field:
    if kind.startswith("["):
        return Field(name, Vector(kind[1:-1]))
    if kind.startswith("<"):
        return Field(name, kind[1:-1], is_union=True)
    return Field(name, kind)
