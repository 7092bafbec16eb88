"""All that knows ONNX Runtime. Nothing here may touch Python: libort_sparse has none."""
