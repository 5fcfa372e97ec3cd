"""TensorFlow Serving's wire format without TensorFlow: messages and tensors."""
