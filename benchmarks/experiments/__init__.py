"""Experiments train translators, score them, store the scores and draw a page."""
