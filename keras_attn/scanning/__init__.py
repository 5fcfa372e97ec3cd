"""Loops over time: `ops.scan`, and on TensorFlow one with a gradient of its own."""

from keras_attn.scanning.scan import has_own_loop, scan

__all__ = ["has_own_loop", "scan"]
