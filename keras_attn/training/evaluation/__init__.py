"""Scores of a translator on a test set."""
