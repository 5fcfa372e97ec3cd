"""Writes a translator as a version folder that TensorFlow Serving loads."""

from keras_attn.serving.export.exporter import export_translator

__all__ = ["export_translator"]
