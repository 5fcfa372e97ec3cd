"""Loops over time: `ops.scan`, and on TensorFlow one with its own gradient."""

from keras_attn.scanning.scan import scan, uses_tensorflow_scan

__all__ = ["scan", "uses_tensorflow_scan"]
