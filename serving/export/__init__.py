"""A saved translator becomes a version folder that TensorFlow Serving loads."""

from serving.export.exporter import export_translator

__all__ = ["export_translator"]
