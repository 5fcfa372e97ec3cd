"""Align functions: where a decoder looks, one formula a file."""
