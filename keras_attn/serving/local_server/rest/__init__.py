"""TensorFlow Serving's REST API: JSON over HTTP, on its own port."""
