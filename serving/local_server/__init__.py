"""A server that speaks TensorFlow Serving's gRPC, in Python, on a SavedModel alone.

It knows nothing of how the model was made: `keras_attn`, Keras and the training code
are not imported. Codes, messages and the order of checks are TensorFlow Serving's, so
that a client tested here meets no surprise there; `docs/serving.md` lists where the
two differ.
"""
