"""Corpora, pipeline, recipes and the commands that train and evaluate."""
