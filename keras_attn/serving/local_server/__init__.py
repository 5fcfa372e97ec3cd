"""A server that speaks as TensorFlow Serving does, in Python, on SavedModels alone.

It knows nothing of how the model was made: `keras_attn`, Keras and the training code
are not imported. Codes, messages and the order of checks are TensorFlow Serving's, so
that a client tested here meets no surprise there; `docs/local-server.md` lists where
the two differ.
"""
