"""Encoders: from source ids or features to the memory."""
