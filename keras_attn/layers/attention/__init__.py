"""Align functions, one formula a file."""
