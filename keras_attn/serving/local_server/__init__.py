"""TensorFlow Serving's gRPC and REST APIs in Python, for SavedModels.

Needs nothing but the SavedModel: layers, Keras and training code are not imported.
Status codes, messages and the order of checks are TensorFlow Serving's, so that clients
behave the same with both; `docs/serving.md` lists the differences.
"""
