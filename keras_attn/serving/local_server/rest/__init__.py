"""TensorFlow Serving's REST API: JSON over HTTP, on a port of its own."""
