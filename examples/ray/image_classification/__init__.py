"""Image classification with Ray: batches (`batch`) and a service (`service`)."""
