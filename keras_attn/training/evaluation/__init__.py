"""Evaluation: the pairs of a test set, their translations, and the scores."""
