"""YOLOX: the network in torch, its training, and its exports in ONNX."""
