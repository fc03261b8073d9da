"""Pairs in, a model folder out. The only package of bouba that needs torch and onnx."""
