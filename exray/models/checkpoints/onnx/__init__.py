"""ONNX graphs of strangers: made plain in a process of its own, then built of torch's layers."""
