"""Keras callbacks of training: progress, sample translations, averages, TensorBoard."""
