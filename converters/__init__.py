"""From TFLite and ONNX models to ONNX models with SparseConv1x1 nodes."""
