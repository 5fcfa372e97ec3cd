"""A server under load while things go wrong: every request is counted."""
